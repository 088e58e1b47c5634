"""Replacing the master key while servers run, and sealing again what an older one has sealed.

1. The new key is given beside the old one, wherever keys come from: every process accepts both.
2. One transaction of the core's store puts the new key in force, keeps the old one sealed by it,
   and tells every process.
3. ``GRACE`` later they all use it: what they seal and hash from then on needs the new key.
4. What was sealed before is sealed again, in batches. Then the old key is given no more.

Whatever ends a process in between, the store tells at the next start which of the given keys is
in force: there is no step after which nothing opens.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, MetaData, Table, and_, or_, select, update

from ostiary.keys import MasterKey, MasterKeyError
from ostiary.seals import SealBroken
from ostiary.services.changes import Changes
from ostiary.storage import OwnStore, StorageError, Store
from ostiary.storage.installation import check_master_key, in_force, replace_master_key
from ostiary.storage.sealed import Sealed

BATCH = 100

LACKING = "the master key was replaced, and this process lacks the new one: %s"

logger = logging.getLogger(__name__)


class MasterKeys:
    """Knows which master key is in force, and puts another in its place.

    :ivar master: as this process knows it.
    :param given: reads again what keys the operator gives.
    """

    def __init__(
        self,
        store: Store,
        master: MasterKey,
        changes: Changes,
        given: Callable[[], MasterKey],
        clock: Callable[[], int],
    ) -> None:
        self.master, self._store, self._changes = master, store, changes
        self._given, self._clock = given, clock

    async def renew(self) -> None:
        """Learn of a key that another process has put in force.

        Without it this process goes on with what it has, and says what has to be done.
        """
        if await in_force(self._store) == self.master.check_value():
            return
        try:
            self.master.hear(await asyncio.to_thread(self._given))
            await check_master_key(self._store, self.master)
        except (MasterKeyError, StorageError) as unfit:
            logger.error(LACKING, unfit)  # noqa: TRY400 - an operator's mistake, not ours
        else:
            logger.info("another master key is in force")

    async def replace(self, successor: MasterKey) -> None:
        """Put another key in force, in every process; this one must have been given both.

        :raises StorageError: somebody else did so meanwhile.
        """
        async with self._store.begin() as db:
            await self._changes.record(db, "keys")
            await replace_master_key(db, self.master, successor, self._clock())
        await check_master_key(self._store, self.master)

    async def settled(self) -> None:
        """Wait until the key in force is the one that is used."""
        await asyncio.sleep(self.master.waits)


async def seal_again(store: OwnStore, tables: MetaData) -> tuple[int, int]:
    """Seal again what an older master key has sealed in one store.

    :returns: how many secrets were, and how many could not be opened.
    """
    done = broken = 0
    for table in tables.sorted_tables:
        columns = [column for column in table.columns if isinstance(column.type, Sealed)]
        if columns:
            some, lost = await _seal_table_again(store, table, columns)
            done, broken = done + some, broken + lost
    return done, broken


async def _seal_table_again(store: OwnStore, table: Table, columns: list[Any]) -> tuple[int, int]:
    keys = list(table.primary_key.columns)
    last: tuple[Any, ...] | None = None
    done = broken = 0
    while rows := await _page(store, keys, columns, last):
        for row in rows:
            key, sealed = tuple(row[: len(keys)]), row[len(keys) :]
            for column, value in zip(columns, sealed, strict=True):
                if value is None or not store.sealer.outdated(value):
                    continue
                if await _seal_again(store, table, column, key, value):
                    done += 1
                else:
                    broken += 1
        last = tuple(rows[-1][: len(keys)])
    return done, broken


async def _page(
    store: OwnStore, keys: list[Any], columns: list[Any], last: tuple[Any, ...] | None
) -> list[Any]:
    wanted = select(*keys, *columns).order_by(*keys).limit(BATCH)
    if last is not None:
        wanted = wanted.where(_after(keys, last))
    async with store.read() as db:
        return list((await db.execute(wanted)).all())


def _after(keys: list[Any], last: tuple[Any, ...]) -> ColumnElement[bool]:
    """Return the condition that a row comes after another one, in the order of the keys."""
    return or_(
        *(
            and_(*(one == value for one, value in zip(keys[:n], last, strict=False)), key > last[n])
            for n, key in enumerate(keys)
        )
    )


async def _seal_again(
    store: OwnStore, table: Table, column: Any, key: tuple[Any, ...], sealed: bytes
) -> bool:
    """Seal one secret again, unless it was changed meanwhile; tell whether it could be opened."""
    row = key if len(key) > 1 else key[0]
    try:
        secret = store.sealer.open(sealed, column=column, row=row)
    except SealBroken:
        logger.error("%s of the store %s: a row cannot be opened", column, store.name)  # noqa: TRY400
        return False
    again = store.sealer.seal(secret, column=column, row=row)
    same = [one == value for one, value in zip(table.primary_key.columns, key, strict=True)]
    async with store.begin() as db:
        statement = update(table).where(*same, column == sealed)
        await db.execute(statement.values({column: again}))
    return True
