"""The indexes and collections that clients have declared; profiles may be restricted to them.

There are no documents here: all that is kept of them is their names.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import insert, select

from ostiary import errors
from ostiary.services.changes import take_turn
from ostiary.services.existence import rows_with
from ostiary.services.kuid import check_id
from ostiary.storage import Database, Store
from ostiary.storage.tables import places

ITSELF = ""
"""Stands for the index itself where a row names no collection."""


class Places:
    """Remembers names of indexes and collections."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def known(self, index: str, collection: str = ITSELF) -> bool:
        """Tell whether an index, or a collection of it, was declared."""
        async with self._store.read() as db:
            return collection in await _collections(db, index)

    async def declare(self, index: str, collection: str = ITSELF) -> None:
        """Declare an index, and a collection of it if one is named; twice is as good as once."""
        check_id(index, "index")
        check_id(collection, "collection")
        async with self._store.begin() as db:
            await take_turn(db)
            for name in {ITSELF, collection} - await _collections(db, index):
                await db.execute(insert(places).values(index=index, collection=name))


async def check_places(db: Database, restrictions: Iterable[tuple[str, Iterable[str]]]) -> None:
    """Refuse indexes and collections that nobody has declared.

    :raises errors.UnknownIndex: an index.
    :raises errors.UnknownCollection: collections of an index.
    """
    restrictions = list(restrictions)
    named = {index for index, _ in restrictions}
    known: dict[str, set[str]] = {}
    async for row in rows_with(db, select(places), places.c.index, named):
        known.setdefault(row.index, set()).add(row.collection)
    for index, collections in restrictions:
        if index not in known:
            raise errors.UnknownIndex(index)
        if unknown := [name for name in collections if name not in known[index]]:
            raise errors.UnknownCollection(index, ", ".join(unknown))


async def _collections(db: Database, index: str) -> set[str]:
    rows = await db.execute(select(places.c.collection).where(places.c.index == index))
    return set(rows.scalars())
