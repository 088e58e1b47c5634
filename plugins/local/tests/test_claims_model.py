"""Whatever users claim, verify and give up, in whatever order: a model in memory says who has what."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ostiary import errors
from ostiary_local.errors import NoNameLeft, NoSuchName, UsernameTaken

if TYPE_CHECKING:
    from .conftest import Local

pytestmark = pytest.mark.anyio

USERS = ("ann", "bob", "eve")
NAMED = ("ann", "bob")
"""Who has a user name besides; the other has to begin with an address only."""

ADDRESSES = ("a@x.example", "b@x.example", "+33612345678")

steps = st.tuples(
    st.sampled_from(("claim", "prove", "confirm", "drop", "age")),
    st.sampled_from(USERS),
    st.sampled_from(ADDRESSES),
)


@dataclass
class Claim:
    """Who has an address."""

    user: str
    verified: bool = False
    old: bool = False


@dataclass
class Model:
    """What the documentation says (docs/names.md)."""

    claims: dict[str, Claim] = field(default_factory=dict)

    def of(self, user: str) -> list[str]:
        return [address for address, claim in self.claims.items() if claim.user == user]

    def yields(self, address: str, *, proved: bool) -> bool:
        claim = self.claims[address]
        if claim.verified or proved:
            return not claim.verified
        return claim.old and (claim.user in NAMED or len(self.of(claim.user)) > 1)

    def claim(self, user: str, address: str, *, proved: bool) -> None:
        """Have a user claim an address.

        :raises UsernameTaken: another has it.
        """
        claim = self.claims.get(address)
        if claim is not None and claim.user == user:
            claim.verified |= proved
        elif claim is None or self.yields(address, proved=proved):
            self.claims[address] = Claim(user, verified=proved)
        else:
            raise UsernameTaken(address)

    def confirm(self, user: str, address: str) -> None:
        """Have a user prove an address with a token.

        :raises NoSuchName: nobody claims it.
        """
        if address not in self.claims:
            raise NoSuchName(user)
        self.claim(user, address, proved=True)

    def drop(self, user: str, address: str) -> None:
        """Have a user give up an address.

        :raises NoNameLeft: there would be no name.
        """
        if user not in NAMED and {*self.of(user)} <= {address}:
            raise NoNameLeft
        if address in self.of(user):
            del self.claims[address]


async def write(local: Local, user: str, addresses: list[str], verified: list[str]) -> None:
    emails = [one for one in addresses if "@" in one]
    phones = [one for one in addresses if "@" not in one]
    more: dict[str, Any] = {"verified": verified} if verified else {}
    await local.update(user, email=emails, phone=phones, **more)


async def do(local: Local, model: Model, step: str, user: str, address: str) -> None:
    before = model.of(user)
    wanted = sorted({*before, address})
    match step:
        case "claim":
            await write(local, user, wanted, [])
        case "prove":
            await write(local, user, wanted, [address])
        case "drop":
            await write(local, user, [one for one in before if one != address], [])
        case "confirm":
            await local.confirm(await local.token(user, address))
        case "age" if address in model.claims:
            await local.age(address)


def expect(model: Model, step: str, user: str, address: str) -> None:
    match step:
        case "claim" | "prove":
            model.claim(user, address, proved=step == "prove")
        case "drop":
            model.drop(user, address)
        case "confirm":
            model.confirm(user, address)
        case "age" if address in model.claims:
            model.claims[address].old = True


async def check(local: Local, model: Model) -> None:
    for user in USERS:
        seen = await local.get(user) or {}
        found = {
            one["value"]: one["verified"]
            for one in seen.get("identifiers", ())
            if one["kind"] != "username"
        }
        assert found == {one: model.claims[one].verified for one in model.of(user)}
    for address in model.claims:
        assert (await local.by_id(address))["kuid"] == model.claims[address].user


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(history=st.lists(steps, max_size=14))
async def test_claims_go_as_they_are_said_to(
    local: Local, history: list[tuple[str, str, str]]
) -> None:
    model = Model({ADDRESSES[0]: Claim("eve")})
    for user in USERS:
        await local.delete(user)
    for user in NAMED:
        await local.create(user, username=user, password="x")
    await local.create("eve", email=ADDRESSES[0], password="x")
    for step in history:
        before = deepcopy(model)
        try:
            expect(model, *step)
        except errors.OstiaryError as refusal:
            with pytest.raises(type(refusal)):
                await do(local, before, *step)
        else:
            await do(local, before, *step)
        await check(local, model)
