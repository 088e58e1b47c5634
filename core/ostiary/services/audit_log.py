"""The audit log as it is read: searched, exported, and cleared of what is too old.

Rows are added by ``Events`` and never changed: the database itself refuses that, and refuses to
delete what is younger than a day.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, Select, or_, select

from ostiary.services.batches import Batch, remove
from ostiary.services.counting import count
from ostiary.services.lifetimes import ENDLESS
from ostiary.storage import Database, Store
from ostiary.storage.tables import audit

PAGE = 1000
COUNTED = 10_000
"""Entries are counted so far, and no further: of millions nobody wants the number at each page."""
MARGIN = 600_000
"""The clock of the database may be slow, and it is its own by which it keeps rows for a day."""


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


class Wanted(Struct, frozen=True, kw_only=True):
    """Which entries; None is whichever.

    :ivar user: who did it, or whom or what it was done to.
    :ivar since: from this instant on, in ms; ``until`` is before it.
    :ivar accounts: also the entries about logins that named these accounts.
    """

    event: str | None = None
    events: Sequence[str] = ()
    user: str | None = None
    author: str | None = None
    about: str | None = None
    strategy: str | None = None
    address: str | None = None
    since: int | None = None
    until: int | None = None
    accounts: Sequence[bytes] = ()

    def condition(self, after: int = 0) -> ColumnElement[bool]:
        """Return what is true of these entries.

        :param after: only those with greater numbers. It is said once: of two bounds SQLite
            begins at the first.
        """
        found = audit.c.sequence > after
        for name in ("event", "author", "about", "strategy", "address"):
            if (value := getattr(self, name)) is not None:
                found &= audit.c[name] == value
        if self.events:
            found &= audit.c.event.in_(self.events)
        whose = []
        if self.user is not None:
            whose += [audit.c.author == self.user, audit.c.about == self.user]
        if self.accounts:
            whose.append(audit.c.account.in_(self.accounts))
        if whose:
            found &= or_(*whose)
        if self.since is not None:
            found &= audit.c.at >= self.since
        if self.until is not None:
            found &= audit.c.at < self.until
        return found


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
    ) -> tuple[list[Entry], int]:
        """Return a page of entries, the newest first, and how many there are, up to ``COUNTED``.

        :param start: how many to pass over.
        :param before: begin with the entry before the one of this number.
        :param after: those that are newer than the one of this number, the oldest first: rows
            become visible in the order of their numbers (``Events.record``), so whoever goes on
            from the last one that was seen misses none. They are counted from there.
        """
        condition = wanted.condition(after or 0)
        order = audit.c.sequence.desc() if after is None else audit.c.sequence.asc()
        page = select(audit).where(condition).order_by(order)
        if before is not None:
            page = page.where(audit.c.sequence < before)

        async def work(db: Database) -> tuple[list[Entry], int]:
            rows: Sequence[Any] = (await db.execute(page.offset(start).limit(size))).all()
            found = [Entry(*row) for row in rows]
            if before is None and len(found) < size and (found or not start):
                # They end here: a needle is not looked for twice.
                return found, start + len(found)
            return found, await count(db, audit, condition, COUNTED)

        # Whoever looks for a needle has nobody else wait for it.
        return await self._store.search(work)

    async def read(self, wanted: Wanted, *, after: int = 0) -> AsyncIterator[Entry]:
        """Yield every entry, the oldest first, from the one after a number on."""
        every = select(audit).order_by(audit.c.sequence).limit(PAGE)
        while page := await self._page(every.where(wanted.condition(after))):
            for entry in page:
                yield entry
            after = page[-1].sequence

    async def purge(self, batch: Batch) -> int:
        """Remove some entries that are older than is wanted; return how many."""
        if self._retention == ENDLESS:
            return 0
        old = audit.c.at < self._clock() - self._retention - MARGIN
        return await remove(self._store, audit, old, audit.c.at, batch)

    async def _page(self, wanted: Select[Any]) -> list[Entry]:
        async with self._store.read() as db:
            rows: Sequence[Any] = (await db.execute(wanted)).all()
            return [Entry(*row) for row in rows]
