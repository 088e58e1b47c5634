"""Finding entries of the audit log by the index in which the fewest have to be looked at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import ColumnElement, Select, or_, select

from ostiary.services.audit_filters import SEQUENCE, Part, walk
from ostiary.services.counting import count
from ostiary.storage import Database
from ostiary.storage.tables import audit

FEW, MANY = 1000, 1_000_000
"""How many entries of each index are counted, first and last, to tell which has the fewest."""


class Lookup(Struct, frozen=True):
    """A part of what is wanted, and how it is found.

    :ivar by: the first column of the index.
    """

    part: Part
    by: str
    which: ColumnElement[bool]

    def query(self) -> Select[Any]:
        """Return the query for all of it: the newest first, or in the order of the numbers."""
        found = select(audit).where(self.which)
        if self.part.after is None:
            newest = [column.desc() for column in walk(self.by)]
            return found.order_by(*newest, audit.c.sequence.desc())
        number = audit.c.sequence
        return found.order_by(number if self.by == SEQUENCE else number + 0)


async def look_up(db: Database, part: Part) -> Lookup:
    """Return how a part is found."""
    by = await _index(db, part)
    return Lookup(part, by, part.where(by))


async def look_up_older(db: Database, parts: Sequence[Part], before: int) -> list[Lookup]:
    """Return how parts are found from the entry before the one of a number on.

    :returns: nothing, where there is none.
    """
    told = select(audit.c.at).where(audit.c.sequence <= before)
    at = await db.scalar(told.order_by(audit.c.sequence.desc()).limit(1))
    if at is None:
        return []
    # Of the same instant those with lower numbers are left.
    here = or_(audit.c.at + 0 < at, audit.c.sequence + 0 < before)
    found: list[Lookup] = []
    for part in parts:
        wanted = part.wanted
        until = at + 1 if wanted.until is None else min(wanted.until, at + 1)
        older = await look_up(db, replace(part, wanted=replace(wanted, until=until)))
        found.append(replace(older, which=older.which & here))
    return found


async def page_of(
    db: Database, lookups: Sequence[Lookup], *, size: int, start: int = 0
) -> Sequence[Any]:
    """Return some of the rows that are found together.

    :param start: how many to pass over.
    """
    if len(lookups) == 1:
        page: Sequence[Any] = (await db.execute(lookups[0].query().offset(start).limit(size))).all()
        return page
    rows: list[Any] = []
    for each in lookups:
        rows += (await db.execute(each.query().limit(start + size))).all()
    if any(each.part.after is None for each in lookups):
        rows.sort(key=lambda row: (-row.at, -row.sequence))
    else:
        rows.sort(key=lambda row: row.sequence)
    return rows[start : start + size]


async def count_all(db: Database, lookups: Sequence[Lookup], most: int) -> int:
    """Return how many rows are found, or that there are so many at least."""
    found = 0
    for each in lookups:
        found += await count(db, audit, each.which, most - found, walk(each.by))
    return found


async def _index(db: Database, part: Part) -> str:
    names, most = part.indexes, FEW
    while len(names) > 1:
        numbers = [await count(db, audit, part.among(by), most, walk(by)) for by in names]
        if min(numbers) < most or most >= MANY:
            return names[numbers.index(min(numbers))]
        most *= 10
    return names[0]
