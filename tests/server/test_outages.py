"""The database is gone, stands still, or is locked: everybody is told in time, and it passes."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest

from ostiary.testing.cable import Cable
from ostiary.testing.server import ThrowAwayServer
from ostiary.testing.wire import HttpApi, Outcome

from .conftest import ADMIN

if TYPE_CHECKING:
    from .conftest import Database, Serve

ANSWER = 5.0
"""Seconds in which every request is answered (REL-03)."""

RECOVERY = 10.0
"""Seconds after which everything works again (REL-03)."""

SLACK = 2.0
"""What a busy machine may add to either."""

AT_ONCE = 40
UNAVAILABLE = {"ostiary.storage.unavailable", "api.process.overloaded"}


@dataclass(frozen=True)
class Site:
    """A server on PostgreSQL, and the only way from the one to the other."""

    server: ThrowAwayServer
    cable: Cable
    database: Database
    admin: str

    def connections(self) -> int:
        """Count those that the database has from the server."""
        asked = "SELECT count(*) FROM pg_stat_activity WHERE usename LIKE 'ostiary%'"
        count = self.database.query(asked)[0][0]
        assert isinstance(count, int)
        return count


@pytest.fixture(scope="module")
def site(
    make_ready: Callable[[], Database],
    start_server: Serve,
    administer: Callable[[HttpApi], str],
) -> Iterator[Site]:
    database = make_ready()
    with Cable(database.server.port) as cable:
        url = f"postgresql://127.0.0.1:{cable.port}/{database.name}"
        server = start_server(database=url, environment=database.environment)
        with closing(HttpApi(server.port)) as api:
            admin = administer(api)
        yield Site(server, cable, database, admin)


@contextmanager
def cut(site: Site) -> Iterator[None]:
    """No byte passes, and nobody says farewell."""
    site.cable.silence()
    try:
        yield
    finally:
        site.cable.mend()


@contextmanager
def stopped(site: Site) -> Iterator[None]:
    """The server of the database is killed."""
    site.database.server.stop()
    try:
        yield
    finally:
        site.database.server.start()


@contextmanager
def frozen(site: Site) -> Iterator[None]:
    """Every process of the database stands still."""
    site.database.server.freeze()
    try:
        yield
    finally:
        site.database.server.thaw()


OUTAGES = [cut, stopped, frozen]


@pytest.mark.parametrize("outage", OUTAGES, ids=lambda outage: outage.__name__)
def test_an_outage_is_told_in_time_and_passes(
    site: Site, outage: Callable[[Site], AbstractContextManager[None]]
) -> None:
    """REL-03."""
    before = site.connections()
    with outage(site):
        for _ in range(2):
            answers = ask_all_at_once(site)
            for name, (outcome, seconds) in answers:
                assert seconds < ANSWER + SLACK, (name, outcome.status)
                assert outcome.status == 503, (name, outcome.body)
                assert outcome.error_id in UNAVAILABLE
                assert int(outcome.headers["retry-after"]) > 0
        # It is known by now: nobody waits any more.
        began = time.monotonic()
        assert {outcome.status for _, (outcome, _) in ask_all_at_once(site)} == {503}
        assert time.monotonic() - began < SLACK
        with closing(HttpApi(site.server.port)) as api:
            assert api.send("GET", "/_healthcheck").status == 200
            assert api.send("GET", "/_ready").status == 503
    await_recovery(site)
    assert site.connections() <= before + AT_ONCE


@pytest.mark.parametrize("locked", ["users", "tokens", "installation"])
def test_who_holds_a_lock_stops_only_who_needs_it(site: Site, locked: str) -> None:
    """REL-03: waiting is bounded, connections do not pile up, and it passes."""
    with closing(HttpApi(site.server.port)) as api:
        assert api.call("auth:getCurrentUser", jwt=site.admin).status == 200
        with holding(site.database, f"LOCK TABLE ostiary_core.{locked} IN ACCESS EXCLUSIVE MODE"):
            answers = ask_all_at_once(site)
            # Who is known needs none of the tables.
            assert api.call("auth:getCurrentUser", jwt=site.admin).status == 200
            assert site.connections() < AT_ONCE
    for name, (outcome, seconds) in answers:
        assert seconds < ANSWER + SLACK, name
        assert outcome.status in (200, 503), (name, outcome.body)
    assert 503 in {outcome.status for _, (outcome, _) in answers}
    await_recovery(site)


def test_a_file_that_another_process_has_locked_is_waited_for_in_turn_and_not_for_ever(
    serve: Serve, administer: Callable[[HttpApi], str]
) -> None:
    """REL-03, REL-07, on SQLite: all who write are answered in the time of one; checks go on."""
    server = serve()
    with closing(HttpApi(server.port)) as api:
        admin = administer(api)
    checks = 0
    with (
        write_lock(server.data / "core.db"),
        closing(HttpApi(server.port)) as api,
        ThreadPoolExecutor(1) as pool,
    ):
        asking = pool.submit(ask_all_at_once, Here(server, admin))
        while not asking.done():
            # Reading needs no lock, and waits for nobody who does.
            assert api.call("auth:checkToken", {"token": admin}).result["valid"]
            checks += 1
        assert {api.send("GET", url).status for url in ("/_healthcheck", "/_ready")} == {200}
        answers = asking.result()
    assert checks > 200
    for name, (outcome, seconds) in answers:
        assert seconds < ANSWER + SLACK, name
        assert outcome.status in (200, 503), (name, outcome.body)
        if outcome.status == 503:
            assert int(outcome.headers["retry-after"]) > 0
    assert 503 in {outcome.status for _, (outcome, _) in answers}
    await_recovery(Here(server, admin))


@dataclass(frozen=True)
class Here:
    """A server, wherever its stores are."""

    server: ThrowAwayServer
    admin: str


def ask_all_at_once(site: Site | Here) -> list[tuple[str, tuple[Outcome, float]]]:
    """Ask for many things that need the database, each on a connection of its own."""

    def create(api: HttpApi) -> Outcome:
        content = {"content": {"profileIds": ["default"]}}
        return api.call("security:createUser", content, jwt=site.admin)

    def sign_in(api: HttpApi) -> Outcome:
        return api.call("auth:login", ADMIN, strategy="local")

    def search(api: HttpApi) -> Outcome:
        return api.call("security:searchUsers", {}, jwt=site.admin)

    def make_key(api: HttpApi) -> Outcome:
        return api.call("auth:createApiKey", {"description": "one"}, jwt=site.admin)

    asked = [create, sign_in, search, make_key]

    def ask(number: int) -> tuple[str, tuple[Outcome, float]]:
        one = asked[number % len(asked)]
        with closing(HttpApi(site.server.port)) as api:
            began = time.monotonic()
            outcome = one(api)
            return one.__name__, (outcome, time.monotonic() - began)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(ask, range(AT_ONCE)))


def await_recovery(site: Site | Here) -> None:
    """See that everything works soon, without anybody's help."""
    deadline = time.monotonic() + RECOVERY + SLACK
    with closing(HttpApi(site.server.port)) as api:
        while api.send("GET", "/_ready").status != 200:
            assert time.monotonic() < deadline, "the server is not ready"
            time.sleep(0.05)
        while {outcome.status for _, (outcome, _) in ask_all_at_once(site)} != {200}:
            assert time.monotonic() < deadline, "not everything works again"
        assert api.call("auth:getCurrentUser", jwt=site.admin).status == 200


@contextmanager
def holding(database: Database, sql: str) -> Iterator[None]:
    """Hold what a statement takes, in a transaction of somebody else."""
    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(database.admin_url))
        runner.run(connection.execute(f"BEGIN; {sql}"))
        try:
            yield
        finally:
            runner.run(connection.close())


@contextmanager
def write_lock(path: Path) -> Iterator[None]:
    """Hold the lock of the writer, as another process would."""
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        file.execute("BEGIN IMMEDIATE")
        yield
        file.execute("ROLLBACK")
