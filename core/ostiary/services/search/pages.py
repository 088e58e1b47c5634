"""The statements of a search: how many documents there are, and which are on the page.

Documents are found from the shortest list that an index holds of them: those
with a value that all must have. The index gives that list in the order of the ids,
so a page of few among very many, and their number, cost little.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, FromClause, Select, func, literal, select

from ostiary.filters import All, Field, Filter, Ids, Order, changed, every, leaves
from ostiary.services.search import ranges, sorting, sql
from ostiary.services.search.asking import SortValue
from ostiary.services.search.collections import Collection
from ostiary.services.search.ranges import ANY, EVERYWHERE
from ostiary.storage import Database
from ostiary.storage.conditions import Condition

ENOUGH = 1000
"""Rows after which a list is long."""

VERY_MANY = 20_000
"""Rows after which a list need not be counted further: it is quicker, where no more than a part is
wanted, to look at each document."""

MOST_COUNTED = 16
"""Lists that are counted; those of more leaves are taken for short."""


class Place(Struct, frozen=True):
    """The ids on a page, and where its last document stands."""

    ids: tuple[str, ...]
    last: tuple[SortValue, ...]


class Finder:
    """Finds the documents of one search, within one transaction.

    :param lengths: how long the lists of some leaves are.
    :param counted: documents after which no more are counted; None counts them all.
    """

    def __init__(
        self,
        db: Database,
        collection: Collection,
        filter: Filter,
        orders: Sequence[Order],
        lengths: Mapping[Field, int],
        counted: int | None = None,
    ) -> None:
        self._db, self._counted = db, counted
        self._where: list[Condition] = []
        self._from: FromClause = collection.table
        self._id: ColumnElement[str] = collection.id
        whole = filter
        indexed = bool(orders) and orders[0].path in collection.indexed
        first = _first(filter, lengths)
        if indexed and first is not None and lengths[first] >= VERY_MANY:
            # The documents in their order have so many soon.
            first = None
        if first is not None:
            filter = every(part for part in _parts(filter) if part != first)
            self._begin_with(collection, first, join=_reads_columns(collection, filter, orders))
        narrow = _is_narrow(filter, first, lengths)
        # Where all are counted, and so all are looked at, lists are quicker.
        enough = ENOUGH if narrow else VERY_MANY
        beside = narrow or indexed or counted is not None
        long = _long(filter, lengths, enough) if beside else set()
        # To be counted, all are looked at in any order: lists are quicker.
        self._counting = (
            Finder(db, collection, whole, (), lengths)
            if indexed and counted is None and not narrow
            else self
        )
        self._where.append(sql.condition(collection, filter, self._id, long))
        self._keys = sorting.keys_of(collection, orders, self._id, narrow=narrow)

    @classmethod
    async def of(
        cls,
        db: Database,
        collection: Collection,
        filter: Filter,
        orders: Sequence[Order],
        counted: int | None = None,
    ) -> Finder:
        """Return what finds the documents, having looked where to begin."""
        filter = await _settled(db, collection, filter)
        lengths = await _lengths(db, collection, filter, orders)
        return cls(db, collection, filter, orders, lengths, counted)

    async def count(self, beyond: Sequence[SortValue] | None = None) -> int:
        """Return how many documents there are, as far as they are counted, or are beyond a place."""
        if beyond is None and self._counting is not self:
            return await self._counting.count()
        wanted = select(func.count())
        if beyond is None and self._counted is not None:
            some = select(literal(1)).select_from(self._from).where(*self._where)
            wanted = wanted.select_from(some.limit(self._counted).subquery())
        elif beyond is None:
            wanted = wanted.select_from(self._from).where(*self._where)
        else:
            wanted = self._sorted(wanted, beyond)
        number: int = await self._db.scalar(wanted)
        return number

    async def page(
        self, size: int, start: int = 0, beyond: Sequence[SortValue] | None = None
    ) -> Place:
        """Return the ids of so many documents, beyond a place and then some more."""
        if size == 0:
            return Place((), ())
        parts = [part for key in self._keys for part in key.parts]
        wanted = self._sorted(select(self._id, *parts), beyond)
        order = [one for key in self._keys for one in key.order_by()]
        rows = (await self._db.execute(wanted.order_by(*order).limit(size).offset(start))).all()
        return Place(tuple(row[0] for row in rows), self._place(rows[-1][1:]) if rows else ())

    def _begin_with(self, collection: Collection, first: Field, *, join: bool) -> None:
        self._id, holds = sql.values_of(collection, first)
        found = self._id.table
        self._from = found.join(collection.table, collection.id == self._id) if join else found
        self._where.append(holds)

    def _sorted(self, wanted: Select[Any], beyond: Sequence[SortValue] | None) -> Select[Any]:
        """Return a query of the documents with what they are sorted by."""
        together = self._from
        for key in self._keys:
            if key.beside is not None:
                together = together.outerjoin(key.beside, key.beside.c.id == self._id)
        found = wanted.select_from(together).where(*self._where)
        return found if beyond is None else found.where(sorting.after(self._keys, beyond))

    def _place(self, parts: Sequence[Any]) -> tuple[SortValue, ...]:
        rest = list(parts)
        place = []
        for key in self._keys:
            mine, rest = rest[: len(key.parts)], rest[len(key.parts) :]
            place.append(key.read(mine))
        return tuple(place)


async def _settled(db: Database, collection: Collection, filter: Filter) -> Filter:
    """Return a filter that says how values at any path are found."""
    any_path = {leaf for leaf in leaves(filter) if isinstance(leaf, Field) and leaf.path == ANY}
    if not any_path:
        return filter
    some = ranges.paths(collection.name).subquery()
    if await db.scalar(select(func.count()).select_from(some)) < ranges.MOST_PATHS:
        return filter
    return changed(
        filter,
        lambda leaf: (
            Field(EVERYWHERE, leaf.test) if isinstance(leaf, Field) and leaf in any_path else leaf
        ),
    )


async def _lengths(
    db: Database, collection: Collection, filter: Filter, orders: Sequence[Order]
) -> dict[Field, int]:
    """Return how long the lists of the first leaves are, as far as it matters."""
    fields = dict.fromkeys(leaf for leaf in leaves(filter) if isinstance(leaf, Field))
    listed = [leaf for leaf in fields if sql.is_listed(collection, leaf)][:MOST_COUNTED]
    alone = isinstance(filter, Field) and listed == [filter] and sql.is_single(filter)
    if alone and not orders:
        return {listed[0]: 0}  # It is where to begin, however long.
    return {leaf: await _length(db, collection, leaf) for leaf in listed}


async def _length(db: Database, collection: Collection, leaf: Field) -> int:
    id, holds = sql.values_of(collection, leaf)
    some = select(literal(1)).select_from(id.table).where(holds).limit(VERY_MANY).subquery()
    number: int = await db.scalar(select(func.count()).select_from(some))
    return number


def _first(filter: Filter, lengths: Mapping[Field, int]) -> Field | None:
    """Return the leaf whose list to begin with, or None to begin with the documents themselves."""
    parts = _parts(filter)
    if any(isinstance(part, Ids) for part in parts):
        return None  # No list is shorter.
    needed = [part for part in parts if isinstance(part, Field) and part in lengths]
    single = [part for part in needed if sql.is_single(part)]
    if not single:
        return None
    first = min(single, key=lambda part: lengths[part])
    shorter = min(lengths[part] for part in needed) < lengths[first]
    return None if shorter else first


def _is_narrow(filter: Filter, first: Field | None, lengths: Mapping[Field, int]) -> bool:
    """Tell whether so few documents are left that it is better to look at each."""
    needed = [first, *_parts(filter)]
    return any(
        isinstance(one, Ids) or (isinstance(one, Field) and lengths.get(one, ENOUGH) < ENOUGH)
        for one in needed
    )


def _long(filter: Filter, lengths: Mapping[Field, int], enough: int) -> set[Filter]:
    fields = {leaf for leaf in leaves(filter) if isinstance(leaf, Field)}
    return {leaf for leaf in fields if lengths.get(leaf, 0) >= enough}


def _parts(filter: Filter) -> tuple[Filter, ...]:
    return filter.filters if isinstance(filter, All) else (filter,)


def _reads_columns(collection: Collection, filter: Filter, orders: Sequence[Order]) -> bool:
    """Tell whether the table of the documents is needed beside the list that they are found in."""
    paths = {leaf.path for leaf in leaves(filter) if isinstance(leaf, Field)}
    paths |= {order.path for order in orders}
    return any(collection.reads(path) for path in paths - {"_id"})
