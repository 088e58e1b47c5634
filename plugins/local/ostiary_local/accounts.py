"""The accounts in the plugin's store: finding, adding, changing and erasing them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Select, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from ostiary import Store
from ostiary_local import errors
from ostiary_local.tables import accounts

COLUMNS = (accounts.c.kuid, accounts.c.username, accounts.c.hash)


@dataclass(frozen=True, slots=True)
class Account:
    """Who signs in with a user name, and the hash of the password."""

    kuid: str
    username: str
    hash: str = field(repr=False)


async def named(store: Store, username: str, key: str) -> Account | None:
    """Return the account with a user name.

    One that is spelled exactly so goes before one that only shares its key: the
    matching of names may have been another when they were written.
    """
    exact = accounts.c.username == username
    wanted = select(*COLUMNS).where(exact | (accounts.c.name == key))
    return await _first(store, wanted.order_by(exact.desc()).limit(1))


async def of(store: Store, kuid: str) -> Account | None:
    """Return the account of a user."""
    return await _first(store, select(*COLUMNS).where(accounts.c.kuid == kuid))


async def add(store: Store, kuid: str, columns: Mapping[str, Any]) -> None:
    """Add the account of a user.

    :raises errors.AccountExists: the user has one.
    :raises errors.UsernameTaken: another user has the name.
    """
    instant = now()
    row = {"kuid": kuid, "created_at": instant, "updated_at": instant, **columns}
    try:
        async with store.begin() as db:
            await db.execute(insert(accounts).values(row))
    except IntegrityError:
        # From None, here and below: the text of the cause holds the hash.
        if await of(store, kuid) is not None:
            raise errors.AccountExists(kuid) from None
        raise errors.UsernameTaken(columns["username"]) from None


async def change(store: Store, kuid: str, columns: Mapping[str, Any]) -> str:
    """Change the account of a user and return the user name.

    :raises errors.NoAccount: the user has none.
    :raises errors.UsernameTaken: another user has the name.
    """
    mine = accounts.c.kuid == kuid
    try:
        async with store.begin() as db:
            await db.execute(update(accounts).where(mine).values(updated_at=now(), **columns))
            username: str | None = await db.scalar(select(accounts.c.username).where(mine))
    except IntegrityError:
        raise errors.UsernameTaken(columns["username"]) from None
    if username is None:
        raise errors.NoAccount(kuid)
    return username


async def renew(store: Store, account: Account, hash_: str) -> None:
    """Store another hash of the same password, unless the password was changed meanwhile."""
    same = (accounts.c.kuid == account.kuid) & (accounts.c.hash == account.hash)
    async with store.begin() as db:
        await db.execute(update(accounts).where(same).values(hash=hash_))


async def erase(store: Store, kuid: str) -> None:
    """Erase the account of a user, if there is one."""
    async with store.begin() as db:
        await db.execute(delete(accounts).where(accounts.c.kuid == kuid))


def now() -> int:
    """Return the instant to write, in milliseconds."""
    return time.time_ns() // 1_000_000


async def _first(store: Store, wanted: Select[Any]) -> Account | None:
    async with store.read() as db:
        row = (await db.execute(wanted)).first()
    return None if row is None else Account(row.kuid, row.username, row.hash)
