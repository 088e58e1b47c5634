"""The accounts in the plugin's store: finding, adding, changing and erasing them."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Select, bindparam, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from ostiary import Database, Prepared, Store
from ostiary.errors import OstiaryError
from ostiary_local import errors, names
from ostiary_local.identifiers import SHOWN_FIRST, Held, held_by, plan, shown, write
from ostiary_local.naming import Names
from ostiary_local.tables import accounts, former_passwords, identifiers, outbox, tickets

if TYPE_CHECKING:
    from ostiary_local.strategy import LocalStrategy

    Archive = Callable[[Database, int], Awaitable[None]]

COLUMNS = (
    accounts.c.kuid,
    accounts.c.hash,
    accounts.c.imported,
    accounts.c.updater,
    accounts.c.password_set_at,
)


@dataclass(frozen=True, slots=True)
class Account:
    """Whose account it is, and what proves it; instants in ms.

    :ivar username: the user name; the first of the other names if there is none, and nothing if
        others have proved that all of them are theirs.
    :ivar hash: see ``tables``.
    :ivar updater: who set the password.
    """

    kuid: str
    username: str
    hash: str | None = field(repr=False)
    imported: bytes | None = field(repr=False)
    updater: str
    password_set_at: int


async def named(store: Store, value: str, key: str) -> Account | None:
    """Return the account with a name.

    One that is spelled exactly so goes before one that only shares its key: the
    matching of names may have been another when they were written.
    """
    async with store.read() as db:
        row = (await db.execute(NAMED, {"typed": value, "shared": key})).first()
    return None if row is None else Account(**row._asdict())


async def called(strategy: LocalStrategy, store: Store, name: str) -> Account | None:
    """Return the account that has a name, of whatever kind and however it is typed.

    Keyboards add blanks at its end; they are no part of it.
    """
    if names.fault(name.strip()) is not None:
        return None
    return await named(store, name, strategy.key(name))


async def of(store: Store, kuid: str) -> Account | None:
    """Return the account of a user."""
    return await _first(store, _shown().where(accounts.c.kuid == kuid))


async def check(store: Store, kuid: str, names: Names) -> Sequence[Held]:
    """Refuse names that an account could not be given now; errors as of ``change``.

    :return: the names that it has.
    """
    async with store.read() as db:
        await plan(db, kuid, names, now())
        return await held_by(db, kuid)


async def add(store: Store, kuid: str, names: Names, columns: Mapping[str, Any]) -> dict[str, Any]:
    """Add the account of a user, and return what a client may see of it.

    :raises errors.AccountExists: the user has one.
    :raises errors.UsernameTaken: another user has one of the names.
    """
    instant = now()
    row = {"kuid": kuid, "created_at": instant, "updated_at": instant, **columns}

    async def work(db: Database) -> dict[str, Any]:
        await db.execute(INSERT, row)
        await write(db, kuid, names, instant)
        return shown(await held_by(db, kuid))

    try:
        return await store.write(work)
    except IntegrityError:
        # From None, here and below: the text of the cause holds the hash.
        if await of(store, kuid) is not None:
            raise errors.AccountExists(kuid) from None
        raise await _taken(store, kuid, names) from None


async def change(
    store: Store,
    kuid: str,
    names: Names | None,
    columns: Mapping[str, Any],
    archive: Archive | None = None,
    *,
    ticket: bytes | None = None,
    telling: Callable[[Database], Awaitable[None]] | None = None,
) -> str:
    """Change the account of a user and return the user name.

    :param names: what becomes of its names; None leaves them.
    :param archive: called in the transaction, with now, before another password is written.
    :param ticket: the fingerprint of a ticket that is spent with this; None for none.
    :param telling: is called in the transaction, when the names are still those of before.
    :raises errors.InvalidToken: the ticket is spent already, or void.
    :raises errors.NoAccount: the user has none.
    :raises errors.UsernameTaken: another user has one of the names.
    :raises errors.NoNameLeft: the account would have no name; likewise TooManyNames.
    :raises errors.NoSuchName: what is said to be verified is no address of the account.
    """
    instant = now()
    try:
        async with store.begin() as db:
            if "hash" in columns and archive is not None:
                await archive(db, instant)
            mine = accounts.c.kuid == kuid
            changed = update(accounts).where(mine).values(updated_at=instant, **columns)
            if (await db.execute(changed)).rowcount == 0:
                raise errors.NoAccount(kuid)
            if telling is not None:
                await telling(db)
            await _void_tickets(db, kuid, ticket, every="hash" in columns)
            if names is not None:
                await write(db, kuid, names, instant)
    except IntegrityError:
        assert names is not None
        raise await _taken(store, kuid, names) from None
    account = await of(store, kuid)
    if account is None:
        raise errors.NoAccount(kuid)
    return account.username


async def lock(db: Database, kuid: str) -> int | None:
    """Have nobody else change an account until the transaction ends.

    :returns: when its password was set, in ms; None if there is no account.
    """
    mine = select(accounts.c.password_set_at).where(accounts.c.kuid == kuid)
    set_at: int | None = await db.scalar(mine.with_for_update())
    return set_at


async def view(store: Store, kuid: str) -> dict[str, Any] | None:
    """Return what a client may see of the account of a user, or None without one."""
    async with store.read() as db:
        if await db.scalar(EXISTS, {"mine": kuid}) is None:
            return None
        return shown(await held_by(db, kuid))


async def renew(store: Store, account: Account, hash_: str) -> None:
    """Store a hash of our own of the same password, unless the password was changed meanwhile.

    It takes the place of what was imported. The password stays as old as it is, and of whom.
    """
    same = (accounts.c.kuid == account.kuid) & (accounts.c.hash == account.hash)
    same &= accounts.c.imported == account.imported
    async with store.begin() as db:
        await db.execute(update(accounts).where(same).values(hash=hash_, imported=None))


async def erase(store: Store, kuid: str) -> None:
    """Erase everything that is kept of a user, if there is anything."""
    # Or whoever makes and deletes accounts has as much sent to any address as they like.
    sent = (outbox.c.kuid == kuid) & outbox.c.typed.is_(None) & outbox.c.recipient.is_not(None)
    async with store.begin() as db:
        await db.execute(update(outbox).where(sent).values(kuid=None))
        for table in (accounts, identifiers, former_passwords, tickets, outbox):
            await db.execute(delete(table).where(table.c.kuid == kuid))


def now() -> int:
    """Return the instant to write, in milliseconds."""
    return time.time_ns() // 1_000_000


async def _void_tickets(db: Any, kuid: str, spent: bytes | None, *, every: bool) -> None:
    """Take back what was given out for credentials that change (PWD-10).

    :param spent: the fingerprint of a ticket by which they change; None for none.
    :param every: the password changes, which nothing outlives.
    :raises errors.InvalidToken: that ticket is not there any more.
    """
    if spent is not None:
        mine = delete(tickets).where(tickets.c.fingerprint == spent)
        if (await db.execute(mine)).rowcount == 0:
            raise errors.InvalidToken
    void = tickets.c.kuid == kuid
    if not every:
        void &= tickets.c.purpose == "reset"
    await db.execute(delete(tickets).where(void))


def username() -> ColumnElement[str]:
    """Return the user name of an account, or the first of its other names, as an expression."""
    name = select(identifiers.c.value).where(identifiers.c.kuid == accounts.c.kuid)
    name = name.order_by(*SHOWN_FIRST).limit(1)
    return func.coalesce(name.scalar_subquery(), "")


def _shown() -> Select[Any]:
    return select(*COLUMNS, username().label("username"))


async def _taken(store: Store, kuid: str, names: Names) -> OstiaryError:
    """Return the refusal of a name that another was faster to take."""
    try:
        await check(store, kuid, names)
    except errors.UsernameTaken as refusal:
        return refusal
    # It is free again.
    return errors.UsernameTaken(next(names.every()).value)


async def _first(store: Store, wanted: Select[Any]) -> Account | None:
    async with store.read() as db:
        row = (await db.execute(wanted)).first()
    return None if row is None else Account(**row._asdict())


def _named() -> Select[Any]:
    exact = identifiers.c.value == bindparam("typed")
    found = select(identifiers.c.kuid).where(exact | (identifiers.c.key == bindparam("shared")))
    kuid = found.order_by(exact.desc()).limit(1).scalar_subquery()
    return _shown().where(accounts.c.kuid == kuid)


# Built once: every login asks, or every sign-up.
NAMED, INSERT = Prepared(_named()), Prepared(insert(accounts))
EXISTS = Prepared(select(accounts.c.kuid).where(accounts.c.kuid == bindparam("mine")))
