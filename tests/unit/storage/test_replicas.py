"""What a replica has to be, to be read instead of the primary; real servers prove it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, NoReturn

import pytest
from sqlalchemy import text

from ostiary.storage import Database
from ostiary.storage.access import Access
from ostiary.storage.hosts import Hosts
from ostiary.storage.replicas import Replica, Replicas
from ostiary.testing.postgresql import ThrowAwayPostgreSQL, started
from ostiary.testing.standby import ThrowAwayStandby

pytestmark = pytest.mark.anyio

PRIMARY = "primary"
PLACE = "SELECT CAST(pg_current_wal_flush_lsn() AS text)"


class Primary:
    """A server that takes writes, as a store asks it."""

    def __init__(self, server: ThrowAwayPostgreSQL) -> None:
        self._server = server

    async def fetch(self, sql: str, *_: Any) -> tuple[Any, ...] | None:
        return tuple((await self._server.run(sql))[0])


async def test_what_follows_a_primary_that_was_given_up_is_not_read(
    missing: Callable[[str, str], NoReturn],
) -> None:
    """It may be ahead of the new one, by what is lost, and lacks all that is written since."""
    with (
        started(missing) as primary,
        ThrowAwayStandby(primary, "next") as following,
        ThrowAwayStandby(primary, "replica") as replica,
    ):
        await primary.run("CREATE TABLE notes AS SELECT 1 AS id")
        await has_come_as_far(following, primary)
        following.stop()
        await primary.run("CREATE TABLE lost AS SELECT generate_series(1, 10000)")
        await has_come_as_far(replica, primary)
        replicas = Replicas([Replica(access(replica), 1)])
        try:
            assert await where(replicas, primary) == replica.port
            primary.stop()
            following.start()
            await following.promote()
            await following.run("INSERT INTO notes VALUES (2)")
            assert await where(replicas, following) == PRIMARY
        finally:
            await replicas.close()


async def has_come_as_far(standby: ThrowAwayStandby, primary: ThrowAwayPostgreSQL) -> None:
    ((place,),) = await primary.run(PLACE)
    async with asyncio.timeout(30):
        while await standby.run(f"SELECT pg_last_wal_replay_lsn() >= '{place}'") != [(True,)]:
            await asyncio.sleep(0.02)


def access(server: ThrowAwayPostgreSQL) -> Access:
    hosts = Hosts(server.admin_url(), writes=False)
    return Access(hosts=hosts, schema="public", role=None, passwords=None, prepared_statements=True)


async def where(replicas: Replicas, primary: ThrowAwayPostgreSQL) -> int | str:
    """Tell which replica a search is read from, by its port."""

    async def work(db: Database) -> int:
        return int(await db.scalar(text("SELECT CAST(current_setting('port') AS int)")))

    async def here() -> str:
        return PRIMARY

    return await replicas.search(Primary(primary), work, here)
