"""Subscriptions: what clients of Kuzzle expect of them, although nothing is published."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from ostiary.services.rooms import MOST_ROOMS
from ostiary.testing.wire import Api, HttpApi, Outcome, WebSocketApi

ROOM = {"index": "i", "collection": "c"}


@pytest.fixture
def socket(closed: Any) -> Iterator[WebSocketApi]:
    with closing(WebSocketApi(closed.port)) as api:
        yield api


def call(api: Api, name: str, body: Any, site: Any, **args: Any) -> Outcome:
    return api.call(f"realtime:{name}", body, jwt=site.admin.jwt, **args)


def counted(site: Any, room_id: str) -> int:
    outcome = call(site.http, "count", {"roomId": room_id}, site)
    if outcome.status == 404:
        assert outcome.error_id == "core.realtime.room_not_found"
        return 0
    assert outcome.result["roomId"] == room_id
    return int(outcome.result["count"])


def test_the_same_subject_is_the_same_room_for_everybody(socket: WebSocketApi, closed: Any) -> None:
    filters = ({"a": {"b": 1}, "c": 2}, {"c": 2, "a": {"b": 1}})
    with closing(WebSocketApi(closed.port)) as other:
        first = call(socket, "subscribe", filters[0], closed, **ROOM).result
        second = call(other, "subscribe", filters[1], closed, **ROOM).result
        assert first == second
        assert first["channel"].startswith(first["roomId"] + "-")
        assert counted(closed, first["roomId"]) == 2


def test_another_subject_is_another_room_and_another_scope_another_channel(
    socket: WebSocketApi, closed: Any
) -> None:
    given: list[dict[str, Any]] = [
        ROOM,
        {**ROOM, "index": "j"},
        {**ROOM, "collection": "d"},
        {**ROOM, "scope": "in"},
        {**ROOM, "users": "all"},
    ]
    joined = [call(socket, "subscribe", {}, closed, **args).result for args in given]
    joined.append(call(socket, "subscribe", {"a": 1}, closed, **ROOM).result)
    rooms = [one["roomId"] for one in joined]
    assert len({one["channel"] for one in joined}) == 6
    assert rooms[0] == rooms[3] == rooms[4]
    assert len(set(rooms)) == 4
    assert counted(closed, rooms[0]) == 1


def test_who_leaves_a_room_is_no_longer_in_it(socket: WebSocketApi, closed: Any) -> None:
    room = {"roomId": call(socket, "subscribe", {}, closed, **ROOM).result["roomId"]}
    assert call(socket, "unsubscribe", room, closed).result == room
    again = call(socket, "unsubscribe", room, closed)
    assert (again.status, again.error_id) == (412, "core.realtime.not_subscribed")
    assert again.error["props"] == ["root", room["roomId"]]
    assert counted(closed, room["roomId"]) == 0


def test_a_closed_socket_is_in_no_room(closed: Any) -> None:
    with closing(WebSocketApi(closed.port)) as socket:
        room_id = call(socket, "subscribe", {}, closed, **ROOM).result["roomId"]
        assert counted(closed, room_id) == 1
    for _ in range(100):
        if counted(closed, room_id) == 0:
            return
    pytest.fail("the room outlives its only member")


def test_a_logout_ends_the_subscriptions_of_its_sockets(closed: Any, socket: WebSocketApi) -> None:
    jwt = closed.login("root").jwt
    joined = socket.call("realtime:subscribe", {}, jwt=jwt, **ROOM).result
    assert closed.http.call("auth:logout", jwt=jwt).status == 200
    assert counted(closed, joined["roomId"]) == 0


def test_nobody_subscribes_over_http(http: HttpApi, closed: Any) -> None:
    refused = call(http, "subscribe", {}, closed, **ROOM)
    assert (refused.status, refused.error_id) == (400, "api.assert.unsupported_protocol")
    assert refused.error["props"] == ["http", "realtime:subscribe"]
    left = call(http, "unsubscribe", {"roomId": "r"}, closed)
    assert left.error_id == "core.realtime.not_subscribed"


@pytest.mark.parametrize("value", ["", "ALL", "both"])
def test_scope_and_users_are_words_of_a_list(socket: WebSocketApi, closed: Any, value: str) -> None:
    for name in ("scope", "users"):
        refused = call(socket, "subscribe", {}, closed, **ROOM, **{name: value})
        assert (refused.status, refused.error_id) == (400, f"core.realtime.invalid_{name}")
        odd = call(socket, "subscribe", {}, closed, **ROOM, **{name: [value]})
        assert odd.error_id == "api.assert.invalid_type"


@pytest.mark.parametrize("missing", ["index", "collection", "body"])
def test_a_subscription_names_its_subject(socket: WebSocketApi, closed: Any, missing: str) -> None:
    args = {name: value for name, value in ROOM.items() if name != missing}
    refused = call(socket, "subscribe", None if missing == "body" else {}, closed, **args)
    body_missing = "api.assert.body_required"
    wanted = body_missing if missing == "body" else "api.assert.missing_argument"
    assert (refused.status, refused.error_id) == (400, wanted)


@pytest.mark.parametrize("name", ["count", "unsubscribe"])
def test_a_room_has_to_be_named(api: Api, closed: Any, name: str) -> None:
    assert call(api, name, {}, closed).error_id == "api.assert.missing_argument"
    assert call(api, name, {"roomId": 1}, closed).error_id == "api.assert.invalid_type"
    assert call(api, name, None, closed).error_id == "api.assert.body_required"


def test_a_socket_is_in_so_many_rooms_and_no_more(socket: WebSocketApi, closed: Any) -> None:
    """WS-07: what one socket can make the server remember is bounded."""
    first = call(socket, "subscribe", {"n": 0}, closed, **ROOM).result
    for number in range(1, MOST_ROOMS):
        assert call(socket, "subscribe", {"n": number}, closed, **ROOM).status == 200
    refused = call(socket, "subscribe", {"n": -1}, closed, **ROOM)
    assert (refused.status, refused.error_id) == (412, "ostiary.realtime.too_many_rooms")
    assert call(socket, "subscribe", {"n": 0}, closed, **ROOM).result == first
    room = {"roomId": first["roomId"]}
    assert call(socket, "unsubscribe", room, closed).status == 200
    assert call(socket, "subscribe", {"n": -1}, closed, **ROOM).status == 200


def test_who_has_no_right_to_realtime_learns_nothing_of_it(api: Api, plain: Any) -> None:
    for name in ("subscribe", "count", "unsubscribe"):
        assert api.call(f"realtime:{name}", {}, jwt=plain.jwt, **ROOM).status == 403
        assert api.call(f"realtime:{name}", {}, **ROOM).status == 401


def test_nothing_is_published(socket: WebSocketApi, closed: Any) -> None:
    call(socket, "subscribe", {}, closed, index="security", collection="users", users="all")
    closed.person("member")
    assert socket.frame('{"p":1}') == {"p": 2}
