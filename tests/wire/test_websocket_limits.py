"""What a peer may cost: frames, messages, answers that it does not read, silence."""

from __future__ import annotations

import asyncio
import json
import socket as sockets
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from uvicorn.server import ServerState
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from ostiary.app import MakeApplication
from ostiary.http_protocol import BoundedProtocol
from ostiary.serving import configuration
from ostiary.settings import Settings
from ostiary.testing.wire import HOST, PATIENCE, WebSocketApi, serving
from ostiary.websocket import STALLED
from ostiary.websocket_protocol import BoundedFrames, BoundedWebSocket

ME = {"controller": "auth", "action": "getCurrentUser"}


@pytest.fixture
def socket(closed: Any) -> Iterator[WebSocketApi]:
    with closing(WebSocketApi(closed.port)) as api:
        yield api


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


def raw_code(received: bytes) -> int:
    """Return the code of the close frame that ends what was received."""
    at = received.rindex(b"\x88")
    return int.from_bytes(received[at + 2 : at + 4])


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


class Quick(BoundedWebSocket):
    """Does in tenths of a second what takes the server half a minute."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.ping_interval, self.ping_timeout, self.close_timeout = 0.2, 0.2, 0.2


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


class Hurries(BoundedProtocol):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.ws_protocol_class = Quick


def test_a_dead_peer_is_cut_off_and_a_silent_one_that_lives_is_not(
    tmp_path: Path, settings: Callable[..., Settings]
) -> None:
    """WS-11: who answers no ping is gone, although it has not said so."""
    with (
        serving(settings(tmp_path), Hurries) as port,
        closing(WebSocketApi(port)) as alive,
        connected(port) as dead,
    ):
        received = b""
        while chunk := dead.recv(2**16):
            received += chunk
        assert raw_code(received) == 1011
        assert alive.frame('{"p":1}') == {"p": 2}


def test_a_dead_peer_is_gone_within_a_minute(
    tmp_path: Path, settings: Callable[..., Settings]
) -> None:
    """WS-11: a ping, the time to answer it and the time to read the end, as the server sets them."""
    here = settings(tmp_path)
    config = configuration(here, MakeApplication(here))
    with closing(asyncio.new_event_loop()) as loop:
        peer = BoundedWebSocket(config, ServerState(), {}, loop)
    assert peer.ping_interval is not None
    assert peer.ping_timeout is not None
    assert peer.ping_interval + peer.ping_timeout + peer.close_timeout <= 60


def test_a_peer_that_leaves_its_answers_unread_is_closed(closed: Any) -> None:
    """WS-07: 1011, after the answers that were already on their way; others are served."""
    message = {**ME, "volatile": {"x": "y" * 100_000}}
    frame = raw(Opcode.TEXT, json.dumps(message).encode())
    end = Frame(Opcode.CLOSE, (1011).to_bytes(2)).serialize(mask=False)
    with connected(closed.port) as peer:
        peer.settimeout(1)
        with suppress(TimeoutError):
            for _ in range(1000):
                peer.sendall(frame)
        assert closed.http.send("GET", "/_healthcheck").status == 200
        # It has been idle for as long as the server waits; now it reads.
        time.sleep(STALLED + 1)
        peer.settimeout(PATIENCE)
        received = bytearray()
        while not received.endswith(end):
            received += peer.recv(2**20)


def test_a_peer_that_leaves_a_few_large_answers_unread_is_closed(closed: Any) -> None:
    """WS-07: it is their size that the server would keep, not their number."""
    frame = raw(Opcode.TEXT, json.dumps({**ME, "volatile": {"x": "y" * 900_000}}).encode())
    end = Frame(Opcode.CLOSE, (1011).to_bytes(2)).serialize(mask=False)
    with connected(closed.port) as peer:
        peer.settimeout(1)
        with suppress(TimeoutError):
            peer.sendall(frame * 40)
        time.sleep(STALLED + 1)
        peer.settimeout(PATIENCE)
        received = bytearray()
        while not received.endswith(end):
            received += peer.recv(2**20)
        assert received.count(b'"status":200') < 40


def test_a_request_has_no_endless_id(closed: Any) -> None:
    """WS-07: each answer holds it twice."""
    with closing(closed.open("websocket")) as api:
        body = api.frame(json.dumps({**ME, "requestId": "x" * 1025}))
        assert (body["status"], body["error"]["id"]) == (400, "api.assert.invalid_argument")
        assert "room" not in body
        assert len(body["requestId"]) < 100


def test_answers_that_are_read_slowly_all_arrive(closed: Any) -> None:
    """WS-07: who reads at all is no flood, however many requests it has sent ahead."""
    message = {**ME, "volatile": {"x": "y" * 100_000}}
    frame = raw(Opcode.TEXT, json.dumps(message).encode())
    with connected(closed.port) as peer, ThreadPoolExecutor(1) as beside:
        sending = beside.submit(peer.sendall, frame * 150)
        received = bytearray()
        while received.count(b'"status":200') < 150:
            chunk = peer.recv(2**18)
            assert chunk
            received += chunk
            time.sleep(0.01)
        sending.result(PATIENCE)


def test_compression_is_not_offered_and_not_accepted(closed: Any) -> None:
    """WS-05: what is not unpacked is no bomb."""
    offer = b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
    with sockets.create_connection((HOST, closed.port), timeout=PATIENCE) as peer:
        peer.sendall(HANDSHAKE.removesuffix(b"\r\n") + offer)
        head = peer.recv(2**16)
        assert head.startswith(b"HTTP/1.1 101 ")
        assert b"sec-websocket-extensions" not in head.lower()
        packed = zlib.compressobj(wbits=-15)
        data = packed.compress(b'{"p":1}') + packed.flush(zlib.Z_SYNC_FLUSH)
        first, *rest = raw(Opcode.TEXT, data.removesuffix(b"\0\0\xff\xff"))
        peer.sendall(bytes((first | 0x40, *rest)))
        assert raw_code(peer.recv(2**16)) == 1002


@pytest.fixture(scope="module")
def paced(
    tmp_path_factory: pytest.TempPathFactory,
    settings: Callable[..., Settings],
    new_site: Callable[[Settings], Any],
) -> Iterator[Any]:
    limits: dict[str, Any] = {"limits__websocketMessagesPerSecond": 20}
    with new_site(settings(tmp_path_factory.mktemp("paced"), **limits)) as running:
        yield running


def test_a_socket_may_send_so_many_messages_a_second(paced: Any) -> None:
    """WS-06: the others are refused one by one, and a second later it may send again."""
    with closing(WebSocketApi(paced.port)) as socket, closing(WebSocketApi(paced.port)) as other:
        for number in range(25):
            socket.socket.send(json.dumps({**ME, "requestId": f"r{number}"}))
        answers = [json.loads(socket.socket.recv(PATIENCE)) for _ in range(25)]
        refused = [answer for answer in answers if answer["status"] != 200]
        assert {answer["room"] for answer in refused} == {f"r{number}" for number in range(20, 25)}
        for answer in refused:
            assert answer["error"]["id"] == "network.websocket.ratelimit_exceeded"
            assert (answer["status"], answer["headers"]) == (429, {"retry-after": "1"})
        assert other.call("auth:getCurrentUser").status == 200
        time.sleep(1)
        assert socket.call("auth:getCurrentUser").status == 200


def test_who_sends_far_too_many_messages_is_read_more_slowly(paced: Any) -> None:
    """WS-06: refusing has a cost too, so it is bounded."""
    with closing(WebSocketApi(paced.port)) as socket:
        start = time.monotonic()
        for number in range(100):
            socket.socket.send(json.dumps({**ME, "requestId": f"r{number}"}))
        answers = [json.loads(socket.socket.recv(PATIENCE))["status"] for _ in range(100)]
        assert 1.5 < time.monotonic() - start < 10
        # On a slow machine seconds end sooner, as seen from there; twenty are let through in each.
        assert 40 <= answers.count(200) <= 80
