"""Everything that lets anybody in now: the sessions of all users, and their API keys."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import Column, ColumnElement, Table, and_, or_, select, true

from ostiary.services.access import session_id
from ostiary.services.counting import count
from ostiary.services.sessions import OpenSession, Sessions, began_at
from ostiary.storage import Database, Store
from ostiary.storage.tables import api_keys, tokens

COUNTED = 10_000
"""Sessions and keys are counted so far, and no further."""

Position = tuple[int, str]
"""Where a page has ended: when what came last was issued, and its id."""

LATEST: Position = (2**62, "")


class Sought(Struct, frozen=True, kw_only=True):
    """Which sessions, or keys; None is whichever.

    :ivar strategy: by which they were signed in; keys were not.
    :ivar address: where the token was asked for, in the spelling of the list.
    """

    user: str | None = None
    strategy: str | None = None
    address: str | None = None


class HeldKey(Struct, frozen=True):
    """An API key in a list: nothing in it opens anything."""

    id: str
    kuid: str
    description: str
    created_at: int
    last_seen: int | None
    expires_at: int | None

    def to_json(self) -> dict[str, Any]:
        """Return it as clients see it."""
        return {
            "_id": self.id,
            "description": self.description,
            "createdAt": self.created_at,
            "lastUsedAt": self.last_seen,
            "expiresAt": -1 if self.expires_at is None else self.expires_at,
        }


class Page(Struct, frozen=True):
    """Some of what was found, with whose it is.

    :ivar total: how many there are, up to ``COUNTED``.
    :ivar last: where to go on; None at the end.
    """

    found: Sequence[tuple[str, OpenSession | HeldKey]]
    total: int
    last: Position | None


class Holding:
    """Searches tokens and keys, those that were issued last first."""

    def __init__(self, store: Store, sessions: Sessions, clock: Callable[[], int]) -> None:
        self._store, self._sessions, self._clock = store, sessions, clock

    async def sessions(self, sought: Sought, *, size: int, after: Position | None = None) -> Page:
        """Return sessions that are open. One whose token is refreshed is issued anew.

        :param after: where the page before has ended.
        """
        which = self._sessions.open() & _sought(tokens, sought)
        if sought.strategy is not None:
            which &= tokens.c.strategy == sought.strategy
        if sought.address is not None:
            which &= tokens.c.address == sought.address
        listed = select(tokens, session_id.label("id"), began_at.label("began"))
        rows, total, last = await self._page(
            tokens, listed, which, (tokens.c.issued_at, session_id), size, after
        )
        return Page([(row.kuid, self._sessions.opened(row)) for row in rows], total, last)

    async def keys(self, sought: Sought, *, size: int, after: Position | None = None) -> Page:
        """Return API keys that open something."""
        lasting = api_keys.c.expires_at.is_(None) | (api_keys.c.expires_at > self._clock())
        which = lasting & _sought(api_keys, sought)
        rows, total, last = await self._page(
            api_keys, select(api_keys), which, (api_keys.c.created_at, api_keys.c.id), size, after
        )
        found = [
            (
                row.kuid,
                HeldKey(
                    row.id, row.kuid, row.description, row.created_at, row.last_seen, row.expires_at
                ),
            )
            for row in rows
        ]
        return Page(found, total, last)

    async def _page(
        self,
        table: Table,
        listed: Any,
        which: ColumnElement[bool],
        order: tuple[Column[int], ColumnElement[str]],
        size: int,
        after: Position | None,
    ) -> tuple[Sequence[Any], int, Position | None]:
        instant, id = order
        columns = [instant.label("at"), id.label("position")]
        # Without a bound SQLite would take the index of ends, and sort all that there is.
        page = listed.add_columns(*columns).where(which, instant <= (after or LATEST)[0])
        if after is not None:
            page = page.where(or_(instant < after[0], and_(instant == after[0], id < after[1])))
        page = page.order_by(instant.desc(), id.desc()).limit(size + 1)

        async def work(db: Database) -> tuple[Sequence[Any], int]:
            rows: Sequence[Any] = (await db.execute(page)).all()
            if after is None and len(rows) <= size:
                return rows, len(rows)
            return rows, await count(db, table, which, COUNTED)

        rows, total = await self._store.search(work)
        more = len(rows) > size > 0
        last = (rows[size - 1].at, rows[size - 1].position) if more else None
        return rows[:size], total, last


def _sought(table: Table, sought: Sought) -> ColumnElement[bool]:
    return true() if sought.user is None else table.c.kuid == sought.user
