"""Who holds a token that was sent to an address has the address; once, and for nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ostiary import Call, errors
from ostiary_local import tickets, verification
from ostiary_local.errors import (
    InvalidVerificationToken,
    NoAccount,
    NoSuchName,
    TooManyNames,
    UsernameTaken,
)

if TYPE_CHECKING:
    from .conftest import Local

pytestmark = pytest.mark.anyio

ANN = "ann@example.com"
NUMBER = "+33612345678"


async def token(local: Local, kuid: str, value: str) -> str:
    return await local.token(kuid, value)


async def confirm(local: Local, token: str) -> Any:
    return await local.confirm(token)


async def verified(local: Local, kuid: str) -> list[str]:
    seen = await local.get(kuid) or {}
    return [one["value"] for one in seen.get("identifiers", ()) if one["verified"]]


@pytest.mark.parametrize("fields", [{"email": ANN}, {"phone": NUMBER}, {"username": ANN}], ids=str)
async def test_a_token_verifies_an_address(local: Local, fields: dict[str, Any]) -> None:
    (value,) = fields.values()
    await local.create("ann", password="x", **fields)
    assert (await confirm(local, await token(local, "ann", value))).value == value
    assert await verified(local, "ann") == [value]
    assert await local.login(value, "x") == "ann"


async def test_a_token_is_good_once(local: Local) -> None:
    """TOK-23."""
    await local.create("ann", email=ANN, password="x")
    one = await token(local, "ann", ANN)
    await confirm(local, one)
    with pytest.raises(InvalidVerificationToken):
        await confirm(local, one)


async def test_no_other_token_verifies_and_this_one_resets_nothing(local: Local) -> None:
    """TOK-24."""
    await local.create("ann", email=ANN, password="x")
    reset = await tickets.issue(local.store, "reset", "ann", ANN, 60_000)
    expired = await tickets.issue(local.store, "verify", "ann", ANN, 0)
    odd = await tickets.issue(local.store, "verify", "ann", "no address", 60_000)
    for wrong in (reset, expired, odd, "", "x" * 10**6, "\ud800", ANN):
        with pytest.raises(InvalidVerificationToken) as refusal:
            await confirm(local, wrong)
        assert refusal.value.status == 400
    one = await token(local, "ann", ANN)
    assert await tickets.find(local.store, "reset", one) is None
    assert await verified(local, "ann") == []
    with pytest.raises(errors.LoginRefused):
        await local.login(ANN, one)


@pytest.mark.parametrize(
    "change",
    [{"password": "y"}, {"email": ["other@example.com"]}, {"email": None, "username": "ann"}],
    ids=str,
)
async def test_a_token_is_void_after_the_credentials_have_changed(
    local: Local, change: dict[str, Any]
) -> None:
    """PWD-10."""
    await local.create("ann", email=ANN, password="x")
    one = await token(local, "ann", ANN)
    reset = await tickets.issue(local.store, "reset", "ann", "0", 60_000)
    await local.update("ann", **change)
    with pytest.raises(InvalidVerificationToken):
        await confirm(local, one)
    assert await tickets.find(local.store, "reset", reset) is None
    assert await verified(local, "ann") == []


async def test_a_deleted_account_verifies_nothing(local: Local) -> None:
    await local.create("ann", email=ANN, password="x")
    one = await token(local, "ann", ANN)
    await local.delete("ann")
    await local.create("ann", username="ann", password="x")
    with pytest.raises(InvalidVerificationToken):
        await confirm(local, one)


async def test_the_owner_of_an_address_gets_it_from_whoever_claims_it(local: Local) -> None:
    await local.create("eve", username="eve", email=ANN, phone=NUMBER, password="x")
    await local.create("ann", username="ann", password="x")
    one = await token(local, "ann", ANN)
    assert await local.login(ANN, "x") == "eve"
    await confirm(local, one)
    assert await local.login(ANN, "x") == "ann"
    assert await verified(local, "ann") == [ANN]
    with pytest.raises(UsernameTaken):
        await token(local, "eve", ANN)


async def test_what_was_given_up_is_not_got_back_by_an_old_token(local: Local) -> None:
    await local.create("ann", username="ann", email=ANN, password="x")
    one = await token(local, "ann", "ANN@example.com")
    await local.update("ann", email=None)
    await local.create("bob", email=ANN, password="x")
    with pytest.raises(InvalidVerificationToken):
        await confirm(local, one)
    assert await local.login(ANN, "x") == "bob"


async def test_no_token_is_made_for_what_nobody_claims(local: Local) -> None:
    await local.create("ann", username="ann", password="x")
    for value in (ANN, "ann", "", "x" * 10**6, NUMBER):
        with pytest.raises(NoSuchName):
            await token(local, "ann", value)
    with pytest.raises(NoAccount) as refusal:
        await token(local, "nobody", ANN)
    assert refusal.value.status == 412


async def test_an_account_gets_no_eleventh_name_by_verifying(local: Local) -> None:
    await local.create("eve", username="eve", email=ANN, password="x")
    await local.create("ann", email=[f"a{n}@example.com" for n in range(10)], password="x")
    with pytest.raises(TooManyNames):
        await confirm(local, await token(local, "ann", ANN))
    assert await local.login(ANN, "x") == "eve"


async def test_nobody_verifies_addresses_of_the_mightier(local: Local) -> None:
    """Who could, would reset their passwords by mail."""
    local.people.mightier.add("root")
    for kuid in ("ann", "root"):
        await local.create(kuid, email=f"{kuid}@example.com", password="x")
    given = {"store": local.store, "strategies": {"local": local.strategy}}

    async def ask(kuid: str) -> str:
        answer = await verification.get_verification_token(
            directory=local.directory,
            call=Call(kuid="helpdesk"),
            id=kuid,
            body={"value": f"{kuid}@example.com"},
            **given,
        )
        return str(answer["token"])

    with pytest.raises(errors.TargetTooPowerful):
        await ask("root")
    body = verification.Token(token=await ask("ann"))
    assert await verification.verify(body=body, **given, call=Call()) == {
        "kind": "email",
        "value": ANN,
        "verified": True,
    }


@pytest.mark.parametrize("kind", ["username", "email"])
async def test_no_token_is_handed_out_for_a_name_of_the_mightier(local: Local, kind: str) -> None:
    """AZ-20: who says that they will send it keeps it, and the other would be shut out."""
    local.people.mightier.add("root")
    await local.create("root", password="x", **{kind: ANN})
    await local.create("eve", username="eve", password="x")
    with pytest.raises(UsernameTaken):
        await token(local, "eve", ANN)
    assert await local.login(ANN, "x") == "root"


async def test_a_token_takes_no_name_that_was_claimed_since(local: Local) -> None:
    """AZ-20."""
    local.people.mightier.add("root")
    await local.create("bob", username="bob", email=ANN, password="x")
    await local.create("eve", username="eve", password="x")
    one = await token(local, "eve", ANN)
    await local.update("bob", email=None)
    await local.create("root", email=ANN, password="x")
    with pytest.raises(UsernameTaken):
        await confirm(local, one)
    assert await local.login(ANN, "x") == "root"


async def test_proof_by_mail_takes_an_address_back_from_whoever_took_the_claim(
    local: Local,
) -> None:
    await local.create("ann", username="ann", email=ANN, password="x")
    mailed = await tickets.issue(local.store, "verify", "ann", ANN, 60_000)
    await local.age(ANN)
    local.people.mightier.add("root")
    await local.create("root", username=ANN, password="x")
    await confirm(local, mailed)
    assert await local.login(ANN, "x") == "ann"
