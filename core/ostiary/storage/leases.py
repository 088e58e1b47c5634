"""Which processes are alive on PostgreSQL: those whose lease in the core's store goes on."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Collection
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, cast, delete, extract, func, select
from sqlalchemy.dialects.postgresql import insert

from ostiary import errors
from ostiary.storage.store import Store
from ostiary.storage.tables import instances

LEASE = 10_000
RENEWAL_SECONDS = 2.0
FORGET = 24 * 3600 * 1000

log = logging.getLogger(__name__)


class Leases:
    """Rows that say until when a process is alive, by the clock of the database.

    A process that cannot reach the database for the length of a lease is gone to
    the others: what it began under its id, it may not finish.
    """

    def __init__(self, store: Callable[[], Store]) -> None:
        self._store = store
        self._instance: str | None = None
        self._plugins: list[str] = []
        self._renewing: asyncio.Task[None] | None = None

    async def join(self, plugins: Collection[str] = ()) -> str:
        """Return the id of this process, whose lease is renewed until ``leave``.

        :param plugins: what the row says of it.
        """
        if self._instance is None:
            instance = secrets.token_hex(8)
            await self._forget()
            self._plugins = sorted(plugins)
            await self._renew(instance)
            self._instance = instance
            self._renewing = asyncio.create_task(self._keep(instance))
        return self._instance

    async def gone(self, instance: str) -> bool:
        """Tell whether the lease of a process has ended."""
        lease = select(instances.c.alive_until > _now()).where(instances.c.id == instance)
        async with self._store().read() as db:
            return not await db.scalar(lease)

    async def using(self, plugin: str) -> int:
        """Count the other processes that are alive and whose row names a plugin."""
        alive = select(instances.c.plugins).where(
            instances.c.alive_until > _now(), instances.c.id != (self._instance or "")
        )
        async with self._store().read() as db:
            rows = (await db.execute(alive)).scalars().all()
        return sum(plugin in (named or ()) for named in rows)

    async def leave(self) -> None:
        """End the lease of this process."""
        if self._instance is None or self._renewing is None:
            return
        instance, self._instance = self._instance, None
        self._renewing.cancel()
        await asyncio.wait([self._renewing])
        try:
            async with self._store().begin() as db:
                await db.execute(delete(instances).where(instances.c.id == instance))
        except errors.StoreUnavailable:
            log.warning("the lease of this process will end by itself")

    async def _keep(self, instance: str) -> None:
        while True:
            await asyncio.sleep(RENEWAL_SECONDS)
            try:
                await self._renew(instance)
            except errors.StoreUnavailable:
                log.warning("the lease of this process cannot be renewed now")

    async def _renew(self, instance: str) -> None:
        until: dict[str, Any] = {"alive_until": _now() + LEASE}
        lease = insert(instances).values(id=instance, plugins=self._plugins, **until)
        async with self._store().begin() as db:
            await db.execute(lease.on_conflict_do_update(index_elements=["id"], set_=until))

    async def _forget(self) -> None:
        async with self._store().begin() as db:
            await db.execute(delete(instances).where(instances.c.alive_until < _now() - FORGET))


def _now() -> ColumnElement[int]:
    return cast(extract("epoch", func.clock_timestamp()) * 1000, BigInteger)
