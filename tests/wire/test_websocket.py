"""Frames of a WebSocket: which are requests, which are not, and whose each one is."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from ostiary.testing.wire import MEMBERS, PATIENCE, WebSocketApi

ME = {"controller": "auth", "action": "getCurrentUser"}


@pytest.fixture
def socket(closed: Any) -> Iterator[WebSocketApi]:
    with closing(WebSocketApi(closed.port)) as api:
        yield api


def test_a_ping_of_a_browser_is_answered(socket: WebSocketApi) -> None:
    assert socket.frame('{"p":1}') == {"p": 2}
    assert socket.frame(' { "p" : 1 } ') == {"p": 2}


@pytest.mark.parametrize("frame", ['{"p":2}', '{"p":true}', '{"p":1,"q":1}', '{"p":"1"}'])
def test_only_the_exact_ping_is_a_ping(socket: WebSocketApi, frame: str) -> None:
    answer = socket.frame(frame)
    assert answer["error"]["id"] == "api.assert.missing_argument"
    assert answer["error"]["props"] == ["controller"]


def test_a_ping_of_the_protocol_is_answered(socket: WebSocketApi) -> None:
    assert socket.socket.ping().wait(PATIENCE)


@pytest.mark.parametrize("frame", ["", "null", " null "])
def test_nothing_is_answered_with_nothing(socket: WebSocketApi, frame: str) -> None:
    socket.socket.send(frame)
    assert socket.frame('{"p":1}') == {"p": 2}


@pytest.mark.parametrize("frame", ["{", "hello", '{"a":}', '{"a": NaN}', "\ufeff{}", "[1"])
def test_what_is_no_json_is_answered_without_a_room(socket: WebSocketApi, frame: str) -> None:
    answer = socket.frame(frame)
    assert answer.keys() == MEMBERS
    assert (answer["status"], answer["error"]["id"]) == (400, "network.websocket.unexpected_error")
    assert (answer["controller"], answer["action"], answer["result"]) == (None, None, None)
    assert str(uuid.UUID(answer["requestId"])) == answer["requestId"]


@pytest.mark.parametrize("frame", ["[]", "12", '"x"', "true", "[[]]"])
def test_what_is_no_object_is_the_clients_fault(socket: WebSocketApi, frame: str) -> None:
    answer = socket.frame(frame)
    assert answer.keys() == MEMBERS
    assert (answer["status"], answer["error"]["id"]) == (400, "api.assert.invalid_type")


@pytest.mark.parametrize("member", ["controller", "action", "jwt", "volatile", "body"])
@pytest.mark.parametrize("value", [12, True, "x"])
def test_an_ill_typed_member_is_answered_without_a_room(
    socket: WebSocketApi, member: str, value: Any
) -> None:
    if isinstance(value, str) and member in ("controller", "action", "jwt"):
        value = ["x"]
    answer = socket.frame(json.dumps({**ME, "requestId": "r", member: value}))
    assert answer.keys() == MEMBERS
    assert (answer["status"], answer["requestId"]) == (400, "r")
    assert answer["error"]["id"] == "api.assert.invalid_type"


@pytest.mark.parametrize("id", [12, True, [], {}])
def test_a_request_id_is_a_text(socket: WebSocketApi, id: Any) -> None:
    answer = socket.frame(json.dumps({**ME, "requestId": id}))
    assert (answer["status"], answer["error"]["props"]) == (400, ["requestId", "string"])
    assert answer.keys() == MEMBERS


@pytest.mark.parametrize("id", ["", "0", "é" * 1000, 'a"b\n'])
def test_any_text_comes_back_as_request_id_and_room(socket: WebSocketApi, id: str) -> None:
    answer = socket.frame(json.dumps({**ME, "requestId": id}))
    assert (answer["requestId"], answer["room"]) == (id, id)


def test_a_request_without_id_gets_one(socket: WebSocketApi) -> None:
    answer = socket.frame(json.dumps(ME))
    assert str(uuid.UUID(answer["room"])) == answer["room"] == answer["requestId"]


def test_an_empty_token_is_wrong_and_null_is_anonymous(socket: WebSocketApi) -> None:
    """TOK-28: a token that is there and wrong never means anonymous."""
    assert socket.frame(json.dumps({**ME, "jwt": ""}))["status"] == 401
    assert socket.frame(json.dumps({**ME, "jwt": None}))["result"]["_id"] == "-1"


def test_nulls_of_the_sdk_are_no_values(socket: WebSocketApi, closed: Any) -> None:
    body = {"content": {"profileIds": ["default"]}}
    made = socket.call("security:createUser", body, jwt=closed.admin.jwt, _id=None, force=None)
    assert made.result["_id"].startswith("kuid-")


def test_volatile_index_and_collection_are_echoed(socket: WebSocketApi) -> None:
    message = {**ME, "volatile": {"a": {"b": 1}}, "index": "i", "collection": "c"}
    answer = socket.frame(json.dumps(message))
    assert answer["volatile"] == {"a": {"b": 1}}
    assert (answer["index"], answer["collection"]) == ("i", "c")


def test_each_message_has_an_identity_of_its_own(
    socket: WebSocketApi, member: Any, closed: Any
) -> None:
    """WS-08: a socket is nobody; HTTP-14, HTTP-15: identities never mix."""
    for jwt, kuid in ((member.jwt, member.kuid), (None, "-1"), (closed.admin.jwt, "root")) * 3:
        assert socket.call("auth:getCurrentUser", jwt=jwt).result["_id"] == kuid


def test_answers_find_their_requests_in_any_order(socket: WebSocketApi, member: Any) -> None:
    """WS-09: a slow request does not hold the quick ones, and answers are told apart."""
    wrong = {"username": member.username, "password": "wrong"}
    login = {"controller": "auth", "action": "login", "strategy": "local", "body": wrong}
    wanted = {}
    for number in range(60):
        message = {**(login if number % 10 == 0 else ME), "requestId": f"r{number}"}
        wanted[f"r{number}"] = 401 if number % 10 == 0 else 200
        socket.socket.send(json.dumps(message))
    answers = [json.loads(socket.socket.recv(PATIENCE)) for _ in wanted]
    assert {answer["room"]: answer["status"] for answer in answers} == wanted


def test_one_socket_closing_leaves_the_others(socket: WebSocketApi, closed: Any) -> None:
    with closing(WebSocketApi(closed.port)) as other:
        other.socket.send(json.dumps(ME))
    assert socket.call("auth:getCurrentUser").status == 200
