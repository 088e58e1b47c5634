"""Accounts are whole, one for each user and one for each name, whoever asks at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from ostiary import errors
from ostiary_local import accounts
from ostiary_local.errors import (
    AccountExists,
    InvalidPassword,
    InvalidUsername,
    KuidForbidden,
    MissingPassword,
    MissingUsername,
    NoAccount,
    NothingToUpdate,
    UsernameTaken,
)

if TYPE_CHECKING:
    from .conftest import Local

pytestmark = pytest.mark.anyio


async def test_a_client_sees_the_name_only(local: Local) -> None:
    fields = {"username": "ann", "password": "secret", "note": "ignored"}
    assert await local.create("ann", **fields) == {"username": "ann"}
    assert await local.update("ann", password="terces") == {"username": "ann"}
    assert await local.get("ann") == {"username": "ann"}


@pytest.mark.parametrize(
    "fields, refusal",
    [
        ({}, MissingUsername),
        ({"password": "secret"}, MissingUsername),
        ({"username": None, "password": "secret"}, MissingUsername),
        ({"username": "ann"}, MissingPassword),
        ({"username": "ann", "password": None}, MissingPassword),
        ({"username": "ann", "password": ""}, InvalidPassword),
        ({"username": "ann", "password": "  "}, InvalidPassword),
        ({"username": "ann", "password": 12345678}, InvalidPassword),
        ({"username": "ann", "password": "x" * 4097}, InvalidPassword),
        ({"username": "", "password": "secret"}, InvalidUsername),
        ({"username": 7, "password": "secret"}, InvalidUsername),
        ({"username": "an\u202en", "password": "secret"}, InvalidUsername),
        ({"username": "ann", "password": "secret", "_id": "ann"}, KuidForbidden),
        ({"username": "ann", "password": "secret", "kuid": "ann"}, KuidForbidden),
        ({"username": "ann", "password": "secret", "kuid": None}, KuidForbidden),
    ],
)
async def test_unfit_credentials_are_refused(
    local: Local, fields: dict[str, Any], refusal: type[errors.OstiaryError]
) -> None:
    with pytest.raises(refusal) as raised:
        await local.create("ann", **fields)
    assert raised.value.status == 400
    assert raised.value.id.startswith("plugin.kuzzle-plugin-auth-passport-local.")
    assert await local.get("ann") is None


async def test_a_user_has_one_account(local: Local) -> None:
    await local.create("ann", username="ann", password="secret")
    with pytest.raises(AccountExists) as refusal:
        await local.create("ann", username="other", password="secret")
    assert refusal.value.status == 412
    assert await local.get("ann") == {"username": "ann"}


async def test_own_name_may_be_validated_again(local: Local) -> None:
    await local.create("ann", username="ann", password="secret")
    await local.validate("ann", {"username": "ANN", "password": "secret"})
    await local.validate("ann", {"username": "ANN"}, partial=True)


async def test_of_many_who_want_a_name_at_once_one_gets_it(local: Local) -> None:
    """RACE-02, RACE-12."""
    wanted = ["ann", "Ann", "ANN", "\uff41\uff4e\uff4e"] * 3
    results = await asyncio.gather(
        *(local.create(f"k{n}", username=name, password="x") for n, name in enumerate(wanted)),
        return_exceptions=True,
    )
    winners = [n for n, result in enumerate(results) if isinstance(result, dict)]
    assert len(winners) == 1
    assert sum(isinstance(result, UsernameTaken) for result in results) == len(wanted) - 1
    assert await local.login("ann", "x") == f"k{winners[0]}"
    assert [n for n in range(len(wanted)) if await local.get(f"k{n}")] == winners


async def test_a_user_who_is_given_accounts_at_once_has_one(local: Local) -> None:
    results = await asyncio.gather(
        *(local.create("ann", username=f"ann{n}", password="x") for n in range(8)),
        return_exceptions=True,
    )
    assert sum(isinstance(result, dict) for result in results) == 1
    assert sum(isinstance(result, AccountExists) for result in results) == 7


async def test_who_set_the_password_is_kept(local: Local) -> None:
    await local.create("ann", by="admin", username="ann", password="secret")
    created = local.row("ann")
    assert created["updater"] == "admin"
    assert created["password_set_at"] == created["created_at"] == created["updated_at"]
    await local.update("ann", by="other", username="Anna")
    renamed = local.row("ann")
    assert renamed["updater"] == "admin"
    assert renamed["password_set_at"] == created["password_set_at"]
    await local.update("ann", by="ann", password="terces")
    assert local.row("ann")["updater"] == "ann"


# Updating, deleting


async def test_a_new_password_replaces_the_old_one(local: Local) -> None:
    await local.create("ann", username="ann", password="secret")
    await local.update("ann", password="terces")
    assert await local.login("ann", "terces") == "ann"
    with pytest.raises(errors.LoginRefused):
        await local.login("ann", "secret")


async def test_a_new_name_replaces_the_old_one_and_frees_it(local: Local) -> None:
    await local.create("ann", username="ann", password="secret")
    assert await local.update("ann", username="Anna") == {"username": "Anna"}
    assert await local.login("anna", "secret") == "ann"
    with pytest.raises(errors.LoginRefused):
        await local.login("ann", "secret")
    await local.create("bob", username="ann", password="secret")
    assert await local.login("ann", "secret") == "bob"


async def test_the_spelling_of_a_name_may_be_changed(local: Local) -> None:
    await local.create("ann", username="ann", password="secret")
    assert await local.update("ann", username="ANN") == {"username": "ANN"}
    assert await local.login("ann", "secret") == "ann"


@pytest.mark.parametrize(
    "fields, refusal",
    [
        ({}, NothingToUpdate),
        ({"note": "x"}, NothingToUpdate),
        ({"kuid": "ann", "password": "terces"}, KuidForbidden),
        ({"username": None}, InvalidUsername),
        ({"password": None}, InvalidPassword),
        ({"password": ["terces"]}, InvalidPassword),
        ({"username": "ann", "password": " "}, InvalidPassword),
    ],
)
async def test_an_unfit_update_is_refused_and_changes_nothing(
    local: Local, fields: dict[str, Any], refusal: type[errors.OstiaryError]
) -> None:
    await local.create("ann", username="ann", password="secret")
    with pytest.raises(refusal) as raised:
        await local.update("ann", **fields)
    assert raised.value.status == 400
    assert await local.login("ann", "secret") == "ann"


async def test_who_has_no_account_cannot_update_one(local: Local) -> None:
    with pytest.raises(NoAccount) as refusal:
        await local.update("ann", password="secret")
    assert refusal.value.status == 412
    with pytest.raises(NoAccount):
        await accounts.change(local.store, "ann", None, {"updater": "ann"})
    assert await local.get("ann") is None


async def test_of_many_who_rename_themselves_at_once_one_succeeds(local: Local) -> None:
    """RACE-05."""
    for n in range(6):
        await local.create(f"k{n}", username=f"user{n}", password="x")
    results = await asyncio.gather(
        *(local.update(f"k{n}", username="star") for n in range(6)), return_exceptions=True
    )
    assert results.count({"username": "star"}) == 1
    assert sum(isinstance(result, UsernameTaken) for result in results) == 5


async def test_deleting_erases_everything_and_may_be_repeated(local: Local) -> None:
    await local.create("ann", username="ann", password="secret")
    await local.create("bob", username="bob", password="secret")
    await local.delete("ann")
    await local.delete("ann")
    assert await local.get("ann") is None
    assert await local.login("bob", "secret") == "bob"
    with pytest.raises(errors.LoginRefused):
        await local.login("ann", "secret")
    await local.create("eve", username="ann", password="other")
    assert await local.login("ann", "other") == "eve"
