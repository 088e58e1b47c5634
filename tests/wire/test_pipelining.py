"""Requests that are sent without waiting for answers: each gets its own, in order, or none."""

from __future__ import annotations

import gc
import json
import logging
import re
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from ostiary.http_cycle import Cycle
from ostiary.http_pressure import PressedProtocol
from ostiary.settings import Settings
from ostiary.testing.wire import HOST, PATIENCE, HttpApi, serving

from .test_framing import GET, HEAD, SMUGGLED

WRONG = json.dumps({"username": "nobody", "password": "wrong wrong"}).encode()
LOGIN = (
    b"POST /_login/local HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(WRONG), WRONG)
)
"""Has to wait for a hash."""

HALF = len(SMUGGLED) // 2


@pytest.fixture(scope="module")
def port(
    tmp_path_factory: pytest.TempPathFactory, settings: Callable[..., Settings]
) -> Iterator[int]:
    with serving(settings(tmp_path_factory.mktemp("pipelining"))) as port:
        yield port


def statuses(answer: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+)", answer)]


ENDS = {
    "garbage": b"GARBAGE\r\n\r\n",
    "a head that is too large": HEAD + b"X: " + b"a" * 100_000,
    "a bad body": HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    "an upgrade": GET + b"\r\n",
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("pause", [0, 0.005])
def test_what_comes_behind_a_request_is_not_answered_in_its_place(
    port: int, end: bytes, pause: float
) -> None:
    """HTTP-04: a refusal, or the beginning of a WebSocket, would be taken for its answer."""
    with socket.create_connection((HOST, port), timeout=PATIENCE) as peer:
        peer.sendall(LOGIN + SMUGGLED)
        time.sleep(pause)
        peer.sendall(end)
        answer = b""
        with suppress(ConnectionResetError):
            while chunk := peer.recv(65_536):
                answer += chunk
    assert statuses(answer) == [401, 200]


def test_an_upgrade_follows_what_is_answered(port: int) -> None:
    with socket.create_connection((HOST, port), timeout=PATIENCE) as peer:
        peer.sendall(SMUGGLED + GET + b"\r\n")
        answer = b""
        while answer.count(b"HTTP/1.1 ") < 2:
            answer += peer.recv(65_536)
    assert statuses(answer) == [200, 101]


class Impatient(PressedProtocol):
    """Waits for heads for as long as a test may take."""

    head_within = 0.3


@pytest.fixture(scope="module")
def impatient(
    tmp_path_factory: pytest.TempPathFactory, settings: Callable[..., Settings]
) -> Iterator[int]:
    with serving(settings(tmp_path_factory.mktemp("impatient")), Impatient) as port:
        yield port


def test_each_head_has_its_own_time(impatient: int) -> None:
    """REL-10: who is never late is not cut, wherever its packets end."""
    with socket.create_connection((HOST, impatient), timeout=PATIENCE) as peer:
        peer.sendall(SMUGGLED[:HALF])
        for _ in range(8):
            time.sleep(0.1)
            peer.sendall(SMUGGLED[HALF:] + SMUGGLED[:HALF])
            assert statuses(peer.recv(65_536)) == [200]


def test_the_time_in_which_the_server_does_not_read_is_not_the_peers(impatient: int) -> None:
    """REL-10: the rest of the last head waits outside until the logins before it are answered."""
    last = SMUGGLED.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    with socket.create_connection((HOST, impatient), timeout=PATIENCE) as peer:
        peer.sendall(LOGIN * 20 + last[:HALF])
        time.sleep(0.01)
        peer.sendall(last[HALF:])
        answer = b""
        while chunk := peer.recv(65_536):
            answer += chunk
    assert statuses(answer) == [401] * 20 + [200]


def test_no_more_is_read_ahead_than_is_answered(port: int) -> None:
    """REL-06: however small the pieces are in which it comes."""
    with socket.create_connection((HOST, port), timeout=PATIENCE) as peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(8):
            peer.sendall(LOGIN * 20)
            assert peer.recv(65_536)
        assert sum(type(one) is Cycle for one in gc.get_objects()) < 60


def test_who_goes_before_the_answers_leaves_no_error(
    port: int, caplog: pytest.LogCaptureFixture
) -> None:
    """HTTP-18"""
    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            with socket.create_connection((HOST, port), timeout=PATIENCE) as peer:
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                peer.sendall(LOGIN + SMUGGLED)
                time.sleep(0.005)
        with closing(HttpApi(port)) as api:
            for _ in range(3):
                assert api.send("POST", "/_login/local", WRONG).status == 401
    gc.collect()
    assert [one for one in caplog.records if one.levelno >= logging.ERROR] == []


def test_what_is_worked_on_at_the_end_is_answered(
    tmp_path: Path, settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """REL-02: the time of peers to read does not run while there is nothing to read."""
    monkeypatch.setattr("ostiary.http_pressure.LAST_READER", 0.01)
    with socket.socket() as peer:
        peer.settimeout(PATIENCE)
        with serving(settings(tmp_path)) as port:
            peer.connect((HOST, port))
            peer.sendall(LOGIN * 8)
            answer = peer.recv(65_536)
        while chunk := peer.recv(65_536):
            answer += chunk
    assert statuses(answer) == [401] * 8
