"""Failed logins are counted together by all workers, on either database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from threading import Barrier
from time import monotonic, sleep
from typing import TYPE_CHECKING

import pytest

from ostiary.testing.server import ThrowAwayServer
from ostiary.testing.wire import HttpApi, Outcome

if TYPE_CHECKING:
    from .conftest import Database, Serve

FREE, GUESSES = 10, 50
PATIENCE = 60
BEHIND_PROXY = """
[server]
trustedProxies = ["127.0.0.1"]

[security.hashing]
timeCost = 5
memoryCost = 7168
queue = 1000
nice = 0

[security.standard.profiles]
default = {rateLimit = 0}
anonymous = {rateLimit = 0}
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def server(request: pytest.FixtureRequest, serve: Serve) -> ThrowAwayServer:
    """Two workers that share their stores."""
    if request.param == "sqlite":
        return serve(workers=2, settings=BEHIND_PROXY)
    ready: Database = request.getfixturevalue("ready")
    return serve(
        workers=2, database=ready.url, environment=ready.environment, settings=BEHIND_PROXY
    )


@pytest.fixture
def connections(server: ThrowAwayServer) -> Iterator[list[HttpApi]]:
    """A connection for each guess, half of them to each worker, which is known by its node."""
    found: dict[str, list[HttpApi]] = {}
    end = monotonic() + PATIENCE
    with ExitStack() as stack:
        while sum(map(len, found.values())) < GUESSES:
            assert monotonic() < end, f"only {len(found)} processes answer"
            api = stack.enter_context(closing(HttpApi(server.port)))
            mine = found.setdefault(api.call("auth:checkToken").body["node"], [])
            if len(mine) < GUESSES // 2:
                mine.append(api)
            else:
                # The one that is met all the time leaves the other no time to start.
                api.close()
                sleep(0.01)
        assert len(found) == 2
        yield [api for pair in zip(*found.values(), strict=True) for api in pair]


def sign_in(api: HttpApi, password: str, address: str, cookie: str = "") -> Outcome:
    fields = {"username": "root", "password": password}
    headers = {"X-Forwarded-For": address, "Cookie": cookie}
    return api.send("POST", "/_login/local", fields, headers)


def test_parallel_guesses_get_no_further_than_the_limit_and_the_owner_gets_in(
    connections: list[HttpApi], administer: Callable[[HttpApi], str]
) -> None:
    """AUTH-20, AUTH-21, AUTH-22, AUTH-23, AUTH-26"""
    administer(connections[0])
    admin = {"username": "root", "password": "the password of an administrator"}
    first = connections[0].send("POST", "/_login/local", admin, {"X-Forwarded-For": "192.0.2.1"})
    cookie = first.headers["set-cookie"].partition(";")[0]
    with ThreadPoolExecutor(GUESSES) as threads:
        # Who knows the password may use it many times at once, and is not taken for a guesser.
        right = threads.map(lambda api: sign_in(api, admin["password"], "192.0.2.1"), connections)
        assert {outcome.status for outcome in right} == {200}
    start = Barrier(GUESSES)

    def guess(number: int) -> str:
        start.wait(PATIENCE)
        return sign_in(connections[number], "wrong", f"198.51.100.{number}").error_id

    with ThreadPoolExecutor(GUESSES) as threads:
        ids = list(threads.map(guess, range(GUESSES)))
    refused, answered = "api.process.too_many_logins_requests", "plugin.strategy.missing_user"
    # Each second that the fifty take lets one more through, and no more.
    assert FREE <= ids.count(answered) <= FREE + 4
    assert set(ids) == {refused, answered}
    for api in connections[:4]:
        known = sign_in(api, admin["password"], "192.0.2.99", cookie)
        assert known.result["_id"] == "root"
        known = sign_in(api, admin["password"], "192.0.2.1")
        assert known.result["_id"] == "root"
