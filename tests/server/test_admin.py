"""Stopping and resetting real servers of several processes."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from threading import Barrier
from typing import TYPE_CHECKING

import pytest

from ostiary.testing.server import ThrowAwayServer
from ostiary.testing.wire import Api, HttpApi, Outcome, WebSocketApi

if TYPE_CHECKING:
    from .conftest import Serve

PATIENCE = 20
AT_ONCE = 12
PASSWORD = "a password long enough"


def exit_status(server: ThrowAwayServer) -> int:
    """Wait until a server has ended by itself."""
    status: int = server._running().wait(PATIENCE)
    return status


def create(api: Api, kuid: str) -> None:
    credentials = {"local": {"username": kuid, "password": PASSWORD}}
    body = {"content": {"profileIds": ["default"]}, "credentials": credentials}
    assert api.call("security:createUser", body, _id=kuid).status == 200


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("kind", [HttpApi, WebSocketApi])
def test_a_shutdown_stops_every_process_as_a_signal_would(
    serve: Serve, workers: int, kind: Callable[[int], Api]
) -> None:
    server = serve(dev=True, workers=workers)
    with closing(HttpApi(server.port)) as other, closing(kind(server.port)) as api:
        create(api, "ann")
        assert api.call("admin:shutdown").result == {"acknowledge": True}
        again = other.call("admin:shutdown")
        assert (again.status, again.error_id) == (412, "api.process.action_locked")
    assert exit_status(server) == 0
    assert "Traceback" not in server.log
    server.restart()
    with closing(HttpApi(server.port)) as api:
        assert api.call("security:getUser", _id="ann").status == 200
        # What the server before has locked is free again.
        assert api.call("admin:shutdown").status == 200
    assert exit_status(server) == 0


def test_resets_on_two_workers_at_once_exclude_each_other(serve: Serve) -> None:
    server = serve(dev=True, workers=2)
    with closing(HttpApi(server.port)) as api:
        for number in range(3):
            create(api, f"user{number}")
    start = Barrier(AT_ONCE)

    def reset(_: int) -> Outcome:
        with closing(HttpApi(server.port)) as api:
            start.wait(PATIENCE)
            return api.call("admin:resetSecurity")

    with ThreadPoolExecutor(AT_ONCE) as threads:
        outcomes = list(threads.map(reset, range(AT_ONCE)))
    done = [outcome for outcome in outcomes if outcome.status == 200]
    refused = [outcome.error_id for outcome in outcomes if outcome.status != 200]
    assert done
    assert set(refused) <= {"api.process.action_locked"}
    assert sum(outcome.result["deletedUsers"] for outcome in done) == 3
    with closing(HttpApi(server.port)) as api:
        create(api, "user0")
        assert api.call("admin:resetSecurity").result["deletedUsers"] == 1


def test_a_reset_of_the_cache_reaches_every_worker(serve: Serve) -> None:
    server = serve(dev=True, workers=2)
    apis = [HttpApi(server.port) for _ in range(6)]
    create(apis[0], "ann")
    fields = {"username": "ann", "password": PASSWORD}
    token = apis[0].call("auth:login", fields, strategy="local").result["jwt"]
    assert {api.call("auth:getCurrentUser", jwt=token).status for api in apis} == {200}
    assert apis[0].call("admin:resetCache", database="internalCache").status == 200
    assert {api.call("auth:getCurrentUser", jwt=token).status for api in apis} == {401}
    for api in apis:
        api.close()


def test_a_server_without_dev_is_never_reset(
    serve: Serve, administer: Callable[[HttpApi], str]
) -> None:
    server = serve()
    with closing(HttpApi(server.port)) as api:
        admin = administer(api)
        for action in ("resetSecurity", "resetDatabase"):
            answer = api.call(f"admin:{action}", jwt=admin)
            assert (answer.status, answer.error_id) == (403, "ostiary.admin.dev_only")
