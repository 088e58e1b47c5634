"""Locks by name: of all processes that share the stores, one does a thing at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError

from ostiary import errors
from ostiary.storage import Presence, Store
from ostiary.storage.tables import installation

PREFIX = "lock:"


class Locks:
    """Rows in the core's store; one whose process is gone locks nothing."""

    def __init__(self, store: Store, presence: Presence, instance: str) -> None:
        self._store, self._presence, self._instance = store, presence, instance
        self._held: set[str] = set()

    @asynccontextmanager
    async def hold(self, name: str) -> AsyncIterator[None]:
        """Hold a lock as long as a block runs.

        :raises errors.ActionLocked: it is held, by whomever.
        """
        await self.take(name)
        try:
            yield
        finally:
            await asyncio.shield(self._release(name))

    async def take(self, name: str) -> None:
        """Hold a lock until this process ends.

        :raises errors.ActionLocked: it is held, by whomever.
        """
        if name in self._held:
            raise errors.ActionLocked(name)
        self._held.add(name)
        try:
            while not await self._insert(name):
                await self._make_way(name)
        except BaseException:
            self._held.discard(name)
            raise

    async def _insert(self, name: str) -> bool:
        row = {"key": PREFIX + name, "value": self._instance}
        try:
            async with self._store.begin() as db:
                await db.execute(insert(installation).values(row))
        except IntegrityError:
            return False
        return True

    async def _make_way(self, name: str) -> None:
        """Remove a lock whose process is gone, or did not come to remove it."""
        this = installation.c.key == PREFIX + name
        async with self._store.read() as db:
            holder = await db.scalar(select(installation.c.value).where(this))
        if holder is None:
            return
        if holder != self._instance and not await self._presence.gone(holder):
            raise errors.ActionLocked(name)
        async with self._store.begin() as db:
            await db.execute(delete(installation).where(this, installation.c.value == holder))

    async def _release(self, name: str) -> None:
        this = installation.c.key == PREFIX + name
        try:
            async with self._store.begin() as db:
                await db.execute(
                    delete(installation).where(this, installation.c.value == self._instance)
                )
        finally:
            self._held.discard(name)
