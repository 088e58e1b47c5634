"""How long a token that was logged out is still accepted elsewhere, and what a check asks the database.

Two servers on one PostgreSQL that is thrown away, then two workers on one SQLite file.

    python bench/revocations.py [--logouts 1000] [--silences 5] [--keep]
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import secrets
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from driving import CONNECTIONS, made_ready, missing, percentile, posting, sign_up, wrk
from goals import Figure, at_most, keeping, report

from ostiary.testing.cable import Cable
from ostiary.testing.postgresql import ThrowAwayPostgreSQL, started
from ostiary.testing.server import ThrowAwayServer

T = TypeVar("T")

SETTINGS = """
[security.standard.profiles]
default = {rateLimit = 0}
anonymous = {rateLimit = 0}
"""
COUNTING = {"shared_preload_libraries": "pg_stat_statements"}
CHECKS = 2000
IDLE_SECONDS = 3.0
WRK_SECONDS = 3
BOUND_MS, WANTED_MS = 1000.0, 5.0
LISTENING = 1.5
"""Seconds after which a server surely listens again."""


class Caller:
    """One kept connection to a server."""

    def __init__(self, url: str) -> None:
        self._connection = http.client.HTTPConnection(url.removeprefix("http://"))
        self.node = ""

    def post(self, path: str, body: Any, token: str | None = None) -> Any:
        """Post JSON and return the result."""
        head = {"Content-Type": "application/json"}
        if token is not None:
            head["Authorization"] = f"Bearer {token}"
        self._connection.request("POST", path, json.dumps(body).encode(), head)
        answer = json.loads(self._connection.getresponse().read())
        if answer["error"] is not None:
            sys.exit(str(answer["error"]))
        self.node = answer["node"]
        return answer["result"]

    def valid(self, token: str) -> bool:
        """Tell whether a token is accepted."""
        return bool(self.post("/_checkToken", {"token": token})["valid"])


@dataclass(frozen=True)
class Nodes:
    """Where it is logged out, where it is asked, and where notifications can be lost."""

    database: ThrowAwayPostgreSQL
    name: str
    cable: Cable
    here: ThrowAwayServer
    told: ThrowAwayServer
    strict: ThrowAwayServer


def main() -> None:
    """Measure both databases."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--logouts", type=int, default=1000)
    parser.add_argument("--silences", type=int, default=5)
    keeping(parser)
    options = parser.parse_args()
    figures: list[Figure] = []
    with on_postgresql() as nodes:
        session = sign_up(nodes.here.url)
        figures += after_logouts(nodes, session, options.logouts)
        figures += when_silent(nodes, session, options.silences)
        figures += statements_of_checks(nodes, session)
    figures += on_sqlite(options.logouts)
    report(figures, keep=options.keep)


def after_logouts(nodes: Nodes, session: str, logouts: int) -> Iterator[Figure]:
    """Log out on one server, and ask the others until they refuse."""
    here, told, strict = (Caller(one.url) for one in (nodes.here, nodes.told, nodes.strict))
    times = sorted(stale_ms(here, told, session) for _ in range(logouts))
    show("another server, told", times)
    yield at_most(
        "G8", "another server after a logout, p99", percentile(times, 99), WANTED_MS, "ms"
    )
    yield at_most("REL-04", "another server after a logout, at most", times[-1], BOUND_MS, "ms")
    accepted = sum(stale_ms(here, strict, session) > 0 for _ in range(logouts))
    yield at_most("REL-04", "accepted by a strict server", accepted, 0, "tokens")


def when_silent(nodes: Nodes, session: str, silences: int) -> Iterator[Figure]:
    """Log out while what tells of it gets lost without a word."""
    here, told = Caller(nodes.here.url), Caller(nodes.told.url)
    times = []
    for _ in range(silences):
        time.sleep(LISTENING)
        times.append(stale_ms(here, told, session, before=nodes.cable.silence))
        nodes.cable.mend()
    show("another server, not told", sorted(times))
    yield at_most("REL-04", "notification lost, at most", max(times), BOUND_MS, "ms")
    time.sleep(LISTENING)


def statements_of_checks(nodes: Nodes, session: str) -> Iterator[Figure]:
    """Count what checks of one token read from the database, beyond what an idle server reads."""
    script = posting({"token": session}, '"valid":true')
    for name, server in (("told", nodes.told), ("strict", nodes.strict)):
        caller, url = Caller(server.url), f"{server.url}/_checkToken"
        check(caller, session)
        idle = reads(nodes, partial(time.sleep, IDLE_SECONDS))[0]
        by_one, _ = reads(nodes, partial(check, caller, session))
        by_many, measured = reads(nodes, partial(wrk, url, script, WRK_SECONDS))
        one, many = beyond(by_one, idle), beyond(by_many, idle)
        checks = measured.rate * WRK_SECONDS
        print(
            f"{name}: reads for a check {one / CHECKS:.3f}, one after the other; {many / checks:.3f}, "
            f"of {CONNECTIONS} clients, {measured.rate:,.0f} checks a second"
        )
        if server is nodes.told:
            asked = (one + many) / (CHECKS + checks)
            yield at_most("G8", "reads of the database per warm check", asked, 0, "")


def check(caller: Caller, session: str) -> None:
    """Check a token again and again."""
    for _ in range(CHECKS):
        assert caller.valid(session)


def on_sqlite(logouts: int) -> Iterator[Figure]:
    """Log out on one worker, and ask the other."""
    with ThrowAwayServer(dev=True, workers=2, settings=SETTINGS) as server:
        session = sign_up(server.url)
        here, there = two_workers(server)
        times = sorted(stale_ms(here, there, session) for _ in range(logouts))
    show("another worker, SQLite", times)
    yield at_most(
        "G8", "another worker after a logout, p99", percentile(times, 99), WANTED_MS, "ms"
    )
    accepted = sum(one > 0 for one in times)
    yield at_most("REL-04", "accepted by another worker", accepted, 0, "tokens")


def stale_ms(here: Caller, there: Caller, session: str, before: Any = None) -> float:
    """Log a new token out, and return how long after the answer it was last accepted elsewhere.

    0 is not at all.
    """
    token = here.post("/_createToken", {}, session)["token"]
    while not there.valid(token):
        pass
    if before is not None:
        before()
    here.post("/_logout", {}, token)
    out = time.perf_counter()
    last = 0.0
    while True:
        asked = time.perf_counter()
        if not there.valid(token):
            return last * 1000
        last = asked - out


def reads(nodes: Nodes, work: Callable[[], T]) -> tuple[Mapping[str, int], T]:
    """Return how often each query was run by the servers' logins while some work was done."""
    run = nodes.database.run
    asyncio.run(run("SELECT pg_stat_statements_reset()", nodes.name))
    done = work()
    seen = asyncio.run(
        run(
            "SELECT query, calls FROM pg_stat_statements JOIN pg_roles ON userid = pg_roles.oid"
            " WHERE rolname LIKE 'ostiary%' AND query ILIKE 'SELECT%'",
            nodes.name,
        )
    )
    return {str(query): int(count) for query, count in seen}, done


def beyond(asked: Mapping[str, int], idle: Mapping[str, int]) -> int:
    """Count the queries that an idle server does not run."""
    return sum(count for query, count in asked.items() if query not in idle)


def two_workers(server: ThrowAwayServer) -> tuple[Caller, Caller]:
    """Return a connection to each worker."""
    first = Caller(server.url)
    first.post("/_checkToken", {})
    while True:
        other = Caller(server.url)
        other.post("/_checkToken", {})
        if other.node != first.node:
            return first, other


@contextmanager
def on_postgresql() -> Iterator[Nodes]:
    """Start three servers on one database: one is told over a cable, one asks."""
    with ExitStack() as stack:
        database = stack.enter_context(started(missing, COUNTING))
        name = asyncio.run(database.create_database())
        cable = stack.enter_context(Cable(database.port))
        asyncio.run(database.run("CREATE EXTENSION pg_stat_statements", name))
        environment = made_ready(database, name, secrets.token_hex(32))
        through = f"postgresql://127.0.0.1:{cable.port}/{name}"
        servers = []
        for more in (
            {},
            {"OSTIARY_DATABASE__LISTEN_URL": through},
            {"OSTIARY_DATABASE__REVOCATION": "strict"},
        ):
            server = ThrowAwayServer(
                dev=True, settings=SETTINGS, environment={**environment, **more}
            )
            servers.append(stack.enter_context(server))
        yield Nodes(database, name, cable, *servers)


def show(what: str, times: Sequence[float]) -> None:
    """Print how long tokens were accepted."""
    middle, slow = statistics.median(times), percentile(times, 99)
    print(f"{what:26} median {middle:.2f} ms, p99 {slow:.2f} ms, at most {times[-1]:.2f} ms")


if __name__ == "__main__":
    main()
