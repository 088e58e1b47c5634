"""Resets, the cache and the end: on servers of their own, for they spare nobody."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ostiary.testing.wire import Api, HttpApi, WebSocketApi, serving

KINDS: dict[str, type[HttpApi | WebSocketApi]] = {"http": HttpApi, "websocket": WebSocketApi}


@pytest.fixture(scope="module")
def own(
    tmp_path_factory: pytest.TempPathFactory, settings: Callable[..., Any], new_site: Any
) -> Iterator[Any]:
    """A server of ``--dev`` that nobody else uses."""
    with new_site(settings(tmp_path_factory.mktemp("own"), dev=True)) as site:
        yield site


@pytest.fixture
def open_api(own: Any, protocol: str) -> Iterator[Api]:
    with closing(own.open(protocol)) as api:
        yield api


def create(api: Api, kuid: str, username: str, **content: Any) -> None:
    body = {
        "content": {"profileIds": ["default"], **content},
        "credentials": {"local": {"username": username, "password": "secret"}},
    }
    made = api.call("security:createUser", body, _id=kuid)
    assert made.status == 200, made.body


def login(api: Api, username: str) -> Any:
    return api.call("auth:login", {"username": username, "password": "secret"}, strategy="local")


def test_a_reset_leaves_nobody_and_names_are_free_again(open_api: Api) -> None:
    open_api.call("admin:resetSecurity")
    create(open_api, "ann", "ann")
    create(open_api, "bob", "bob")
    token = login(open_api, "ann").result["jwt"]
    assert open_api.call("admin:resetSecurity").result == {
        "deletedUsers": 2,
        "deletedProfiles": 0,
        "deletedRoles": 0,
    }
    assert open_api.call("security:getUser", _id="ann").status == 404
    assert open_api.call("auth:getCurrentUser", jwt=token).error_id == "security.token.invalid"
    assert login(open_api, "ann").status == 401
    create(open_api, "carla", "ann")
    assert login(open_api, "ann").result["_id"] == "carla"
    assert open_api.call("admin:resetSecurity").result["deletedUsers"] == 1


def test_a_reset_opens_the_base_roles_again(open_api: Api) -> None:
    open_api.call("admin:resetSecurity")
    fields = {"local": {"username": "root", "password": "secret"}}
    open_api.call("security:createFirstAdmin", {"credentials": fields}, reset=True)
    assert open_api.call("admin:resetSecurity").error_id == "security.rights.unauthorized"
    admin = login(open_api, "root").result["jwt"]
    assert open_api.call("admin:resetSecurity", jwt=admin).result["deletedUsers"] == 1
    rights = open_api.call("auth:getMyRights").result["hits"]
    assert [(row["controller"], row["action"], row["value"]) for row in rights] == [
        ("*", "*", "allowed")
    ]


def test_the_database_of_dev_is_reset(open_api: Api) -> None:
    assert open_api.call("admin:resetDatabase").result == {"acknowledge": True}


@pytest.mark.parametrize("action", ["resetSecurity", "resetDatabase"])
def test_a_server_without_dev_is_never_reset(api: Api, closed: Any, action: str) -> None:
    answer = api.call(f"admin:{action}", jwt=closed.admin.jwt)
    assert (answer.status, answer.error_id) == (403, "ostiary.admin.dev_only")
    assert api.call("security:getUser", _id="root", jwt=closed.admin.jwt).status == 200


def test_resetting_the_cache_ends_every_session(open_api: Api) -> None:
    open_api.call("admin:resetSecurity")
    create(open_api, "ann", "ann")
    create(open_api, "bob", "bob")
    tokens = [login(open_api, name).result["jwt"] for name in ("ann", "bob")]
    for token in tokens:
        assert open_api.call("auth:getCurrentUser", jwt=token).status == 200
    answer = open_api.call("admin:resetCache", jwt=tokens[0], database="internalCache")
    assert answer.result == {"acknowledge": True}
    for token in tokens:
        answer = open_api.call("auth:getCurrentUser", jwt=token)
        assert answer.error_id == "security.token.invalid"
    assert login(open_api, "ann").status == 200


@pytest.mark.parametrize(
    "action, args", [("resetCache", {"database": "internalCache"}), ("resetSecurity", {})]
)
def test_who_is_signed_out_is_subscribed_to_nothing(
    own: Any, action: str, args: dict[str, str]
) -> None:
    own.http.call("admin:resetSecurity")
    create(own.http, "ann", "ann")
    token = login(own.http, "ann").result["jwt"]
    with closing(WebSocketApi(own.port)) as socket:
        where = {"index": "sea", "collection": "seals"}
        assert socket.call("realtime:subscribe", {}, jwt=token, **where).status == 200
        assert own.http.call("server:metrics").result["realtime"]["rooms"] == 1
        assert own.http.call(f"admin:{action}", **args).status == 200
        end = time.monotonic() + 10
        while own.http.call("server:metrics").result["realtime"]["rooms"]:
            assert time.monotonic() < end


def test_what_is_not_kept_here_is_reset_without_harm(open_api: Api) -> None:
    open_api.call("admin:resetSecurity")
    create(open_api, "ann", "ann")
    token = login(open_api, "ann").result["jwt"]
    answer = open_api.call("admin:resetCache", jwt=token, database="memoryStorage")
    assert answer.result == {"acknowledge": True}
    assert open_api.call("admin:refreshIndexCache", jwt=token).result is None
    assert open_api.call("auth:getCurrentUser", jwt=token).status == 200


def test_an_unknown_cache_is_refused(open_api: Api) -> None:
    answer = open_api.call("admin:resetCache", database="teapot")
    assert (answer.status, answer.error_id) == (404, "services.cache.database_not_found")
    assert answer.error["props"] == ["teapot"]


def test_a_shutdown_is_acknowledged_once_and_happens(
    tmp_path: Path, settings: Callable[..., Any], protocol: str
) -> None:
    with serving(settings(tmp_path, dev=True)) as port, closing(HttpApi(port)) as http:
        with closing(KINDS[protocol](port)) as api:
            assert api.call("admin:shutdown").result == {"acknowledge": True}
            again = http.call("admin:shutdown")
            assert (again.status, again.error_id) == (412, "api.process.action_locked")
            assert again.error["props"] == ["shutdown"]
        end = time.monotonic() + 10
        while _answers(port):
            assert time.monotonic() < end


def _answers(port: int) -> bool:
    try:
        with closing(HttpApi(port)) as http:
            return http.send("GET", "/_healthcheck").status == 200
    except OSError:
        return False
