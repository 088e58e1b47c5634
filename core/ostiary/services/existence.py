"""Reading what many ids name, in as many statements as databases want; and what is not there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from functools import cache
from typing import Any

from sqlalchemy import Column, Select, bindparam, select

from ostiary.storage import Database, Prepared

AT_ONCE = 500
"""Ids that one statement asks for; databases bound how many it may."""


async def rows_with(
    db: Database, wanted: Select[Any], column: Column[Any], ids: Iterable[str]
) -> AsyncIterator[Any]:
    """Yield the rows in which a column holds one of some ids."""
    ids = list(dict.fromkeys(ids))
    for start in range(0, len(ids), AT_ONCE):
        for row in await db.execute(wanted.where(column.in_(ids[start : start + AT_ONCE]))):
            yield row


async def first_missing(db: Database, column: Column[Any], ids: Iterable[str]) -> str | None:
    """Return the first of some ids that stands in no row, or None."""
    ids = list(ids)
    if len(ids) == 1:
        return ids[0] if await db.scalar(_one(column), {"wanted": ids[0]}) is None else None
    known = {row[0] async for row in rows_with(db, select(column), column, ids)}
    return next((id for id in ids if id not in known), None)


@cache
def _one(column: Column[Any]) -> Prepared:
    """Return the statement that asks for one id: what most ask for, built once."""
    return Prepared(select(column).where(column == bindparam("wanted")))
