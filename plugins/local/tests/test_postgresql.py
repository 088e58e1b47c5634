"""The promises that depend on the data base hold on PostgreSQL too."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from ostiary import Storage, errors
from ostiary.storage import migrate
from ostiary.storage.store import Backend
from ostiary_local import accounts, decoys, history, resets, tables, tickets
from ostiary_local.errors import (
    AccountExists,
    InvalidToken,
    NoAccount,
    ReusedPassword,
    UsernameTaken,
)
from ostiary_local.foreign import parse
from ostiary_local.naming import Name, Names

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


async def test_former_passwords_are_kept_as_long_as_a_policy_asks(local: Local) -> None:
    """RACE-05."""
    policy: dict[str, Any] = {"appliesTo": "*", "forbidReusedPasswordCount": 9}
    strict = local.configured(passwordPolicies=[policy])
    await strict.create("ann", username="ann", password="p0")
    await asyncio.gather(*(strict.update("ann", password=f"p{n}") for n in range(1, 7)))
    assert len(await history.former(local.store, "ann", 24)) == 6
    for number in range(7):
        with pytest.raises(ReusedPassword):
            await strict.update("ann", password=f"p{number}")
    policy["forbidReusedPasswordCount"] = 3
    await local.configured(passwordPolicies=[policy]).update("ann", password="p7")
    assert len(await history.former(local.store, "ann", 24)) == 2
    await local.update("ann", password="p8")
    assert await history.former(local.store, "ann", 24) == []


@pytest.mark.parametrize("wrapped", [False, True], ids=["alone", "wrapped"])
async def test_an_account_from_elsewhere_has_our_hash_after_its_first_logins(
    local: Local, wrapped: bool
) -> None:
    """PWD-07."""
    theirs = parse("{SSHA}fXdCFmLm7PVEh9muNjvZtKlvLx2ldE6pNUaode7de68VQuh9")
    text = theirs.outline if wrapped else theirs.text
    column = tables.accounts.c.imported
    columns = {
        "hash": await local.store.hasher.hash(decoys.wrapped(theirs.value)) if wrapped else None,
        "imported": local.store.sealer.seal(text.encode(), column=column, row="ann"),
        "updater": "-1",
        "password_set_at": 1,
    }
    await accounts.add(local.store, "ann", Names.of(Name("ann", "ann")), columns)
    with pytest.raises(errors.LoginRefused):
        await local.login("ann", "wrong")
    logins = [local.login("ann", "pässword with späces") for _ in range(5)]
    assert await asyncio.gather(*logins) == ["ann"] * 5
    after = await accounts.of(local.store, "ann")
    assert after is not None
    assert (after.imported, after.password_set_at, after.updater) == (None, 1, "-1")
    assert await local.store.hasher.matches(after.hash, "pässword with späces")


async def test_a_ticket_is_spent_once_and_there_are_never_many(local: Local) -> None:
    """PWD-10: also where transactions run side by side."""
    await local.create("ann", username="ann", password="secret")
    account = await accounts.of(local.store, "ann")
    assert account is not None
    given = await asyncio.gather(
        *(resets.issue(local.strategy, local.store, account) for _ in range(12))
    )
    found = [await tickets.find(local.store, "reset", token) for token in given]
    good = [ticket for ticket in found if ticket is not None]
    assert len(good) == tickets.MOST
    columns = {"hash": "another", "password_set_at": account.password_set_at + 1}
    outcomes = await asyncio.gather(
        *(
            accounts.change(local.store, "ann", None, columns, ticket=good[0].fingerprint)
            for _ in range(12)
        ),
        return_exceptions=True,
    )
    assert outcomes.count("ann") == 1
    assert sum(isinstance(outcome, InvalidToken) for outcome in outcomes) == 11
    assert [await tickets.find(local.store, "reset", token) for token in given] == [None] * 12


async def test_the_revisions_build_the_tables(backend: Backend, storage: Storage) -> None:
    assert await migrate.drift(backend, "local", storage) == []
