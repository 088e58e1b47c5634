"""Counting rows as far as somebody wants to know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Table, func, literal, select

from ostiary.storage import Database


async def count(
    db: Database,
    table: Table,
    which: ColumnElement[bool],
    most: int,
    order: Sequence[ColumnElement[Any]] = (),
) -> int:
    """Return how many rows there are, or that there are so many at least.

    :param order: of the index by which they are to be found; else the database chooses.
    """
    rows = select(literal(1)).select_from(table).where(which).order_by(*order)
    some = rows.limit(most).subquery("counted")
    return int(await db.scalar(select(func.count()).select_from(some)))
