"""Accounts from elsewhere: they sign in with the passwords they had, and have our hashes then."""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from sqlalchemy import update

from ostiary import errors
from ostiary.hash_pool import HashPool
from ostiary.hashing import Argon2Parameters
from ostiary_local import accounts, decoys, proofs, tables
from ostiary_local.accounts import Account
from ostiary_local.foreign import Foreign, parse
from ostiary_local.naming import Name, Names

if TYPE_CHECKING:
    from .conftest import Local

pytestmark = pytest.mark.anyio

CHEAPEST = Argon2Parameters(time_cost=5, memory_cost=7168)
DEARER = Argon2Parameters(time_cost=6, memory_cost=7168)
LONG_AGO = 1_500_000_000_000
PATIENCE = 30

T = TypeVar("T")


@dataclass(frozen=True)
class Brought:
    """A hash from elsewhere and its password."""

    hash: Any
    password: str


def kuzzle() -> list[Brought]:
    read = json.loads((Path(__file__).parent / "hashes" / "kuzzle.json").read_text("utf-8"))
    return [Brought(one["document"], one["password"]) for one in read[:3]]


LDAP = Brought("{SSHA}fXdCFmLm7PVEh9muNjvZtKlvLx2ldE6pNUaode7de68VQuh9", "pässword with späces")
BROUGHT = [
    *kuzzle(),
    LDAP,
    Brought("{MD5}Zkk+6K4lWox06Ox4QNzXhw==", "pässword with späces"),
    Brought("$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U"),
    Brought("$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5", "Hello world!"),
    Brought(
        "$argon2i$m=512,t=2,p=1$c2FsdHNhbHQ$DhZA5TTDwIyuAxtzHagkCEe/y5pO7rLz7rui1MkcY8A",
        "pässword with späces",
    ),
]
anything = pytest.mark.parametrize("brought", BROUGHT, ids=range(len(BROUGHT)))
either = pytest.mark.parametrize("wrapped", [False, True], ids=["alone", "wrapped"])


async def bring(
    local: Local, kuid: str, brought: Brought, *, wrapped: bool, username: str | None = None
) -> Foreign:
    """Add an account as an import does."""
    theirs = parse(brought.hash)
    hash = await local.store.hasher.hash(decoys.wrapped(theirs.value)) if wrapped else None
    text = theirs.outline if wrapped else theirs.text
    column = tables.accounts.c.imported
    imported = local.store.sealer.seal(text.encode(), column=column, row=kuid)
    columns = {"hash": hash, "imported": imported, "updater": kuid, "password_set_at": LONG_AGO}
    name = username or kuid
    await accounts.add(local.store, kuid, Names.of(Name(name, local.strategy.key(name))), columns)
    return theirs


async def account(local: Local, kuid: str) -> Account:
    found = await accounts.of(local.store, kuid)
    assert found is not None
    return found


def everything(local: Local) -> bytes:
    files = sorted(local.folder.glob("local.db*"))
    return b"".join(file.read_bytes() for file in files)


@anything
async def test_the_value_of_a_wrapped_hash_is_no_password_though_the_outline_is_lost(
    local: Local, brought: Brought
) -> None:
    """Leaks of the other system hold the value."""
    theirs = await bring(local, "ann", brought, wrapped=True)
    async with local.store.begin() as db:
        await db.execute(update(tables.accounts).values(imported=None))
    for form in (theirs.value.hex(), decoys.wrapped(theirs.value)):
        with pytest.raises(errors.LoginRefused):
            await local.login("ann", form)


@either
@anything
async def test_a_user_signs_in_with_the_password_of_before(
    local: Local, brought: Brought, wrapped: bool
) -> None:
    await bring(local, "ann", brought, wrapped=wrapped)
    for wrong in (brought.password + "x", "x", brought.password.swapcase() + " "):
        with pytest.raises(errors.LoginRefused, match="Wrong user name or password"):
            await local.login("ann", wrong)
    assert local.row("ann")["imported"]
    assert await local.login("ann", brought.password) == "ann"
    assert await local.login("ann", brought.password) == "ann"


@either
@anything
async def test_the_first_login_puts_our_hash_in_the_place_of_the_other(
    local: Local, brought: Brought, wrapped: bool
) -> None:
    """PWD-07: the password stays as old as it was, and whose it was."""
    await bring(local, "ann", brought, wrapped=wrapped)
    before = local.row("ann")
    with pytest.raises(errors.LoginRefused):
        await local.login("ann", "wrong")
    assert local.row("ann") == before
    await local.login("ann", brought.password)
    after = local.row("ann")
    assert after["imported"] is None
    assert after["hash"].startswith("$argon2id$v=19$m=7168,t=5,p=1$")
    assert after["hash"] != before["hash"]
    kept = {"hash": None, "imported": None}
    assert {**after, **kept} == {**before, **kept}
    assert await local.store.hasher.matches(after["hash"], brought.password)


@either
@anything
async def test_no_hash_from_elsewhere_stands_in_clear(
    local: Local, brought: Brought, wrapped: bool
) -> None:
    """PWD-12, and a dump opens nothing: it is sealed, for its row."""
    theirs = await bring(local, "ann", brought, wrapped=wrapped)
    content = everything(local)
    assert b"ann" in content
    written = [theirs.value, theirs.value.hex().encode(), *theirs.text.encode().split(b"$")[2:]]
    assert not [one for one in written if len(one) > 9 and one in content]


async def test_an_outline_holds_no_hash_even_for_who_opens_it(local: Local) -> None:
    theirs = await bring(local, "ann", LDAP, wrapped=True)
    sealed = (await account(local, "ann")).imported
    assert sealed is not None
    column = tables.accounts.c.imported
    opened = local.store.sealer.open(sealed, column=column, row="ann").decode()
    assert opened == theirs.outline
    assert theirs.text not in opened


@either
async def test_logins_during_the_first_renewal_all_succeed(local: Local, wrapped: bool) -> None:
    """PWD-07."""
    await bring(local, "ann", LDAP, wrapped=wrapped)
    logins = [local.login("ann", LDAP.password) for _ in range(8)]
    assert await asyncio.gather(*logins) == ["ann"] * 8
    assert local.row("ann")["imported"] is None


@either
async def test_a_renewal_never_undoes_a_change_of_the_password(local: Local, wrapped: bool) -> None:
    await bring(local, "ann", LDAP, wrapped=wrapped)
    before = await account(local, "ann")
    await local.update("ann", password="terces")
    changed = local.row("ann")
    assert changed["imported"] is None
    await proofs.renew_if_outdated(local.store, before, LDAP.password)
    assert local.row("ann") == changed
    assert await local.login("ann", "terces") == "ann"
    with pytest.raises(errors.LoginRefused):
        await local.login("ann", LDAP.password)


async def test_a_renewal_that_fails_is_told_and_the_login_succeeds(
    local: Local, caplog: pytest.LogCaptureFixture
) -> None:
    await bring(local, "ann", LDAP, wrapped=False)
    before = local.row("ann")
    with closing(sqlite3.connect(local.folder / "local.db")) as file:
        file.executescript(
            "CREATE TRIGGER no BEFORE UPDATE ON accounts BEGIN SELECT RAISE(ABORT, 'no'); END;"
        )
    assert await local.login("ann", LDAP.password) == "ann"
    assert local.row("ann") == before
    (record,) = [one for one in caplog.records if one.name == "ostiary_local.proofs"]
    assert record.levelno == logging.WARNING
    assert "'ann' is outdated and was not renewed: IntegrityError" in record.getMessage()


async def test_a_wrapped_password_is_renewed_when_the_cost_has_changed(
    local: Local, pool: HashPool
) -> None:
    await bring(local, "ann", LDAP, wrapped=True)
    later = await local.reopened(pool, DEARER)
    assert await later.login("ann", LDAP.password) == "ann"
    assert local.row("ann")["hash"].startswith("$argon2id$v=19$m=7168,t=6,p=1$")
    assert local.row("ann")["imported"] is None


# How the password is typed


@either
async def test_a_letter_may_be_typed_in_the_form_in_which_it_was_hashed(
    local: Local, wrapped: bool
) -> None:
    """Other systems normalised nothing: what was hashed is what was typed there."""
    import bcrypt

    decomposed, composed, wide = "cafe\u0301", "caf\u00e9", "\uff43\uff41\uff46\u00e9"
    for number, (there, here) in enumerate(
        [(decomposed, decomposed), (composed, composed), (composed, decomposed), (composed, wide)]
    ):
        made = bcrypt.hashpw(there.encode(), bcrypt.gensalt(4)).decode()
        kuid = f"ann{number}"
        await bring(local, kuid, Brought(made, there), wrapped=wrapped)
        assert await local.login(kuid, here) == kuid
        assert await local.login(kuid, here) == kuid


@either
@anything
async def test_a_password_that_grows_when_it_is_normalised_is_only_a_wrong_one(
    local: Local, brought: Brought, wrapped: bool
) -> None:
    """PWD-02."""
    await bring(local, "ann", brought, wrapped=wrapped)
    for username in ("ann", "nobody"):
        with pytest.raises(errors.LoginRefused, match="Wrong user name or password"):
            await local.login(username, "\ufdfa" * 1300)


async def test_what_bcrypt_did_not_look_at_counts_once_the_hash_is_ours(local: Local) -> None:
    """PWD-03."""
    import bcrypt

    long = "0123456789" * 9
    made = bcrypt.hashpw(long[:72].encode(), bcrypt.gensalt(4)).decode()
    await bring(local, "ann", Brought(made, long), wrapped=False)
    assert await local.login("ann", long) == "ann"
    with pytest.raises(errors.LoginRefused):
        await local.login("ann", long[:72])
    assert await local.login("ann", long) == "ann"


# Nothing is learnt


@either
async def test_a_wrong_password_gets_the_answer_of_every_other(local: Local, wrapped: bool) -> None:
    """AUTH-01."""
    await bring(local, "ann", LDAP, wrapped=wrapped)
    await local.create("bob", username="bob", password="secret")
    answers = []
    for username in ("ann", "bob", "nobody"):
        with pytest.raises(errors.LoginRefused) as refusal:
            await local.login(username, "wrong")
        answers.append(refusal.value.to_json())
    assert answers[1:] == answers[:1] * 2


@either
async def test_hashes_from_elsewhere_are_made_where_hashes_are_made(
    local: Local, wrapped: bool
) -> None:
    """PWD-04: with no place in the queue they are turned away like any other."""
    await bring(local, "ann", LDAP, wrapped=wrapped)
    pool, gate = HashPool(1, 0), threading.Event()
    full = await local.reopened(pool, CHEAPEST)
    busy = asyncio.create_task(pool.run(lambda: gate.wait(PATIENCE)))
    await asyncio.sleep(0)
    for username in ("ann", "nobody"):
        with pytest.raises(errors.Overloaded):
            await full.login(username, LDAP.password)
    gate.set()
    assert await busy
    pool.close()


class Watched(HashPool):
    """A pool that remembers what kinds of hashes it made."""

    def __init__(self) -> None:
        super().__init__(1, 100)
        self.made: list[str] = []

    async def run(self, work: Callable[[], T]) -> T:
        self.made.append("theirs" if isinstance(work, partial) else "ours")
        return await super().run(work)


async def test_every_attempt_is_the_work_of_a_wrapped_hash_while_there_is_one(
    local: Local,
) -> None:
    """AUTH-02: as many hashes of both kinds, whosever the name is."""
    pool = Watched()
    watched = await local.reopened(pool, CHEAPEST)

    async def work(username: str, password: str) -> list[str]:
        pool.made.clear()
        with pytest.raises(errors.LoginRefused):
            await watched.login(username, password)
        return sorted(pool.made)

    await local.create("bob", username="bob", password="secret")
    for username in ("bob", "nobody", "no\u200bbody"):
        assert await work(username, "wr\uff4fng") == ["ours"]
    await bring(local, "ann", LDAP, wrapped=True)
    tries = {"wrong": 1, "wro\u0308ng": 2, "\uff57ro\u0308ng": 3}
    for password, rounds in tries.items():
        for username in ("ann", "bob", "nobody", "no\u200bbody"):
            assert await work(username, password) == ["ours"] * rounds + ["theirs"] * rounds
    await local.login("ann", LDAP.password)
    assert await work("nobody", "wrong") == ["ours"]
    pool.close()


async def test_a_wrapped_hash_that_is_damaged_keeps_nobody_else_out(
    local: Local, caplog: pytest.LogCaptureFixture
) -> None:
    await bring(local, "ann", LDAP, wrapped=True)
    await local.create("bob", username="bob", password="secret")
    with closing(sqlite3.connect(local.folder / "local.db")) as file:
        file.execute("UPDATE accounts SET imported = X'0102' WHERE kuid = 'ann'")
        file.commit()
    assert await local.login("bob", "secret") == "bob"
    (record,) = [one for one in caplog.records if one.name == "ostiary_local.decoys"]
    assert "user 'ann' is damaged" in record.getMessage()


DAMAGES = {
    "own": ("hash = 'rubbish', imported = NULL", "InvalidHashError"),
    "own, cut off": ("hash = '$argon2id$v=19$m=7168,t=5,p=1$AAAA', imported = NULL", "Error"),
    "sealed": ("hash = NULL, imported = X'01020304'", "SealBroken"),
    "sealed and empty": ("hash = NULL, imported = X''", "SealBroken"),
    "wrapped": ("hash = 'rubbish'", "InvalidHashError"),
    "outline": ("imported = X'01020304'", "SealBroken"),
    "nothing": ("hash = NULL, imported = NULL", ""),
}


@pytest.mark.parametrize("damage", DAMAGES)
async def test_what_is_damaged_proves_nothing_and_is_told_without_the_hash(
    local: Local, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    """AUTH-01, AUTH-16: a client learns nothing of it, an operator all but the hash."""
    change, told = DAMAGES[damage]
    await bring(local, "ann", LDAP, wrapped=True)
    with closing(sqlite3.connect(local.folder / "local.db")) as file:
        file.execute(f"UPDATE accounts SET {change}")
        file.commit()
    with pytest.raises(errors.LoginRefused, match="Wrong user name or password"):
        await local.login("ann", LDAP.password)
    records = [one for one in caplog.records if one.name == "ostiary_local.proofs"]
    assert [one.levelno for one in records] == [logging.ERROR] * bool(told)
    assert not records or told in records[0].getMessage()
    assert "rubbish" not in caplog.text
    assert "$argon2" not in caplog.text


async def test_an_imported_text_that_is_none_is_told_without_it(
    local: Local, caplog: pytest.LogCaptureFixture
) -> None:
    column = tables.accounts.c.imported
    for kuid, hash in (("ann", None), ("bob", await local.store.hasher.hash("secret"))):
        sealed = local.store.sealer.seal(b"$6$rounds=5$imported-text", column=column, row=kuid)
        columns = {"hash": hash, "imported": sealed, "updater": kuid, "password_set_at": LONG_AGO}
        await accounts.add(local.store, kuid, Names.of(Name(kuid, kuid)), columns)
        with pytest.raises(errors.LoginRefused):
            await local.login(kuid, "secret")
    told = [one.getMessage() for one in caplog.records if one.name == "ostiary_local.proofs"]
    assert [message.split(": ")[1] for message in told] == ["imported", "wrapped"]
    assert "imported-text" not in caplog.text


async def test_a_sealed_hash_opens_no_other_account(local: Local) -> None:
    """PWD-12: whoever can write rows cannot lend an account another's password."""
    await bring(local, "ann", LDAP, wrapped=False)
    await local.create("eve", username="eve", password="secret")
    with closing(sqlite3.connect(local.folder / "local.db")) as file:
        file.execute(
            "UPDATE accounts SET hash = NULL, imported = "
            "(SELECT imported FROM accounts WHERE kuid = 'ann') WHERE kuid = 'eve'"
        )
        file.commit()
    with pytest.raises(errors.LoginRefused):
        await local.login("eve", LDAP.password)
