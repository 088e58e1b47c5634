"""Requests that two parsers could read differently, byte by byte on a raw socket."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from typing import Any

import pytest

from ostiary.http_protocol import BoundedProtocol
from ostiary.settings import Settings
from ostiary.testing.wire import HOST, PATIENCE, HttpApi, WebSocketApi, serving

SMUGGLED = b"GET /_healthcheck HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /_checkToken HTTP/1.1\r\n"
HEAD = POST + b"Host: x\r\n"


def exchange(port: int, sent: bytes) -> bytes:
    """Send some bytes and return all that comes back until the server hangs up."""
    with socket.create_connection((HOST, port), timeout=PATIENCE) as peer:
        received = b""
        try:
            peer.sendall(sent)
            while chunk := peer.recv(65_536):
                received += chunk
        except (ConnectionResetError, BrokenPipeError):
            return received
        return received


UPGRADE = (
    b"Host: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)
GET = b"GET / HTTP/1.1\r\n" + UPGRADE
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"

HOSTILE = {
    "length and chunks": HEAD
    + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    + SMUGGLED,
    "chunks and length": HEAD
    + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n"
    + SMUGGLED,
    "endless trailers": HEAD + CHUNKED + b"0\r\n" + b"a: b\r\n" * 20_000,
    "an endless trailer": HEAD + CHUNKED + b"0\r\na: " + b"b" * 100_000,
    "an endless extension of a chunk": HEAD + CHUNKED + b"1;" + b"a" * 100_000,
    "two lengths": HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}" + SMUGGLED,
    "the same length twice": HEAD + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}" + SMUGGLED,
    "a list of lengths": HEAD + b"Content-Length: 2, 2\r\n\r\n{}" + SMUGGLED,
    "a negative length": HEAD + b"Content-Length: -1\r\n\r\n" + SMUGGLED,
    "a signed length": HEAD + b"Content-Length: +2\r\n\r\n{}" + SMUGGLED,
    "a hexadecimal length": HEAD + b"Content-Length: 0x2\r\n\r\n{}" + SMUGGLED,
    "an endless length": HEAD + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n{}" + SMUGGLED,
    "gzip and chunks": HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "identity and chunks": HEAD
    + b"Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n"
    + SMUGGLED,
    "chunks twice": HEAD
    + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    + SMUGGLED,
    "no chunks": HEAD + b"Transfer-Encoding: identity\r\n\r\n" + SMUGGLED,
    "a bad size of a chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n" + SMUGGLED,
    "a chunk longer than it says": HEAD
    + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n"
    + SMUGGLED,
    "no host": POST + b"Content-Length: 2\r\n\r\n{}" + SMUGGLED,
    "two hosts": HEAD + b"Host: y\r\nContent-Length: 2\r\n\r\n{}" + SMUGGLED,
    "two tokens": HEAD + b"Authorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n" + SMUGGLED,
    "two types": HEAD
    + b"Content-Type: application/json\r\nContent-Type: text/plain\r\n"
    + b"Content-Length: 2\r\n\r\n{}"
    + SMUGGLED,
    "a space before the colon": HEAD + b"Content-Length : 2\r\n\r\n{}" + SMUGGLED,
    "a folded header": HEAD + b"X-A: b\r\n c\r\nContent-Length : 2\r\n\r\n{}" + SMUGGLED,
    "a header without a name": HEAD + b": b\r\n\r\n" + SMUGGLED,
    "a NUL in a header": HEAD + b"X-A: \x00\r\n\r\n" + SMUGGLED,
    "no version": b"GET /_me\r\n\r\n" + SMUGGLED,
    "an odd version": b"GET /_me HTTP/9.9\r\nHost: x\r\n\r\n" + SMUGGLED,
    "no words": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20 + b"\r\n\r\n" + SMUGGLED,
    "an endless header": HEAD + b"X-A: " + b"a" * 200_000 + b"\r\n\r\n" + SMUGGLED,
    "endless headers": HEAD + b"X-A: a\r\n" * 100_000 + b"\r\n" + SMUGGLED,
    "an upgrade with a body": b"POST / HTTP/1.1\r\n"
    + UPGRADE
    + b"Content-Length: 3\r\n\r\nabc"
    + SMUGGLED,
    "an upgrade with chunks": GET + CHUNKED + b"2\r\n{}\r\n0\r\n\r\n" + SMUGGLED,
    "an upgrade without a key": GET.partition(b"Sec-")[0] + b"\r\n" + SMUGGLED,
    "an upgrade of a long URL": GET.replace(b"/ ", b"/" + b"a" * 10_000 + b" ") + b"\r\n",
    "an endless URL": b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n" + SMUGGLED,
}


@pytest.mark.parametrize("sent", HOSTILE.values(), ids=HOSTILE)
def test_an_unclear_request_is_refused_and_nothing_after_it_is_read(
    closed: Any, sent: bytes
) -> None:
    """HTTP-02, HTTP-03, HTTP-04, HTTP-05, TOK-27: refuse, and close (RFC 9112, 6.3 and 3.2)."""
    answer = exchange(closed.port, sent)
    assert answer.count(b"HTTP/1.1 ") <= 1
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")


def test_a_clear_request_is_answered_and_so_is_the_next(closed: Any) -> None:
    chunked = HEAD + b"Transfer-Encoding: Chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    last = SMUGGLED.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    answer = exchange(closed.port, chunked + HEAD + b"Content-Length: 2\r\n\r\n{}" + last)
    assert answer.count(b"HTTP/1.1 200") == 3


def test_what_is_sent_behind_a_slow_request_is_answered_after_it(closed: Any) -> None:
    """A login waits for its hash; what comes with it is more than is read in one go."""
    refused = b'{"username":"nobody","password":"wrong wrong"}'
    login = (
        b"POST /_login/local HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (len(refused), refused)
    )
    last = SMUGGLED.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    answer = exchange(closed.port, login + SMUGGLED * 500 + login + SMUGGLED * 500 + last)
    statuses = [part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [b"401", *[b"200"] * 500, b"401", *[b"200"] * 501]


def test_the_answer_of_a_closed_connection_says_so(closed: Any) -> None:
    sent = b"GET /_me HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert exchange(closed.port, sent).startswith(b"HTTP/1.1 200")


def test_what_comes_behind_a_body_is_no_header(closed: Any) -> None:
    """HTTP-02: it passes proxies that judge headers only (RFC 9110, 6.5.1)."""
    trailed = b"GET /_me HTTP/1.1\r\nHost: x\r\n" + CHUNKED
    trailed += b"0\r\nAuthorization: Bearer x\r\nX-Kuzzle-Request-Id: trailer\r\n\r\n"
    answer = exchange(
        closed.port, trailed + b"GET /_me HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    assert answer.count(b"HTTP/1.1 200") == 2
    assert b"trailer" not in answer


class Impatient(BoundedProtocol):
    """Waits for as long as a test may take."""

    head_within = body_within = 0.3


SLOW = {
    "no head": b"",
    "half a head": HEAD + b"X-A: ",
    "half a body": HEAD + b"Content-Length: 10\r\n\r\n{",
    "half a chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\nff\r\n{",
    "half a head of an upgrade": GET,
    "an upgrade with half a body": GET + b"Content-Length: 10\r\n\r\n{",
    "an upgrade with half a chunk": GET + CHUNKED + b"ff\r\n{",
    "half of a second head": SMUGGLED + HEAD,
}


@pytest.fixture(scope="module")
def impatient(
    tmp_path_factory: pytest.TempPathFactory, settings: Callable[..., Settings]
) -> Iterator[int]:
    of_server = settings(tmp_path_factory.mktemp("impatient"))
    with serving(of_server, Impatient) as port:
        yield port


@pytest.mark.parametrize("sent", SLOW.values(), ids=SLOW)
def test_a_request_that_does_not_end_is_cut(impatient: int, sent: bytes) -> None:
    """HTTP-06, HTTP-07: the server hangs up on the slow one, and answers the others meanwhile."""
    with closing(WebSocketApi(impatient)) as socket, closing(HttpApi(impatient)) as http:
        assert http.send("GET", "/_healthcheck").status == 200
        answer = exchange(impatient, sent)
        assert answer.count(b"HTTP/1.1 200") == sent.count(b"GET /_healthcheck")
        assert socket.call("auth:getCurrentUser").status == 200
        assert http.send("GET", "/_healthcheck").status == 200


class Uneven(BoundedProtocol):
    """Waits for heads and for readers for as long as a test may take, and longer for a body."""

    head_within = read_within = 0.3

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Keep idle connections for a moment only."""
        super().connection_made(transport)
        self.timeout_keep_alive = 1


@pytest.fixture(scope="module")
def uneven(
    tmp_path_factory: pytest.TempPathFactory, settings: Callable[..., Settings]
) -> Iterator[int]:
    with serving(settings(tmp_path_factory.mktemp("uneven")), Uneven) as port:
        yield port


def test_a_body_has_longer_than_a_head(uneven: int) -> None:
    """REL-10: a head is complete within 10 s, a body within 30 s after it."""
    with socket.create_connection((HOST, uneven), timeout=PATIENCE) as peer:
        peer.sendall(HEAD + b"Content-Length: 2\r\n\r\n{")
        assert exchange(uneven, HEAD) == b""
        peer.sendall(b"}")
        assert peer.recv(65_536).startswith(b"HTTP/1.1 200")


def test_a_connection_that_asks_nothing_more_is_closed(uneven: int) -> None:
    assert exchange(uneven, SMUGGLED).count(b"HTTP/1.1 200") == 1


def test_a_peer_that_reads_nothing_is_cut(uneven: int) -> None:
    """REL-10: what is written for it does not pile up, and does not stay."""
    asked = b"GET /_openapi HTTP/1.1\r\nHost: x\r\n\r\n"
    with socket.socket() as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.settimeout(PATIENCE)
        peer.connect((HOST, uneven))
        peer.sendall(asked * 100)
        # Nothing tells who does not read that the other end has gone.
        time.sleep(2)
        chunks = []
        with suppress(ConnectionResetError):
            while chunk := peer.recv(65_536):
                chunks.append(chunk)
    assert b"".join(chunks).count(b"HTTP/1.1 200") < 100


def test_an_abandoned_request_leaves_the_server_well(closed: Any) -> None:
    """HTTP-18: a client that goes in the middle of its body harms nobody."""
    for _ in range(20):
        with socket.create_connection((HOST, closed.port), timeout=PATIENCE) as peer:
            peer.sendall(HEAD + b"Content-Length: 1000\r\n\r\n{")
    assert closed.http.send("GET", "/_healthcheck").status == 200


def test_an_upgrade_that_cannot_be_is_told_so(closed: Any) -> None:
    """HTTP-06: what the WebSocket library drops without a word is answered, and closed."""
    for body in (b"Content-Length: 3\r\n\r\nabc", CHUNKED + b"0\r\n\r\n"):
        assert exchange(closed.port, GET + body).startswith(b"HTTP/1.1 400 ")


def test_a_socket_outlives_the_time_that_its_handshake_had(impatient: int) -> None:
    with closing(WebSocketApi(impatient)) as socket:
        assert exchange(impatient, HEAD) == b""
        assert socket.call("auth:getCurrentUser").status == 200
