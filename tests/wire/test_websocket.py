"""Frames of a WebSocket: which are requests, which are not, and whose each one is."""

from __future__ import annotations

import json
import socket as sockets
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from ostiary.http_protocol import BoundedProtocol
from ostiary.settings import Settings
from ostiary.testing.wire import HOST, MEMBERS, PATIENCE, WebSocketApi, serving
from ostiary.websocket_protocol import BoundedFrames, BoundedWebSocket

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


HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


@contextmanager
def connected(port: int) -> Iterator[sockets.socket]:
    """Upgrade a connection that nothing reads unasked."""
    with sockets.create_connection((HOST, port), timeout=PATIENCE) as peer:
        peer.sendall(HANDSHAKE)
        assert peer.recv(2**16).startswith(b"HTTP/1.1 101 ")
        yield peer


def closed_with(socket: WebSocketApi) -> int | None:
    with pytest.raises(ConnectionClosed) as closing_error:
        while True:
            socket.socket.recv(PATIENCE)
    received = closing_error.value.rcvd
    return None if received is None else received.code


def test_a_frame_that_is_too_large_closes_the_socket(socket: WebSocketApi) -> None:
    """WS-03: nothing larger than a request may be is read."""
    socket.socket.send(json.dumps({**ME, "x": "y" * 2_000_000}))
    assert closed_with(socket) == 1009


def test_endless_fragments_close_the_socket(socket: WebSocketApi) -> None:
    """WS-04: fragments together are no larger than a frame may be."""
    with pytest.raises(ConnectionClosed):
        socket.socket.send("x" * 100_000 for _ in range(1000))
    # Who still sends may see the connection reset before the frame that closes it.
    assert closed_with(socket) in (None, 1009)


def raw(opcode: Opcode, data: bytes = b"", *, fin: bool = True) -> bytes:
    """Return a frame as it is on the wire."""
    return Frame(opcode, data, fin).serialize(mask=True)


def part(data: bytes, opcode: Opcode = Opcode.CONT) -> bytes:
    return raw(opcode, data, fin=False)


FLOODS = {
    "pings": (raw(Opcode.PING, b"p" * 125) * 101, 1008),
    "pongs": (raw(Opcode.PONG) * 101, 1008),
    "empty messages": (raw(Opcode.TEXT) * 101, 1008),
    "empty fragments": (part(b"", Opcode.TEXT) + part(b"") * 100, 1008),
    "tiny fragments": (part(b" ", Opcode.TEXT) + part(b" ") * 100, 1008),
    "fragments": (part(b" " * 20, Opcode.TEXT) + part(b" " * 20) * 1000, 1009),
}
"""Floods whose last frame is the one too many, so that no reset hides the answer."""


@pytest.mark.parametrize("flood", FLOODS)
def test_a_flood_of_frames_that_ask_for_nothing_closes_the_socket(
    socket: WebSocketApi, closed: Any, flood: str
) -> None:
    """WS-04, WS-06: what costs the peer nothing is counted; others are served meanwhile."""
    frames, code = FLOODS[flood]
    socket.socket.socket.sendall(frames)
    assert closed_with(socket) == code
    assert closed.http.send("GET", "/_healthcheck").status == 200


def test_nothing_more_is_read_from_who_floods(closed: Any) -> None:
    """WS-04: the sender of endless empty fragments is cut off."""
    with connected(closed.port) as peer:
        peer.sendall(part(b"", Opcode.TEXT))
        with pytest.raises(ConnectionError):
            for _ in range(5000):
                peer.sendall(part(b"") * 1000)


def test_as_many_fragments_as_a_message_may_have_are_one_message(socket: WebSocketApi) -> None:
    for _ in range(3):
        parts = part(b" " * 20, Opcode.TEXT) + part(b" " * 20) * 997
        ending = part(b'{"p":                1}') + raw(Opcode.CONT)
        socket.socket.socket.sendall(parts + ending)
        assert json.loads(socket.socket.recv(PATIENCE)) == {"p": 2}


def test_a_binary_frame_closes_the_socket(socket: WebSocketApi) -> None:
    socket.socket.send(b"\x00\xff")
    assert closed_with(socket) == 1003


AFTER = {"nothing": b"", "its end": raw(Opcode.CLOSE), "another": raw(Opcode.TEXT, b"\xff")}


@pytest.mark.parametrize("after", AFTER)
def test_a_frame_that_is_no_utf8_closes_the_socket_and_fills_no_log(
    socket: WebSocketApi, caplog: pytest.LogCaptureFixture, after: str
) -> None:
    """WS-02: bad frames end the connection (RFC 6455, 8.1) and are no error of ours."""
    socket.socket.socket.sendall(raw(Opcode.TEXT, b"\xff\xfe") + AFTER[after])
    assert closed_with(socket) == (1005 if after == "its end" else 1007)
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


class Unread(BoundedWebSocket):
    """Lets a test send as many pings as it likes."""

    class frames_of(BoundedFrames):  # noqa: N801
        most_idle = 10**9


class LetsFlood(BoundedProtocol):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.ws_protocol_class = Unread


def test_who_does_not_read_gets_no_more_pongs(
    tmp_path: Path, settings: Callable[..., Settings]
) -> None:
    """WS-07: answers that nobody reads do not pile up."""
    ping, last = raw(Opcode.PING, b"p" * 125), raw(Opcode.CLOSE)
    sent = 2**24 // len(ping)
    with serving(settings(tmp_path), LetsFlood) as port, connected(port) as peer:
        peer.sendall(ping * sent)
        peer.sendall(last)
        received = 0
        while chunk := peer.recv(2**20):
            received += len(chunk)
    assert 0 < received // (len(ping) - 4) < sent


def test_one_socket_closing_leaves_the_others(socket: WebSocketApi, closed: Any) -> None:
    with closing(WebSocketApi(closed.port)) as other:
        other.socket.send(json.dumps(ME))
    assert socket.call("auth:getCurrentUser").status == 200
