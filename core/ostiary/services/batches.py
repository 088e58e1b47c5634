"""Writing much, in batches that keep other writers waiting for a moment only."""

from __future__ import annotations

from time import perf_counter

from sqlalchemy import Column, ColumnElement, Table, delete, literal, select, tuple_

from ostiary.storage import Store

LONG, SHORT = 0.008, 0.004
"""Seconds. Nobody is to wait for longer than 20 ms, on a machine that has other things to do."""

FIRST, MOST = 50, 2000

ANYTHING = select(literal(1))


class Batch:
    """How many rows are written at once: fewer when that took long, else slowly more.

    :ivar seconds: what the last batch took.
    """

    def __init__(self, size: int = FIRST) -> None:
        self.size = size
        self.seconds = 0.0

    def took(self, seconds: float) -> None:
        """Learn how long a full batch kept others waiting."""
        self.seconds = seconds
        if seconds > LONG:
            self.size = max(1, self.size // 2)
        elif seconds < SHORT:
            self.size = min(MOST, self.size + self.size // 8 + 1)


async def remove(
    store: Store, table: Table, over: ColumnElement[bool], first: Column[int], batch: Batch
) -> int:
    """Remove some rows, and return how many: fewer than a batch if there are no more.

    :param over: is true of those that may go.
    :param first: by which they go, the lowest first; has an index.
    """
    async with store.read() as db:
        if (await db.execute(select(first).where(over).limit(1))).first() is None:
            return 0
    keys = tuple(table.primary_key)
    some = select(*keys).where(over).order_by(first).limit(batch.size)
    key = keys[0] if len(keys) == 1 else tuple_(*keys)
    # On PostgreSQL a row that somebody else is at work on is left to them, or to the next round.
    gone = delete(table).where(key.in_(some.with_for_update(skip_locked=True)))
    async with store.begin() as db:
        # On SQLite it waits until no other process writes; what comes after keeps others waiting.
        await db.execute(ANYTHING)
        start = perf_counter()
        count = int((await db.execute(gone)).rowcount)
    if count:
        batch.took(perf_counter() - start)
    return count
