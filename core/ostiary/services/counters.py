"""Counters of failures in the core's store, for every worker and machine.

A counter that is locked cannot be counted up until its lock is over. One statement looks and
counts, so that of attempts made at the same time none slips through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import bindparam, case, literal, select, update

from ostiary.services.batches import Batch, remove
from ostiary.services.changes import take_turn
from ostiary.storage import Database, Prepared, Store
from ostiary.storage.tables import login_counters as table

FIRST_DELAY, LONGEST_DELAY = 1000, 900_000
DOUBLINGS = 10
"""After how many of them a delay would be above the longest one."""


class Locked(Exception):
    """A subject is locked, until an instant."""

    def __init__(self, subject: bytes, until: int) -> None:
        super().__init__(subject, until)
        self.subject, self.until = subject, until


class Counted(Struct, frozen=True):
    """What one failure has done to a counter.

    :param first: where the counter stands after its first failure.
    :param locked_until: the lock that this failure has put on it; 0 is none.
    """

    subject: bytes
    first: int
    locked_until: int


class Counters:
    """Counts failures: some are free, and each one above them locks twice as long as the last.

    :param window: milliseconds without failure and lock after which all are forgotten.
    """

    def __init__(self, store: Store, window: int, clock: Callable[[], int]) -> None:
        self._store, self._clock, self._window = store, clock, window
        self._count = _count(store.insert(table), window)

    async def count(self, free: Mapping[bytes, int]) -> tuple[Counted, ...]:
        """Count a failure of each subject, or of none.

        :param free: the failures that each subject has before the first lock.
        :raises Locked: one of them is.
        """
        now = self._clock()
        # In one order, so that no two transactions wait for each other.
        rows = [self._row(subject, 1 - free[subject], now) for subject in sorted(free)]

        async def write(db: Database) -> Sequence[Any]:
            # Others of the same commit take it, before or after.
            await take_turn(db)
            done = (await db.execute(self._count, rows)).all()
            if len(done) < len(rows):
                raise await _locked(db, free, now)
            return done

        done = await self._store.write(write)
        return tuple(Counted(row.subject, 1 - free[row.subject], row.locked_until) for row in done)

    async def uncount(self, db: Database, counted: Iterable[Counted]) -> None:
        """Take failures back, and their locks, within a transaction that has taken its turn."""
        ordered = sorted(counted, key=lambda one: one.subject)
        taken = [
            {"of": one.subject, "first": one.first, "lock": one.locked_until} for one in ordered
        ]
        if taken:
            await db.execute(UNCOUNT, taken)

    async def give_back(self, counted: Iterable[Counted]) -> None:
        """Take failures back, in a transaction of their own."""

        async def write(db: Database) -> None:
            await take_turn(db)
            await self.uncount(db, counted)

        await self._store.write(write)

    async def purge(self, batch: Batch) -> int:
        """Remove some counters whose failures are forgotten; return how many."""
        over = table.c.expires_at <= self._clock()
        return await remove(self._store, table, over, table.c.expires_at, batch)

    def _row(self, subject: bytes, first: int, now: int) -> dict[str, Any]:
        lock = now + FIRST_DELAY if first >= 0 else 0
        end = max(lock, now) + self._window
        row = {"subject": subject, "excess": first, "locked_until": lock, "expires_at": end}
        return row | {"now": now}


def _count(counting: Any, window: int) -> Any:
    """Return the statement that counts up what is not locked, and says what it has locked."""
    now = bindparam("now", type_=table.c.expires_at.type)
    begun = counting.excluded.excess
    excess = case((table.c.expires_at <= now, begun), else_=table.c.excess + 1)
    doubled = literal(FIRST_DELAY, table.c.expires_at.type).bitwise_lshift(excess)
    delay = case((excess < 0, 0), (excess >= DOUBLINGS, LONGEST_DELAY), else_=doubled)
    return Prepared(
        counting.on_conflict_do_update(
            index_elements=[table.c.subject],
            set_={
                table.c.excess: excess,
                table.c.locked_until: case((excess < 0, 0), else_=now + delay),
                table.c.expires_at: now + delay + window,
            },
            where=table.c.locked_until <= now,
        ).returning(table.c.subject, table.c.locked_until)
    )


def _uncount() -> Any:
    """Return the statement that takes a failure back; one that was alone leaves nothing."""
    alone = table.c.excess <= bindparam("first", type_=table.c.excess.type)
    mine = table.c.locked_until == bindparam("lock", type_=table.c.locked_until.type)
    return (
        update(table)
        .where(table.c.subject == bindparam("of"))
        .values(
            excess=table.c.excess - 1,
            locked_until=case((mine, 0), else_=table.c.locked_until),
            expires_at=case((alone, 0), else_=table.c.expires_at),
        )
    )


async def _locked(db: Database, subjects: Iterable[bytes], now: int) -> Locked:
    """Say which one is locked, and until when."""
    some = select(table.c.subject, table.c.locked_until).where(table.c.subject.in_(list(subjects)))
    locks = [(row.locked_until, row.subject) for row in (await db.execute(some)).all()]
    until, subject = max(locks, default=(now, b""))
    return Locked(subject, until)


UNCOUNT = Prepared(_uncount())
