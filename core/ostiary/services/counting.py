"""Counting rows as far as somebody wants to know."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Table, func, literal, select

from ostiary.storage import Database


async def count(db: Database, table: Table, which: ColumnElement[bool], most: int) -> int:
    """Return how many rows there are, or that there are so many at least."""
    some = select(literal(1)).select_from(table).where(which).limit(most).subquery("counted")
    return int(await db.scalar(select(func.count()).select_from(some)))
