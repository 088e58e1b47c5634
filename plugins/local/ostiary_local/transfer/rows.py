"""The rows of accounts that are brought: hashed before, sealed when it is known whose they are."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from ostiary import Call, Store
from ostiary import errors as core
from ostiary_local import decoys, passwords
from ostiary_local.tables import accounts, former_passwords, identifiers
from ostiary_local.transfer.entries import Entry, Former, Proof
from ostiary_local.transfer.naming import row_of

PAUSE = 0.05
"""Seconds until another hash is asked for, where logins keep all threads busy."""


class Taken(Exception):
    """Somebody else has taken a name meanwhile."""


@dataclass(frozen=True, slots=True)
class Columns:
    """What proves a password, as it will be written.

    :ivar text: a hash of another system, or how it is made; sealed when it is written.
    """

    hash: str | None = field(repr=False)
    text: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Ready:
    """An account that waits for its kuid."""

    entry: Entry
    columns: Columns
    former: tuple[Columns, ...]


class Hashing:
    """Hashes what there is to hash, as many at once as there are threads for it.

    :param wrap: hash hashes of other systems too, so that a thief of the store has no cheap ones.
    """

    def __init__(self, store: Store, *, wrap: bool) -> None:
        self._store, self._wrap = store, wrap
        self._turns = asyncio.Semaphore(os.cpu_count() or 1)

    async def all(self, entries: Sequence[Entry]) -> list[Ready]:
        """Return entries as they can be written, in their order."""
        return list(await asyncio.gather(*map(self._one, entries)))

    async def _one(self, entry: Entry) -> Ready:
        columns = await self._columns(entry.proof)
        former = [await self._columns(one.proof) for one in entry.former]
        return Ready(entry, columns, tuple(former))

    async def _columns(self, proof: Proof) -> Columns:
        if proof.password is not None:
            return Columns(await self._hash(passwords.normal(proof.password)), None)
        if proof.foreign is None:
            return Columns(proof.own, proof.outline)
        if self._wrap:
            return Columns(
                await self._hash(decoys.wrapped(proof.foreign.value)), proof.foreign.outline
            )
        return Columns(None, proof.foreign.text)

    async def _hash(self, secret: str) -> str:
        async with self._turns:
            while True:
                try:
                    return await self._store.hasher.hash(secret)
                except core.Overloaded:
                    await asyncio.sleep(PAUSE)


async def write(store: Store, ready: Iterable[tuple[str, Ready]], instant: int) -> None:
    """Write accounts, all in one transaction.

    :param ready: each with its kuid.
    :raises Taken: a name of one of them is another's by now.
    """
    ready = list(ready)
    rows = [_account(store, kuid, one, instant) for kuid, one in ready]
    named = [row_of(kuid, name, instant) for kuid, one in ready for name in one.entry.names]
    former = [row for kuid, one in ready for row in _former(store, kuid, one, instant)]
    try:
        async with store.begin() as db:
            await db.execute(insert(accounts), rows)
            await db.execute(insert(identifiers), named)
            if former:
                await db.execute(insert(former_passwords), former)
    except IntegrityError:
        # From None: the text of the cause holds rows.
        raise Taken from None


def _account(store: Store, kuid: str, ready: Ready, instant: int) -> dict[str, Any]:
    entry, text = ready.entry, ready.columns.text
    set_at = instant if entry.set_at is None else entry.set_at
    # A password that stands in a file is known to others; a hash is of what the user chose.
    updater = Call().kuid if entry.proof.password is not None else kuid
    column = accounts.c.imported
    return {
        "kuid": kuid,
        "hash": ready.columns.hash,
        "imported": text and store.sealer.seal(text.encode(), column=column, row=kuid),
        "updater": entry.updater or updater,
        "password_set_at": set_at,
        "created_at": instant,
        "updated_at": instant,
    }


def _former(store: Store, kuid: str, ready: Ready, instant: int) -> Iterator[dict[str, Any]]:
    column = former_passwords.c.imported
    for former, columns in zip(ready.entry.former, ready.former, strict=True):
        id, text = secrets.token_hex(16), columns.text
        yield {
            "id": id,
            "kuid": kuid,
            "hash": columns.hash,
            "imported": text and store.sealer.seal(text.encode(), column=column, row=id),
            **_instants(former, instant),
        }


def _instants(former: Former, instant: int) -> dict[str, int]:
    archived_at = instant if former.archived_at is None else former.archived_at
    return {
        "set_at": archived_at if former.set_at is None else former.set_at,
        "archived_at": archived_at,
    }
