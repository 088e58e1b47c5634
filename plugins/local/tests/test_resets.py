"""Reset tokens: what a refused login gives, and what makes them void."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

import pytest

import ostiary_local
from ostiary import Call
from ostiary_local import accounts, resets, tickets
from ostiary_local.errors import ExpiredPassword, InvalidToken, MustChangePassword
from ostiary_local.tickets import Ticket

from .conftest import Local

pytestmark = pytest.mark.anyio

NEW = "another secret"


@pytest.fixture
async def ann(local: Local) -> Local:
    await local.create("ann", username="ann", password="secret")
    return local


async def token_of(local: Local, kuid: str = "ann") -> str:
    account = await accounts.of(local.store, kuid)
    assert account is not None
    return await resets.issue(local.strategy, local.store, account)


async def found(local: Local, token: str) -> Ticket | None:
    return await tickets.find(local.store, "reset", token)


async def spend(local: Local, ticket: Ticket, password: str = NEW) -> Any:
    """Change the password as ``reset`` has the core do it."""
    return await ostiary_local.ostiary_update_credentials(
        strategy=local.strategy,
        store=local.store,
        kuid=ticket.kuid,
        credentials={"password": password},
        call=Call(kuid=ticket.kuid, state={resets.SPENT: ticket.fingerprint}),
        directory=local.directory,
    )


@pytest.mark.parametrize(
    "which, error", [("expired", ExpiredPassword), ("must_change", MustChangePassword)]
)
async def test_a_refused_login_gives_a_token_that_sets_a_new_password(
    ann: Local, which: Literal["expired", "must_change"], error: type[Exception]
) -> None:
    """AUTH-14: the only token in it is that one. Contract, 11."""
    account = await accounts.of(ann.store, "ann")
    assert account is not None
    refusal = await resets.refusal(ann.strategy, ann.store, account, which)
    assert type(refusal) is error
    assert (refusal.status, refusal.kuid, refusal.proved) == (401, "ann", True)
    token = refusal.to_json()["resetToken"]
    assert token not in str(refusal) + repr(refusal) + str(refusal.reason)
    ticket = await found(ann, token)
    assert ticket is not None
    await spend(ann, ticket)
    assert await ann.login("ann", NEW) == "ann"
    row = ann.row("ann")
    assert row["updater"] == "ann"


async def test_one_that_is_set_spends_its_token_and_every_other(ann: Local) -> None:
    """PWD-10"""
    given = [await token_of(ann) for _ in range(3)]
    ticket = await found(ann, given[0])
    assert ticket is not None
    await spend(ann, ticket)
    assert [await found(ann, token) for token in given] == [None] * 3
    with pytest.raises(InvalidToken):
        await spend(ann, ticket, "a third secret")
    assert await ann.login("ann", NEW) == "ann"


async def test_of_many_at_once_one_succeeds(ann: Local) -> None:
    """PWD-10: the token is spent by the transaction that changes the password."""
    ticket = await found(ann, await token_of(ann))
    assert ticket is not None
    tried = [f"secret number {number}" for number in range(20)]
    outcomes = await asyncio.gather(
        *(spend(ann, ticket, password) for password in tried), return_exceptions=True
    )
    refused = [one for one in outcomes if isinstance(one, InvalidToken)]
    assert len(refused) == len(tried) - 1
    (winner,) = (
        one for one, outcome in zip(tried, outcomes, strict=True) if outcome not in refused
    )
    assert await ann.login("ann", winner) == "ann"


@pytest.mark.parametrize("fields", [{"password": NEW}, {"username": "anna"}])
async def test_every_change_of_credentials_voids_it(ann: Local, fields: dict[str, str]) -> None:
    """PWD-10"""
    await ann.create("bob", username="bob", password="secret")
    token, of_bob = await token_of(ann), await token_of(ann, "bob")
    await ann.update("ann", by="ann", **fields)
    assert await found(ann, token) is None
    assert await found(ann, of_bob) is not None


async def test_it_goes_with_the_account(ann: Local) -> None:
    token = await token_of(ann)
    await ann.delete("ann")
    await ann.create("ann", username="ann", password="secret")
    assert await found(ann, token) is None


async def test_no_other_change_needs_a_ticket(ann: Local) -> None:
    assert resets.spent_by(Call()) is None
    assert resets.spent_by(Call(state={})) is None
    assert resets.spent_by(Call(args={resets.SPENT: b"1"})) is None
