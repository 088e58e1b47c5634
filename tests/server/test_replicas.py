"""Searches are read from a real standby, if it has all that was written before, and else elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from time import monotonic, sleep
from typing import TYPE_CHECKING, NoReturn

import pytest

from ostiary.testing.cable import Cable
from ostiary.testing.postgresql import ThrowAwayPostgreSQL, started
from ostiary.testing.server import ThrowAwayServer
from ostiary.testing.standby import ThrowAwayStandby
from ostiary.testing.wire import HttpApi

from .conftest import ADMIN
from .waiting import until

if TYPE_CHECKING:
    from .conftest import Database, Serve

COUNTING = {"shared_preload_libraries": "pg_stat_statements"}
SEARCHES = 20


@dataclass
class Pair:
    """A primary and its standby, a server that knows both, and its administrator."""

    primary: ThrowAwayPostgreSQL
    standby: ThrowAwayStandby
    cable: Cable
    database: str
    server: ThrowAwayServer
    api: HttpApi
    admin: str

    def ask(self, server: ThrowAwayPostgreSQL, sql: str) -> list[tuple[object, ...]]:
        return asyncio.run(server.run(sql, self.database))

    def forget_statements(self) -> None:
        for server in (self.primary, self.standby):
            self.ask(server, "SELECT pg_stat_statements_reset()")

    def statements(self, server: ThrowAwayPostgreSQL) -> list[str]:
        """Return what the stores' logins have asked a server for."""
        asked = (
            "SELECT query FROM pg_stat_statements JOIN pg_roles ON userid = pg_roles.oid"
            " WHERE rolname LIKE 'ostiary%'"
        )
        return [str(query) for (query,) in self.ask(server, asked)]

    def count(self) -> int:
        """Return how many users a search finds."""
        body = {"query": {"prefix": {"_id": "user"}}}
        found = self.api.call("security:searchUsers", body, jwt=self.admin, size=1)
        return int(found.result["total"])

    def create(self) -> None:
        content = {"content": {"profileIds": ["default"]}}
        made = self.api.call("security:createUser", content, _id=self.new_name(), jwt=self.admin)
        assert made.status == 200, made.error

    def new_name(self) -> str:
        return f"user-{monotonic()}"


@pytest.fixture(scope="module")
def pair(
    missing: Callable[[str, str], NoReturn],
    make_ready_on: Callable[[ThrowAwayPostgreSQL], Database],
    start_server: Serve,
    administer: Callable[[HttpApi], str],
) -> Iterator[Pair]:
    with started(missing, COUNTING) as primary:
        database = make_ready_on(primary)
        database.query("CREATE EXTENSION pg_stat_statements")
        with ThrowAwayStandby(primary) as standby, Cable(standby.port) as cable:
            replica = f"postgresql://127.0.0.1:{cable.port}/{database.name}"
            environment = database.environment | {"OSTIARY_DATABASE__REPLICA_URLS": replica}
            server = start_server(database=database.url, environment=environment)
            with closing(HttpApi(server.port)) as api:
                yield Pair(primary, standby, cable, database.name, server, api, administer(api))


def test_searches_are_read_from_the_replica_and_nothing_else_is(pair: Pair) -> None:
    """Not who signs in, not a token, not what a write looks up."""
    api, admin = pair.api, pair.admin
    pair.create()
    until(lambda: pair.count() > 0 and "FROM ostiary_core.users" in told(pair, pair.standby))
    pair.forget_statements()
    searched = [
        api.call("security:searchUsers", {"query": {}}, jwt=admin),
        api.call("security:searchProfiles", {"query": {}}, jwt=admin),
        api.call("security:searchRoles", {"query": {}}, jwt=admin),
        api.call("security:searchAuditLog", {}, jwt=admin),
        api.call("security:searchUsersByCredentials", {}, strategy="local", jwt=admin),
    ]
    assert all(one.status == 200 and one.result["total"] > 0 for one in searched)
    here, there = told(pair, pair.primary), told(pair, pair.standby)
    for table in ("core.users", "core.profiles", "core.roles", "core.audit", "local.accounts"):
        assert f"FROM ostiary_{table}" in there
        assert f"FROM ostiary_{table}" not in here

    pair.forget_statements()
    token = api.call("auth:login", ADMIN, strategy="local").result["jwt"]
    assert api.call("auth:checkToken", {"token": token}).result["valid"]
    assert api.call("security:getUser", _id="root", jwt=token).status == 200
    assert api.call("security:mGetUsers", {"ids": ["root"]}, jwt=token).status == 200
    pair.create()
    assert api.call("auth:logout", jwt=token).status == 200
    assert pair.statements(pair.standby) == []


def test_a_search_finds_what_was_written_before_it(pair: Pair) -> None:
    """However far behind the replica is (``refresh=wait_for`` is always kept)."""
    before = pair.count()
    for number in range(1, SEARCHES + 1):
        pair.create()
        assert pair.count() == before + number
    asyncio.run(pair.standby.pause())
    pair.create()
    assert pair.count() == before + SEARCHES + 1
    assert "it is behind" in pair.server.log
    asyncio.run(pair.standby.resume())
    assert reads_there_again(pair)


def test_a_replica_that_falls_silent_or_goes_away_is_done_without(pair: Pair) -> None:
    """REL-03: every search is answered, and the replica is used again when it is back."""
    known = pair.count()
    pair.cable.silence()
    asked_at = monotonic()
    assert pair.count() == known
    assert monotonic() - asked_at < 5
    pair.cable.mend()
    assert reads_there_again(pair)
    pair.standby.stop()
    assert [pair.count() for _ in range(3)] == [known] * 3
    pair.standby.start()
    assert reads_there_again(pair)


def test_what_is_no_replica_is_not_read(pair: Pair) -> None:
    """A standby that was promoted has a history of its own."""
    asyncio.run(pair.standby.promote())
    pair.create()
    known = pair.count()
    pair.ask(pair.standby, "DELETE FROM ostiary_core.users WHERE kuid LIKE 'user%'")
    sleep(1.1)
    assert pair.count() == known
    assert "it is no replica of the database" in pair.server.log


def told(pair: Pair, server: ThrowAwayPostgreSQL) -> str:
    return "\n".join(pair.statements(server))


def reads_there_again(pair: Pair) -> bool:
    """Wait until searches are read from the replica."""
    pair.forget_statements()
    until(lambda: pair.count() > 0 and "FROM ostiary_core.users" in told(pair, pair.standby))
    return True
