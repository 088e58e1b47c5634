"""Told to stop, the server finishes what it was asked, tells who is connected, and loses nothing."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket as sockets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import pytest
from websockets.exceptions import ConnectionClosed

from ostiary.testing.server import ThrowAwayServer
from ostiary.testing.wire import HttpApi, WebSocketApi

if TYPE_CHECKING:
    from .conftest import ConnectSocket, Serve

PATIENCE = 30
LONGEST_START, LONGEST_STOP = 10, 30
"""Seconds: the hard bounds of REL-02; the soft ones are 3 and 10."""
QUICK_STOP = 10
REPLACED = 15
"""Seconds, of which a slow machine takes most to start a process."""

STARTED = "Application startup complete"
DRAINING = """
[server]
drain = "2s"
"""


@pytest.mark.parametrize("workers", [pytest.param(1, marks=pytest.mark.long), 2])
def test_stopped_under_load_the_server_answers_what_it_took_and_keeps_what_it_said(
    serve: Serve, administer: Callable[[HttpApi], str], workers: int
) -> None:
    """REL-02: no answer is cut off, no user that was made is lost, exit status 0 within 10 s."""
    began = time.monotonic()
    server = serve(workers=workers)
    assert time.monotonic() - began < LONGEST_START
    with closing(HttpApi(server.port)) as api:
        admin = administer(api)
    stop = Event()
    with ThreadPoolExecutor(8) as pool:
        creating = [pool.submit(create_users, server, admin, f"w{n}-", stop) for n in range(8)]
        time.sleep(1)
        told = time.monotonic()
        status = server.stop()
        took = time.monotonic() - told
        stop.set()
        made = [kuid for one in creating for kuid in one.result(PATIENCE)]
    assert status == 0
    assert took < QUICK_STOP
    assert len(made) > len(creating)
    server.start()
    with closing(HttpApi(server.port)) as api:
        for kuid in made:
            assert api.call("security:getUser", _id=kuid, jwt=admin).status == 200
        assert api.call("auth:getCurrentUser", jwt=admin).status == 200


def create_users(server: ThrowAwayServer, admin: str, prefix: str, stop: Event) -> list[str]:
    """Create users until the server is gone; return those that it said it has made.

    :raises AssertionError: an answer was cut off, or is none that a server that stops may give.
    """
    made: list[str] = []
    while not stop.is_set():
        kuid = f"{prefix}{len(made)}"
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
        with closing(connection):
            try:
                connection.request(
                    "POST",
                    f"/users/{kuid}/_create",
                    '{"content": {"profileIds": ["default"]}, "credentials": {}}',
                    {"Authorization": f"Bearer {admin}", "Content-Type": "application/json"},
                )
                answer = connection.getresponse()
            except (ConnectionError, http.client.RemoteDisconnected):
                # Refused, or closed before it was read: a client may ask elsewhere.
                return made
            assert answer.status == 200
            answer.read()
            made.append(kuid)
    return made


@pytest.mark.parametrize("workers", [pytest.param(1, marks=pytest.mark.long), 2])
def test_sockets_get_their_last_answers_and_are_told_that_the_server_goes(
    serve: Serve, connect_socket: ConnectSocket, workers: int
) -> None:
    """REL-02: closed 1001, whether they were idle or waited for an answer."""
    server = serve(dev=True, workers=workers)
    idle = [connect_socket(server) for _ in range(5)]
    busy = [connect_socket(server) for _ in range(5)]
    for one in (*idle, *busy):
        assert one.call("auth:getCurrentUser").status == 200
    for number, one in enumerate(busy):
        one.socket.send(sign_up(f"ann{number}"))
    time.sleep(0.05)
    assert server.stop() == 0
    for one in busy:
        answer, code = last_words(one)
        assert '"status":200' in answer
        assert code == 1001
    assert {last_words(one) for one in idle} == {("", 1001)}


def sign_up(name: str) -> str:
    """Return the message that makes a user, for which a password is hashed."""
    credentials = {"local": {"username": name, "password": "correct horse battery staple"}}
    body = {"content": {"profileIds": ["default"]}, "credentials": credentials}
    return json.dumps({"controller": "security", "action": "createUser", "body": body})


def last_words(socket: WebSocketApi) -> tuple[str, int | None]:
    """Return what a socket still gets, and the code it is closed with."""
    said: list[str] = []
    try:
        while True:
            said.append(str(socket.socket.recv(PATIENCE)))
    except ConnectionClosed as closed:
        return "".join(said), None if closed.rcvd is None else closed.rcvd.code


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.long)])
def test_a_server_that_drains_is_not_ready_and_answers_until_its_time_is_over(
    serve: Serve, workers: int
) -> None:
    """REL-02: a balancer sees it in time, and who is kept connected is told to go."""
    server = serve(dev=True, workers=workers, settings=DRAINING)
    with closing(HttpApi(server.port)) as kept:
        assert kept.send("GET", "/_ready").headers["connection"] == "keep-alive"
        os.kill(server.pid, signal.SIGTERM)
        told = time.monotonic()
        while ask(server, "/_ready") == (200, "keep-alive"):
            assert time.monotonic() - told < 2, "it is still ready"
            time.sleep(0.02)
        assert ask(server, "/_ready") == (503, "close")
        assert ask(server, "/_healthcheck") == (200, "close")
        assert kept.call("server:now").headers["connection"] == "close"
        with closing(WebSocketApi(server.port)) as socket:
            assert socket.call("server:now").status == 200
            assert server.wait() == 0
            assert last_words(socket) == ("", 1001)
    assert 1.5 < time.monotonic() - told < 2 + QUICK_STOP


def ask(server: ThrowAwayServer, url: str) -> tuple[int, str]:
    """Ask over a connection of its own; return the status, and what becomes of the connection."""
    with closing(HttpApi(server.port)) as api:
        answer = api.send("GET", url)
        return answer.status, answer.headers["connection"]


def test_told_twice_the_server_does_not_drain_to_the_end(serve: Serve) -> None:
    server = serve(dev=True, settings=DRAINING.replace("2s", "1h"))
    os.kill(server.pid, signal.SIGTERM)
    time.sleep(0.5)
    assert ask(server, "/_ready")[0] == 503
    assert server.stop() == 0


@pytest.mark.parametrize("after", [0.05, pytest.param(0.3, marks=pytest.mark.long), 0.6])
def test_told_to_stop_while_it_starts_the_server_ends_and_starts_again(
    serve: Serve, after: float
) -> None:
    """REL-02: nothing half made is left behind."""
    server = serve(started=False)
    process = server.begin("serve", "--port", str(server.port))
    time.sleep(after)
    process.terminate()
    assert process.wait(LONGEST_STOP) in (0, -signal.SIGTERM)
    server.start()
    assert server.stop() == 0


def test_who_neither_sends_nor_reads_keeps_no_server_from_stopping(serve: Serve) -> None:
    """REL-02: half a head, half a body, an answer that nobody reads."""
    server = serve(dev=True)
    head = b"POST /_checkToken HTTP/1.1\r\nHost: x\r\n"
    body = head + b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    much = b"GET /_openapi HTTP/1.1\r\nHost: x\r\n\r\n" * 500
    peers = [sockets.create_connection(("127.0.0.1", server.port)) for _ in range(3)]
    try:
        for peer, sent in zip(peers, (head, body, much), strict=True):
            peer.setblocking(False)
            with suppress(BlockingIOError):
                peer.send(sent)
        time.sleep(0.5)
        told = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - told < 2 * QUICK_STOP
    finally:
        for peer in peers:
            peer.close()


@pytest.mark.parametrize("started", [True, False], ids=["serving", "starting"])
def test_a_worker_that_was_killed_is_replaced_while_the_other_one_serves(
    serve: Serve, *, started: bool
) -> None:
    """REL-02: the rest of the server answers, and the one that looks after it is not held up."""
    server = serve(dev=True, workers=2)
    end = time.monotonic() + PATIENCE
    while started and server.log.count(STARTED) < 2:
        assert time.monotonic() < end, "the second worker does not start"
        time.sleep(0.02)
    victim, survivor = workers_of(server)
    os.kill(victim, signal.SIGKILL)
    killed = time.monotonic()
    refused = answered = 0
    while len(known := workers_of(server)) < 2 or victim in known:
        assert time.monotonic() - killed < REPLACED, "the worker is not replaced"
        try:
            answered += ask(server, "/_healthcheck")[0] == 200
        except (OSError, http.client.HTTPException):
            refused += 1
        time.sleep(0.02)
    if started:
        assert survivor in known
        assert answered
        # A connection that the killed one had just taken goes with it.
        assert refused <= 2
    assert server.stop() == 0


def workers_of(server: ThrowAwayServer) -> list[int]:
    """Return the processes that answer (Linux)."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == server.pid and b"spawn_main" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return sorted(found)
