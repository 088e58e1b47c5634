"""The audit log as it is read: searched, exported, and cleared of what is too old.

Rows are added by ``Events`` and never changed: the database itself refuses that, and refuses to
delete what is younger than a day.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct
from sqlalchemy import Select, func, select

from ostiary.services.audit_filters import SEQUENCE, Part, Wanted
from ostiary.services.audit_lookups import count_all, look_up, look_up_older, page_of
from ostiary.services.batches import Batch, remove
from ostiary.services.lifetimes import ENDLESS
from ostiary.storage import Database, Store
from ostiary.storage.tables import audit

PAGE = 1000
COUNTED = 10_000
"""Entries are counted so far, and no further: of millions nobody wants the number at each page."""
MARGIN = 600_000
"""The clock of the database may be slow, and it is its own by which it keeps rows for a day."""


LAST = select(func.max(audit.c.sequence))


@dataclass(frozen=True, slots=True)
class Entry:
    """One row: an event, as it was told.

    :ivar about: whom or what it was done to; a kuid, or the id of a role, a profile or a key.
    :ivar account: a keyed hash of the account that a login named.
    :ivar details: what else the event tells.
    """

    sequence: int
    at: int
    event: str
    author: str | None
    about: str | None
    strategy: str | None
    account: bytes | None = field(repr=False)
    reason: str | None
    protocol: str | None
    address: str | None
    agent: str | None
    request: str | None
    details: dict[str, Any] | None

    def to_json(self) -> dict[str, Any]:
        """Return it as clients see it, and as it is exported."""
        told = {name: getattr(self, name) for name in self.__slots__ if name != "sequence"}
        if self.account is not None:
            told["account"] = self.account.hex()
        told["details"] = self.details or {}
        return {"_id": str(self.sequence), "_source": told}


class Found(Struct, frozen=True):
    """What a search has found.

    :ivar total: how many there are, up to ``COUNTED``.
    :ivar position: the number up to which the log was looked through.
    """

    entries: list[Entry]
    total: int
    position: int


class AuditLog:
    """Reads the log.

    :param retention: how long entries are kept, in ms; -1 is for ever.
    """

    def __init__(self, store: Store, retention: int, clock: Callable[[], int]) -> None:
        self._store, self._retention, self._clock = store, retention, clock

    async def search(
        self,
        wanted: Wanted,
        *,
        size: int,
        start: int = 0,
        before: int | None = None,
        after: int | None = None,
    ) -> Found:
        """Return a page of entries, the newest first, and how many there are.

        :param start: how many to pass over.
        :param before: begin with the entry before the one of this number.
        :param after: those that are newer than the one of this number, the oldest first: rows
            become visible in the order of their numbers (``Events.record``), so whoever goes on
            from ``position`` misses none. They are counted from there.
        """
        parts = wanted.parts(after)

        async def work(db: Database) -> Found:
            last = await db.scalar(LAST) or 0
            every = [await look_up(db, part) for part in parts]
            shown = every if before is None else await look_up_older(db, parts, before)
            found = [Entry(*row) for row in await page_of(db, shown, start=start, size=size)]
            if before is None and len(found) < size and (found or not start):
                # They end here: a needle is not looked for twice.
                total = start + len(found)
            else:
                total = await count_all(db, every, COUNTED)
            return Found(found, total, _position(found, size, last, after))

        # Whoever looks for a needle has nobody else wait for it.
        return await self._store.search(work)

    async def read(self, *, since: int | None = None, after: int = 0) -> AsyncIterator[Entry]:
        """Yield every entry, the oldest first, from the one after a number on."""
        every = select(audit).order_by(audit.c.sequence).limit(PAGE)
        while page := await self._read(every, Part(Wanted(since=since), after=after)):
            for entry in page:
                yield entry
            after = page[-1].sequence

    async def purge(self, batch: Batch) -> int:
        """Remove some entries that are older than is wanted; return how many."""
        if self._retention == ENDLESS:
            return 0
        old = audit.c.at < self._clock() - self._retention - MARGIN
        return await remove(self._store, audit, old, audit.c.at, batch)

    async def _read(self, every: Select[Any], part: Part) -> list[Entry]:
        async with self._store.read() as db:
            rows: Sequence[Any] = (await db.execute(every.where(part.where(SEQUENCE)))).all()
            return [Entry(*row) for row in rows]


def _position(found: Sequence[Entry], size: int, last: int, after: int | None) -> int:
    """Return from where on nothing was looked at."""
    if after is None or len(found) < size:
        return max(last, after or 0)
    return found[-1].sequence if found else after
