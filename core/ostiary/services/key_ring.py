"""Rotating the keys that sign tokens, without signing anybody out; or with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import delete, exists, func, insert, select, update

from ostiary.durations import HOUR
from ostiary.events import SigningKeyRotated
from ostiary.services.changes import Changes
from ostiary.services.events import Events
from ostiary.services.signing import new_key
from ostiary.storage import Store
from ostiary.storage.tables import api_keys, signing_keys, tokens


class RingKey(Struct, frozen=True):
    """A key of the ring, and how many tokens and API keys it is kept for."""

    id: str
    created_at: int
    retired_at: int | None
    tokens: int
    api_keys: int


class KeyRing:
    """Adds keys to the ring, and removes those that nothing needs any more."""

    def __init__(
        self, store: Store, changes: Changes, events: Events, clock: Callable[[], int]
    ) -> None:
        self._store, self._changes, self._clock = store, changes, clock
        self._events = events
        self._purge_at = 0

    async def keys(self) -> Sequence[RingKey]:
        """Return the keys, the oldest first."""
        counts = [
            select(func.count()).where(table.c.key_id == signing_keys.c.id).scalar_subquery()
            for table in (tokens, api_keys)
        ]
        ring = (signing_keys.c.id, signing_keys.c.created_at, signing_keys.c.retired_at, *counts)
        wanted = select(*ring).order_by(signing_keys.c.created_at, signing_keys.c.id)
        async with self._store.read() as db:
            rows: Sequence[Any] = (await db.execute(wanted)).all()
            return [RingKey(*row) for row in rows]

    async def rotate(self, *, revoke_all: bool = False) -> str:
        """Have a new key sign from now on, in every process; return its id.

        The others only verify, until nothing is left that they have signed.

        :param revoke_all: they are forgotten at once, with all that they have signed: every
            session and every API key ends (TOK-31).
        """
        row = new_key(self._store, self._clock())
        async with self._store.begin() as db:
            await self._changes.record(db, "keys", row["id"])
            if revoke_all:
                await self._changes.record(db, "rights")
                for table in (signing_keys, tokens, api_keys):
                    await db.execute(delete(table))
            else:
                signing = signing_keys.c.retired_at.is_(None)
                retire = update(signing_keys).where(signing)
                await db.execute(retire.values(retired_at=self._clock()))
            await db.execute(insert(signing_keys).values(row))
            told = SigningKeyRotated(id=row["id"], revoke_all=revoke_all)
            await self._events.record(db, told)
        return str(row["id"])

    async def purge(self) -> None:
        """Remove the keys that nothing needs any more; looks for some once an hour."""
        now = self._clock()
        if now < self._purge_at:
            return
        self._purge_at = now + HOUR
        # An hour after it was retired no process signs with a key, however late the news came.
        unneeded = signing_keys.c.retired_at < now - HOUR
        for table in (tokens, api_keys):
            unneeded &= ~exists().where(table.c.key_id == signing_keys.c.id)
        # Looks through every token, beside everybody: what is found is true for good.
        async with self._store.read(apart=True) as db:
            found = (await db.execute(select(signing_keys.c.id).where(unneeded))).scalars().all()
        if found:
            async with self._store.begin() as db:
                await self._changes.record(db, "keys")
                await db.execute(delete(signing_keys).where(signing_keys.c.id.in_(found)))
