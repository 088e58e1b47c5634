"""The controller ``server``: what it tells, in shapes that clients of Kuzzle read, and what is true."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from ostiary import __version__
from ostiary.testing.wire import Api, HttpApi, WebSocketApi

MINUTE, HOUR = 60_000, 3_600_000


@pytest.fixture
def ask(api: Api, closed: Any) -> Any:
    """Ask the server as its administrator."""
    return lambda action, **args: api.call(f"server:{action}", jwt=closed.admin.jwt, **args)


@pytest.fixture
def sockets(closed: Any) -> Iterator[list[WebSocketApi]]:
    opened = [WebSocketApi(closed.port) for _ in range(3)]
    yield opened
    for socket in opened:
        socket.close()


def test_now_is_the_time(ask: Any) -> None:
    before = time.time_ns() // 1_000_000
    assert before <= ask("now").result["now"] <= time.time_ns() // 1_000_000


def test_an_administrator_exists_once_there_is_one(ask: Any) -> None:
    assert ask("adminExists").result == {"exists": True}


def test_info_has_the_shape_that_clients_read(ask: Any) -> None:
    info = ask("info").result["serverInfo"]
    assert info.keys() == {"kuzzle", "services"}
    kuzzle = info["kuzzle"]
    assert kuzzle["api"]["routes"]["auth"]["login"]["http"][0]["verb"] == "GET"
    assert kuzzle["application"] == {"name": "ostiary", "version": __version__}
    assert kuzzle["version"].partition(".")[0] == "2"
    assert kuzzle["plugins"]["local"]["strategies"] == ["local"]
    assert kuzzle["uptime"].endswith("s")
    assert kuzzle.keys() >= {"memoryUsed", "nodeVersion", "system"}
    assert info["services"].keys() == {
        "internalCache",
        "internalStorage",
        "memoryStorage",
        "publicStorage",
    }


def test_info_stands_at_the_root_and_tells_strangers_nothing(http: HttpApi, closed: Any) -> None:
    """HTTP-12: versions are for those who hold the right."""
    for url in ("/", "/_serverInfo"):
        known = http.send("GET", url, jwt=closed.admin.jwt)
        assert (known.body["controller"], known.body["action"]) == ("server", "info")
        refused = http.send("GET", url)
        assert refused.status == 401
        assert __version__ not in json.dumps([refused.body, dict(refused.headers)])


def test_capabilities_name_routes_limits_plugins_and_services(ask: Any) -> None:
    result = ask("capabilities").result
    assert result.keys() == {"version", "routes", "limits", "plugins", "services"}
    assert result["limits"]["loginsPerSecond"] == 10_000
    assert result["plugins"]["local"]["version"]
    assert all(one.keys() == {"backend", "version"} for one in result["services"].values())


def test_the_configuration_holds_no_secret(ask: Any, closed: Any) -> None:
    """CFG-04, LEAK-05: nothing of ``security`` is shown."""
    result = ask("getConfig").result
    assert "security" not in result
    assert result["server"]["maxRequestSize"] == 2**20
    assert closed.settings.security.setup_secret not in json.dumps(result)


def test_health_names_each_service(ask: Any) -> None:
    services = dict.fromkeys(("internalCache", "memoryStorage", "storageEngine"), "green")
    assert ask("healthCheck").result == {"status": "green", "services": services}


@pytest.mark.parametrize(
    "asked, found",
    [
        ("storageEngine", {"storageEngine"}),
        ("storageEngine,internalCache", {"storageEngine", "internalCache"}),
        ("teapot", set()),
    ],
)
def test_health_is_asked_of_some_services(ask: Any, asked: str, found: set[str]) -> None:
    result = ask("healthCheck", services=asked).result
    assert result == {"status": "green", "services": dict.fromkeys(found, "green")}


def test_liveness_is_no_action_and_needs_no_right(http: HttpApi) -> None:
    alive = http.send("GET", "/_healthcheck")
    assert (alive.status, alive.body["controller"], alive.body["result"]) == (200, None, None)
    assert http.send("GET", "/_healthCheck").status == 401


def test_metrics_count_what_goes_on(ask: Any, sockets: list[WebSocketApi]) -> None:
    result = ask("metrics").result
    assert result["api"]["concurrentRequests"] >= 1
    assert result["api"]["pendingRequests"] >= 0
    connections = result["network"]["connections"]
    assert connections["websocket"] >= len(sockets)
    assert connections["http"] >= 1
    assert result["realtime"].keys() == {"rooms", "subscriptions"}


def test_metrics_count_rooms_and_who_is_in_them(closed: Any) -> None:
    def count() -> dict[str, int]:
        found = closed.http.call("server:metrics", jwt=closed.admin.jwt).result
        realtime: dict[str, int] = found["realtime"]
        return realtime

    before = count()
    with closing(WebSocketApi(closed.port)) as one, closing(WebSocketApi(closed.port)) as other:
        for socket in (one, other):
            where = {"index": "sea", "collection": "seals", "jwt": closed.admin.jwt}
            assert socket.call("realtime:subscribe", {}, **where).status == 200
        now = count()
    assert now["rooms"] == before["rooms"] + 1
    assert now["subscriptions"] == before["subscriptions"] + 2


def test_metrics_lose_a_connection_that_is_closed(closed: Any) -> None:
    def count() -> int:
        found = closed.http.call("server:metrics", jwt=closed.admin.jwt).result
        number: int = found["network"]["connections"]["websocket"]
        return number

    before = count()
    with closing(WebSocketApi(closed.port)):
        assert count() == before + 1
    end = time.monotonic() + 5
    while count() != before:
        assert time.monotonic() < end


@pytest.mark.parametrize("format", ["json", "yaml"])
@pytest.mark.parametrize("scope", ["kuzzle", "app"])
def test_the_document_is_raw_over_http(http: HttpApi, format: str, scope: str) -> None:
    answer = http.send("GET", f"/_openapi?format={format}&scope={scope}")
    assert answer.status == 200
    assert answer.headers["content-type"] == f"application/{format}"
    assert answer.body["openapi"].startswith("3.1")
    assert ("/_me" in answer.body["paths"]) == (scope == "kuzzle")


def test_the_document_has_an_envelope_over_websocket(closed: Any) -> None:
    with closing(WebSocketApi(closed.port)) as socket:
        answer = socket.call("server:openapi", format="json")
    assert answer.result["openapi"].startswith("3.1")
    assert answer.body["headers"] == {"content-type": "application/json"}


@pytest.mark.parametrize("args", [{"format": "xml"}, {"scope": "everything"}])
def test_another_form_or_scope_of_the_document_is_refused(api: Api, args: dict[str, str]) -> None:
    answer = api.call("server:openapi", **args)
    assert (answer.status, answer.error_id) == (400, "api.assert.unexpected_argument")
    assert answer.error["props"][0] == next(iter(args.values()))


def test_the_history_begins_with_whole_steps(ask: Any) -> None:
    now = time.time_ns() // 1_000_000
    result = ask("getHistory", until=now, since=now - 3 * HOUR, step="1h").result
    assert result.keys() == {"since", "until", "step", "bounds", "steps"}
    assert (result["until"], result["step"]) == (now, HOUR)
    assert result["since"] == (now - 3 * HOUR) // HOUR * HOUR
    assert result["bounds"] == sorted(result["bounds"])


def test_the_history_is_that_of_the_last_hour_unless_another_is_asked_for(ask: Any) -> None:
    before = time.time_ns() // 1_000_000
    result = ask("getHistory").result
    assert before <= result["until"] <= time.time_ns() // 1_000_000
    assert result["since"] == (result["until"] - HOUR) // MINUTE * MINUTE
    assert result["step"] == MINUTE


@pytest.mark.parametrize(
    "args, name",
    [
        ({"step": "30s"}, "step"),
        ({"step": 90_000}, "step"),
        ({"step": -1}, "step"),
        ({"since": 2 * HOUR, "until": HOUR}, "since"),
        ({"since": 0, "until": 1501 * MINUTE}, "since"),
        ({"since": 0, "until": 2**53 - 1, "step": "7d"}, "since"),
    ],
)
def test_a_history_has_an_end(ask: Any, args: dict[str, Any], name: str) -> None:
    answer = ask("getHistory", **args)
    assert (answer.status, answer.error_id) == (400, "api.assert.invalid_argument")
    assert answer.error["props"][0] == name


def test_the_history_is_for_administrators(api: Api, closed: Any) -> None:
    assert api.call("server:getHistory").status == 401
    assert api.call("server:getHistory", jwt=closed.person("member").jwt).status == 403
