"""A primary dies and its synchronous standby takes over: what was acknowledged is there."""

from __future__ import annotations

import asyncio
import http.client
import random
import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from threading import Event
from typing import TYPE_CHECKING, NoReturn

import pytest

from ostiary.testing.postgresql import ThrowAwayPostgreSQL, started
from ostiary.testing.server import ThrowAwayServer
from ostiary.testing.standby import ThrowAwayStandby
from ostiary.testing.wire import HttpApi, Outcome

from .conftest import SETUP_SECRET, provision

if TYPE_CHECKING:
    from .conftest import Serve

STANDBY = "standby"
DATABASE = "ostiary"
PASSWORD = "correct horse battery staple"

ANSWER = 5.0
"""Seconds in which every request is answered (REL-03)."""

RECOVERY = 10.0
"""Seconds after which everything works again when the database does (REL-03)."""

SLACK = 3.0
"""What a machine that is busy with clients and databases may add to either."""

OUTAGE = 1.0
"""Seconds until somebody has noticed that the primary is dead."""

LIVES = 15
"""Users made and signed in a second: what one machine bears that is client, server and database."""


@dataclass
class Cluster:
    """A primary, a standby that every commit waits for, and what a server is told of them."""

    primary: ThrowAwayPostgreSQL
    standby: ThrowAwayStandby
    environment: dict[str, str]

    @property
    def url(self) -> str:
        hosts = f"127.0.0.1:{self.primary.port},127.0.0.1:{self.standby.port}"
        return f"postgresql://{hosts}/{DATABASE}"

    def fail_over(self) -> None:
        """Kill the primary and promote the standby, as whoever watches over both would."""
        self.primary.stop()
        time.sleep(OUTAGE)
        asyncio.run(self.standby.promote())


@pytest.fixture
def cluster(missing: Callable[[str, str], NoReturn]) -> Iterator[Cluster]:
    with _cluster(missing) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def lasting(missing: Callable[[str, str], NoReturn]) -> Iterator[Cluster]:
    """A cluster in which nobody dies."""
    with _cluster(missing) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def site(
    lasting: Cluster, start_server: Serve, administer: Callable[[HttpApi], str]
) -> tuple[Cluster, ThrowAwayServer, str]:
    server = start_server(database=lasting.url, environment=lasting.environment)
    with closing(HttpApi(server.port)) as api:
        return lasting, server, administer(api)


@contextmanager
def _cluster(missing: Callable[[str, str], NoReturn]) -> Iterator[Cluster]:
    environment = {
        "OSTIARY_MASTER_KEY": secrets.token_hex(32),
        "OSTIARY_SETUP_SECRET": SETUP_SECRET,
    }
    with started(missing) as primary:
        asyncio.run(primary.run(f"CREATE DATABASE {DATABASE}"))
        with ThrowAwayStandby(primary, STANDBY) as standby:
            cluster = Cluster(primary, standby, environment)
            provision(cluster.url, primary.admin_url(DATABASE), environment)
            asyncio.run(primary.wait_for(STANDBY))
            yield cluster


@dataclass
class Client:
    """Makes users, signs them in and out, and keeps count of what it was told.

    :ivar pause: seconds between two of them.
    :ivar users: those whose creation was acknowledged.
    :ivar ended: tokens whose end was acknowledged.
    :ivar open: tokens that were given, and not ended as far as anybody was asked.
    :ivar unavailable: when a request was answered 503, or not at all.
    :ivar wrong: answers that nobody should get.
    :ivar longest: seconds that the slowest answer took.
    """

    number: int
    api: HttpApi
    admin: str
    pause: float
    users: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    unavailable: list[float] = field(default_factory=list)
    wrong: list[Outcome] = field(default_factory=list)
    longest: float = 0.0

    def run(self, done: Event) -> None:
        count = 0
        # Not all at the same moment.
        done.wait(self.pause * random.random())
        while not done.is_set():
            count += 1
            self.live(f"user-{self.number}-{count}")
            done.wait(self.pause)

    def live(self, name: str) -> None:
        """Make a user, let them sign in and ask who they are; of the open tokens the oldest ends.

        Half of the clients make no more than five.
        """
        if self.number % 2 == 0 or len(self.users) < 5:
            content = {"profileIds": ["default"]}
            credentials = {"local": {"username": name, "password": PASSWORD}}
            body = {"content": content, "credentials": credentials}
            if self.ask("security:createUser", body, jwt=self.admin, _id=name):
                self.users.append(name)
        if not self.users:
            return
        login = {"username": self.users[-1], "password": PASSWORD}
        signed_in = self.ask("auth:login", login, strategy="local")
        if signed_in is None:
            return
        token = signed_in.result["jwt"]
        self.open.append(token)
        self.ask("auth:getCurrentUser", jwt=token)
        if len(self.open) > 1:
            leaving = self.open.pop(0)
            # Where nobody can tell whether it was done, the token counts for neither.
            if self.ask("auth:logout", jwt=leaving):
                self.ended.append(leaving)

    def ask(
        self, name: str, body: object = None, *, jwt: str | None = None, **args: object
    ) -> Outcome | None:
        """Return the answer; None if the server could not do it."""
        began = time.monotonic()
        try:
            outcome = self.api.call(name, body, jwt=jwt, **args)
        except (OSError, http.client.HTTPException):
            self.wrong.append(Outcome(0, {"error": {"id": "no answer"}}))
            return None
        finally:
            self.longest = max(self.longest, time.monotonic() - began)
        if outcome.status == 200:
            return outcome
        if outcome.status == 503 and "retry-after" in outcome.headers:
            self.unavailable.append(time.monotonic())
        else:
            self.wrong.append(outcome)
        return None


def test_a_failover_costs_nothing_that_was_acknowledged(
    cluster: Cluster, serve: Serve, administer: Callable[[HttpApi], str]
) -> None:
    """REL-03, REL-01: the errors last as long as the outage, and the server recovers by itself."""
    _fail_over_under_load(cluster, serve, administer, clients=30, before=2.0, after=9.0)


def test_a_commit_that_was_told_not_to_wait_for_the_standby_is_not_acknowledged(
    site: tuple[Cluster, ThrowAwayServer, str],
) -> None:
    """REL-01: the server of the database would call it done, with a warning."""
    cluster, server, admin = site
    with closing(HttpApi(server.port)) as api:
        cluster.standby.freeze()
        try:
            with ThreadPoolExecutor(1) as pool:
                body = {"content": {"profileIds": ["default"]}}
                creating = pool.submit(api.call, "security:createUser", body, jwt=admin, _id="ann")
                asyncio.run(_cancel_waiting(cluster.primary))
                assert creating.result().status == 503
        finally:
            cluster.standby.thaw()
        # It is there, and nobody was told that it would stay.
        assert api.call("security:createUser", body, jwt=admin, _id="bob").status == 200


def test_a_standby_that_stands_still_stops_writing_and_nothing_else(
    site: tuple[Cluster, ThrowAwayServer, str],
) -> None:
    """REL-03: every write is answered in time, and connections do not pile up."""
    cluster, server, admin = site
    content = {"content": {"profileIds": ["default"]}}

    def create(number: int) -> tuple[int, float]:
        with closing(HttpApi(server.port)) as api:
            began = time.monotonic()
            outcome = api.call("security:createUser", content, jwt=admin, _id=f"user-{number}")
            return outcome.status, time.monotonic() - began

    with closing(HttpApi(server.port)) as api:
        cluster.standby.freeze()
        try:
            with ThreadPoolExecutor(20) as pool:
                answers = list(pool.map(create, range(20)))
            assert api.call("security:getUser", jwt=admin, _id="root").status == 200
            count = "SELECT count(*) FROM pg_stat_activity WHERE usename LIKE 'ostiary%'"
            assert asyncio.run(cluster.primary.run(count))[0][0] < 40
        finally:
            cluster.standby.thaw()
        assert {status for status, _ in answers} == {503}
        assert max(seconds for _, seconds in answers) < ANSWER + SLACK
        deadline = time.monotonic() + RECOVERY + SLACK
        while create(20)[0] != 200:
            assert time.monotonic() < deadline, "the server has not recovered"


async def _cancel_waiting(primary: ThrowAwayPostgreSQL) -> None:
    """Tell the first commit that waits for the standby to wait no longer."""
    cancel = (
        "SELECT pg_cancel_backend(pid) FROM pg_stat_activity "
        "WHERE wait_event = 'SyncRep' AND usename = 'ostiary_core'"
    )
    async with asyncio.timeout(ANSWER):
        while not await primary.run(cancel):
            await asyncio.sleep(0.01)


@pytest.mark.long
def test_failovers_while_200_clients_work_cost_nothing_that_was_acknowledged(
    cluster: Cluster, serve: Serve, administer: Callable[[HttpApi], str]
) -> None:
    """REL-03, REL-01."""
    _fail_over_under_load(cluster, serve, administer, clients=200, before=20.0, after=40.0)


def _fail_over_under_load(
    cluster: Cluster,
    serve: Serve,
    administer: Callable[[HttpApi], str],
    *,
    clients: int,
    before: float,
    after: float,
) -> None:
    server = serve(workers=2, database=cluster.url, environment=cluster.environment)
    with _working(server, administer, clients) as (working, done):
        time.sleep(before)
        failed = time.monotonic()
        cluster.fail_over()
        back = time.monotonic()
        _await_readiness(server, back + RECOVERY + SLACK)
        time.sleep(after)
        done.set()
    late = [at for one in working for at in one.unavailable if at > back + RECOVERY]
    early = [at for one in working for at in one.unavailable if at < failed]
    assert not early
    assert not late, f"503 until {max(late) - back} s after the standby took over"
    assert [outcome.body for one in working for outcome in one.wrong] == []
    assert max(one.longest for one in working) < ANSWER + SLACK
    assert sum(len(one.unavailable) for one in working), "nobody has noticed"
    _check(server, working)
    _check_rows(cluster, working)


@contextmanager
def _working(
    server: ThrowAwayServer, administer: Callable[[HttpApi], str], count: int
) -> Iterator[tuple[list[Client], Event]]:
    """Let clients work until the event is set."""
    with ExitStack() as stack:

        def connect() -> HttpApi:
            return stack.enter_context(closing(HttpApi(server.port)))

        admin = administer(connect())
        clients = [Client(number, connect(), admin, count / LIVES) for number in range(count)]
        done = Event()
        pool = stack.enter_context(ThreadPoolExecutor(count))
        stack.callback(done.set)
        running = [pool.submit(client.run, done) for client in clients]
        yield clients, done
        for one in running:
            one.result()


def _await_readiness(server: ThrowAwayServer, deadline: float) -> None:
    with closing(HttpApi(server.port)) as api:
        while api.send("GET", "/_ready").status != 200:
            assert time.monotonic() < deadline, "the server has not recovered"
            time.sleep(0.05)


def _check(server: ThrowAwayServer, clients: list[Client]) -> None:
    """Ask the server whether all is as it has said."""
    with closing(HttpApi(server.port)) as api:
        for client in clients:
            for token in client.ended[-10:]:
                assert api.call("auth:getCurrentUser", jwt=token).status == 401
            for token in client.open[1:]:
                assert api.call("auth:getCurrentUser", jwt=token).status == 200


def _check_rows(cluster: Cluster, clients: list[Client]) -> None:
    """Look for all who were made, past the server."""
    found = asyncio.run(cluster.standby.run("SELECT kuid FROM ostiary_core.users", DATABASE))
    known = {kuid for (kuid,) in found}
    made = {name for client in clients for name in client.users}
    assert made
    assert made <= known
