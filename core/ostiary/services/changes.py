"""The log of changes: how every process learns what its caches may no longer hold.

A row is written in the transaction of the change it tells of. A process that
is woken reads the rows it has not seen and hands them to its listeners.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal, NamedTuple

from sqlalchemy import bindparam, func, insert, or_, select

from ostiary.arrivals import ARRIVAL, MOST
from ostiary.services.batches import Batch, remove
from ostiary.storage import Database, Prepared, Store, Watch, budget
from ostiary.storage.tables import MODE, changes, installation

What = Literal["token", "user", "rights", "keys", "strategies", "ending"]
Listener = Callable[[str, str], None]
Announce = Callable[[Database], Awaitable[None]]
Clock = Callable[[], int]

EVERY = ""
"""Stands for the ids of all tokens, where all were ended at once."""

RETENTION = 3_600_000
"""How long rows are kept, in ms. Who was asleep for half of it forgets everything instead."""

NEWEST = "SELECT sequence, what, id, at FROM changes ORDER BY sequence DESC LIMIT 1"

# Built once: every login asks.
INSERT = Prepared(insert(changes))
TURN = Prepared(select(installation.c.key).where(installation.c.key == MODE).with_for_update())

MOST_ASKED = 4
"""Things of which it is asked at once whether they have changed."""

LATER = Prepared(
    select(changes.c.sequence)
    .where(
        changes.c.sequence > bindparam("position"),
        or_(
            *(
                (changes.c.what == bindparam(f"what{place}"))
                & (changes.c.id == bindparam(f"id{place}"))
                for place in range(MOST_ASKED)
            )
        ),
    )
    .limit(1)
)

SINCE = Prepared(
    select(changes.c.sequence, changes.c.what, changes.c.id, changes.c.at)
    .where(changes.c.sequence >= bindparam("position"))
    .order_by(changes.c.sequence)
)

Thing = tuple[What, str]
"""What may change, and its id."""


class Row(NamedTuple):
    """A change as it is in the log."""

    sequence: int
    what: str
    id: str
    at: int


NONE = Row(0, "", "", 0)


async def take_turn(db: Database) -> None:
    """Wait, as the first step of a transaction, until no other that took its turn is open.

    On SQLite all writers do. On PostgreSQL what is read from here on is what the
    others have left.
    """
    await db.execute(TURN)


class Changes:
    """Writes and reads the log. ``position`` grows with everything that was read."""

    def __init__(self, store: Store, watch: Watch, announce: Announce, clock: Clock) -> None:
        self._store, self._watch, self._announce, self._clock = store, watch, announce, clock
        self._listeners: list[Listener] = []
        self._before_keys: Callable[[], Awaitable[None]] | None = None
        self._heard = self._told = 0
        self._reading: asyncio.Task[None] | None = None
        self._waiting: asyncio.Task[None] | None = None
        self._read_at = 0
        self._last: Row = NONE

    @property
    def position(self) -> int:
        """The number of the last change that was read."""
        return self._last.sequence

    async def start(self) -> None:
        """Begin at the present: nothing is cached yet."""
        self._watch.changed()
        self._last = await self._newest()
        self._read_at = self._clock()
        if self._before_keys is not None:
            # What was changed since the stores were opened is not told any more.
            await self._before_keys()

    async def reachable(self) -> bool:
        """Tell whether the store answers.

        :raises errors.StoreUnavailable: it does not.
        """
        return await self.newest() >= 0

    async def newest(self) -> int:
        """Return the number of the last change in the store, or 0."""
        return (await self._newest()).sequence

    async def last(self, db: Database) -> int:
        """Return the number of the last change, in a transaction that has recorded one."""
        return int(await db.scalar(select(func.max(changes.c.sequence))))

    async def since(self, db: Database, sequence: int, *things: Thing) -> bool:
        """Tell whether any of up to ``MOST_ASKED`` things has changed after that change.

        :raises ValueError: there are more of them, or none.
        """
        if not 0 < len(things) <= MOST_ASKED:
            raise ValueError(f"{len(things)} things are asked for, not 1 to {MOST_ASKED}")
        asked: dict[str, Any] = {"position": sequence}
        for place in range(MOST_ASKED):
            # A place that is left over asks for the first thing again.
            what, id = things[place] if place < len(things) else things[0]
            asked[f"what{place}"], asked[f"id{place}"] = what, id
        return await db.scalar(LATER, asked) is not None

    def listen(self, listener: Listener) -> None:
        """Call a function with ``what`` and ``id`` of every change."""
        self._listeners.append(listener)

    def before_keys(self, renew: Callable[[], Awaitable[None]]) -> None:
        """Await a function before anybody is told that keys were changed, and at the start."""
        self._before_keys = renew

    def pending(self) -> bool:
        """Tell whether there may be unseen changes; requests that arrive together look once."""
        arrival = ARRIVAL.get()
        if arrival is None or not arrival.open:
            self._look()
        elif arrival.left:
            arrival.left -= 1
        else:
            arrival.left = MOST - 1
            self._look()
        return self._told != self._heard

    async def record(self, db: Database, what: What, id: str = "") -> None:
        """Note a change, as the first step of the transaction that makes it.

        Writers of changes take turns from here on, so that sequence numbers become
        visible in their order, and no two lock each other's rows.
        """
        await self.record_many(db, what, [id])

    async def record_many(self, db: Database, what: What, ids: Sequence[str]) -> None:
        """Note several changes of a kind, as ``record`` does each."""
        await take_turn(db)
        at = self._clock()
        await db.execute(INSERT, [{"what": what, "id": id, "at": at} for id in ids])
        await self._announce(db)
        # On PostgreSQL an announcement takes its time, even to the process that made it.
        db.after_commit(self._wake)

    async def catch_up(self) -> None:
        """Read the unseen rows and tell the listeners; returns when none is left.

        Only a read that begins after this call will do. All who come while one is under way
        share the next.

        :raises errors.StoreUnavailable: they cannot be read.
        """
        if self._waiting is None:
            self._waiting = asyncio.create_task(self._read_after(self._reading))
        # Others wait for it as well as who is cancelled here.
        await asyncio.shield(self._waiting)

    async def _read_after(self, former: asyncio.Task[None] | None) -> None:
        if former is not None and not former.done():
            await asyncio.wait([former])
        self._reading, self._waiting = self._waiting, None
        # Its time is not that of the request which happened to begin it.
        budget.begin()
        await self._read()

    async def _read(self) -> None:
        # What is heard from here on may not be read.
        heard = self._heard
        rows, missed = await self._unseen()
        asleep = missed or self._clock() - self._read_at > RETENTION // 2
        if self._before_keys and (asleep or any(row.what == "keys" for row in rows)):
            await self._before_keys()
        for row in rows:
            self._tell(row.what, row.id)
            self._last = row
        if asleep:
            self._tell("rights", "")
            self._tell("strategies", "")
        self._read_at = self._clock()
        self._told = heard

    async def purge(self, batch: Batch) -> int:
        """Remove some rows that every process has read, but the last one; return how many."""
        last = select(func.max(changes.c.sequence)).scalar_subquery()
        old = (changes.c.at < self._clock() - RETENTION) & (changes.c.sequence < last)
        return await remove(self._store, changes, old, changes.c.at, batch)

    async def _newest(self) -> Row:
        row = await self._store.fetch(NEWEST)
        return NONE if row is None else Row._make(row)

    async def _unseen(self) -> tuple[Sequence[Row], bool]:
        """Return the rows after the last one that was read, and whether some are missing.

        They are where that one is not what it was: a machine whose clock is wrong has removed
        it, and whatever came after; or the database has another past, being restored, or a
        standby that had not come as far. Then the newest one is returned in any case.
        """
        # Most who look find none: who is never told looks all the time, at the price of one query.
        newest = await self._newest()
        if newest == self._last:
            return (), False
        async with self._store.read() as db:
            found = (await db.execute(SINCE, {"position": self.position})).all()
        rows = [Row._make(row) for row in found]
        if rows and rows[0] == self._last:
            return rows[1:], False
        return rows or [newest], self.position > 0

    def _wake(self) -> None:
        self._heard += 1

    def _tell(self, what: str, id: str) -> None:
        for listener in self._listeners:
            listener(what, id)

    def _look(self) -> None:
        if self._watch.changed() or not self._watch.healthy():
            self._wake()
