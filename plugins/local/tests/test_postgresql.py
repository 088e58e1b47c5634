"""The promises that depend on the data base hold on PostgreSQL too."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from ostiary import Storage, errors
from ostiary.storage import migrate
from ostiary.storage.store import Backend
from ostiary_local import accounts
from ostiary_local.errors import AccountExists, NoAccount, UsernameTaken

if TYPE_CHECKING:
    from .conftest import Local

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("provisioned", ["postgresql"], indirect=True),
]


async def test_an_account_lives_its_life(local: Local) -> None:
    assert await local.create("ann", username="Straße", password="secret") == {"username": "Straße"}
    assert await local.login("STRASSE", "secret") == "ann"
    assert await local.update("ann", username="ann") == {"username": "ann"}
    assert await local.update("ann", password="terces") == {"username": "ann"}
    assert await local.login("ann", "terces") == "ann"
    with pytest.raises(errors.LoginRefused):
        await local.login("Straße", "terces")
    await local.delete("ann")
    await local.delete("ann")
    assert await local.get("ann") is None
    with pytest.raises(NoAccount):
        await accounts.change(local.store, "ann", None, {"updater": "ann"})


@pytest.mark.parametrize(
    "username", ["an\0n", "an\ud800n", "\ufdfa" * 200], ids=["NUL", "lone", "long"]
)
async def test_a_name_that_cannot_be_stored_is_refused_as_wrong(
    local: Local, username: str
) -> None:
    with pytest.raises(errors.LoginRefused):
        await local.login(username, "secret")


async def test_exact_spelling_goes_before_folding(local: Local) -> None:
    exact = local.configured(usernameMatching="exact")
    await exact.create("one", username="Bob", password="secret")
    await exact.create("two", username="bob", password="terces")
    assert await local.login("Bob", "secret") == "one"
    assert await local.login("bob", "terces") == "two"


async def test_of_many_who_want_a_name_at_once_one_gets_it(local: Local) -> None:
    """RACE-02."""
    wanted = ["ann", "Ann", "ANN"] * 3
    results = await asyncio.gather(
        *(local.create(f"k{n}", username=name, password="x") for n, name in enumerate(wanted)),
        return_exceptions=True,
    )
    assert sum(isinstance(result, dict) for result in results) == 1
    assert sum(isinstance(result, UsernameTaken) for result in results) == len(wanted) - 1


async def test_a_user_who_is_given_accounts_at_once_has_one(local: Local) -> None:
    results = await asyncio.gather(
        *(local.create("ann", username=f"ann{n}", password="x") for n in range(6)),
        return_exceptions=True,
    )
    assert sum(isinstance(result, dict) for result in results) == 1
    assert sum(isinstance(result, AccountExists) for result in results) == 5


async def test_the_revisions_build_the_tables(backend: Backend, storage: Storage) -> None:
    assert await migrate.drift(backend, "local", storage) == []
