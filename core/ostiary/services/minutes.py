"""What the servers have answered in each minute, kept for some days: see ``tally``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import func, literal, select

from ostiary.services.batches import Batch, remove
from ostiary.services.histogram import percentile
from ostiary.services.tally import Minute, Tally
from ostiary.storage import Database, Store
from ostiary.storage.tables import COUNTED, PLACES, TIMED
from ostiary.storage.tables import minutes as table

NAMES = tuple(column.name for column in table.c if not column.primary_key)


class Step(Struct, frozen=True):
    """What happened in one or more minutes, wherever the server runs.

    :ivar at: their beginning, in ms since the epoch.
    :ivar counts: by the names of ``COUNTED``.
    :ivar times: by the names of ``TIMED``, histograms.
    """

    at: int
    counts: Mapping[str, int]
    times: Mapping[str, Sequence[int]]

    def to_json(self) -> dict[str, Any]:
        """Return it as clients see it."""
        counts = self.counts
        return {
            "at": self.at,
            "requests": counts["requests"],
            "refused": counts["refused"],
            "failed": counts["failed"],
            "signIns": counts["sign_ins"],
            "signInsRefused": counts["sign_ins_refused"],
            **{f"{what}Times": _told(times) for what, times in self.times.items()},
        }


class Minutes:
    """Writes what this process has counted, and reads what all have.

    :param retention: how long minutes are kept, in ms.
    """

    def __init__(
        self, store: Store, tally: Tally, retention: int, clock: Callable[[], int]
    ) -> None:
        self._store, self._tally = store, tally
        self._retention, self._clock = retention, clock
        adding = store.insert(table)
        added = {name: table.c[name] + adding.excluded[name] for name in NAMES}
        self._add = adding.on_conflict_do_update(index_elements=[table.c.minute], set_=added)

    async def flush(self, _: Batch) -> int:
        """Write the minutes that are over; return how many."""
        over = self._tally.over()
        if over:
            # If the database fails while it commits, these may be counted twice.
            async with self._store.begin() as db:
                await db.execute(self._add, [_row(minute) for minute in over])
            self._tally.forget(over)
        return len(over)

    async def finish(self) -> None:
        """Write all that is counted: the process ends."""
        self._tally.close()
        await self.flush(Batch())

    async def read(self, since: int, until: int, step: int) -> list[Step]:
        """Return the steps in which anything happened, the oldest first.

        :param since: in ms, from here on; ``until`` is before it.
        :param step: ms, whole minutes; steps begin at their multiples.
        """
        at = (table.c.minute - table.c.minute % literal(step, literal_execute=True)).label("at")
        sums = (func.sum(table.c[name]).label(name) for name in NAMES)
        inside = (table.c.minute >= since) & (table.c.minute < until)
        wanted = select(at, *sums).where(inside).group_by(at).order_by(at)

        async def work(db: Database) -> list[Step]:
            return [_step(row) for row in (await db.execute(wanted)).mappings()]

        return await self._store.search(work)

    async def purge(self, batch: Batch) -> int:
        """Remove some minutes that are older than is wanted; return how many."""
        old = table.c.minute < self._clock() - self._retention
        return await remove(self._store, table, old, table.c.minute, batch)


def _row(minute: Minute) -> dict[str, int]:
    row = {"minute": minute.at} | {name: getattr(minute, name) for name in COUNTED}
    for what in TIMED:
        times: Sequence[int] = getattr(minute, f"{what}_times")
        row |= {f"{what}_{place}": count for place, count in enumerate(times)}
    return row


def _step(row: Any) -> Step:
    times = {what: [int(row[f"{what}_{place}"]) for place in range(PLACES)] for what in TIMED}
    return Step(row["at"], {name: int(row[name]) for name in COUNTED}, times)


def _told(times: Sequence[int]) -> dict[str, Any]:
    return {
        "median": percentile(times, 0.5),
        "p95": percentile(times, 0.95),
        "histogram": times,
    }
