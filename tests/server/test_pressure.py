"""More than the server can do, or keep: it says so at once, keeps no more, and goes on."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import resource
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

from ostiary.testing.server import ThrowAwayServer
from ostiary.testing.wire import HttpApi, Outcome

from .peers import HEALTH, MB, crowd, frame, health, memory, status

if TYPE_CHECKING:
    from .conftest import Connect, Serve

PATIENCE = 20
FEW_CONNECTIONS = """
[server]
maxConnections = 20
"""
FEW_REQUESTS = """
[server]
maxRequestsInFlight = 4

[security.hashing]
threads = 1
"""
PASSWORD = "correct horse battery staple"
BODY = b"POST /_checkToken HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
MUCH = b"GET /_publicApi HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(scope="module")
def server(start_server: Serve) -> ThrowAwayServer:
    """A server that bears what comes over it one test after the other."""
    return start_server(dev=True, settings="")


@contextmanager
def growing_by_at_most(server: ThrowAwayServer, size: int) -> Iterator[None]:
    """Watch how much memory the server has at most while a block runs."""
    before = memory(server, peak=True)
    yield
    assert memory(server, peak=True) - before < size


@pytest.mark.anyio
async def test_who_does_not_wait_for_answers_gets_them_all(server: ThrowAwayServer) -> None:
    """REL-06: ten thousand requests at once on one connection, none of them read ahead."""
    with growing_by_at_most(server, 32 * MB):
        async with crowd(server, 1, HEALTH * 10_000) as ((reader, _),):
            count = 0
            while count < 10_000:
                data = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)
                count += data.count(b"HTTP/1.1 200 ")
                length = int(data.partition(b"content-length: ")[2].split()[0])
                await reader.readexactly(length)


@pytest.mark.anyio
async def test_many_who_do_not_wait_are_kept_waiting(server: ThrowAwayServer) -> None:
    """REL-06: what is not worked on is not read, of however many connections."""
    with growing_by_at_most(server, 96 * MB):
        async with crowd(server, 100, HEALTH * 5_000):
            await asyncio.sleep(1)
            assert await health(server) == 200


@pytest.mark.anyio
async def test_answers_that_nobody_reads_are_bounded_together(server: ThrowAwayServer) -> None:
    """REL-06: beyond the bound the largest is hung up on, and others are served."""
    with growing_by_at_most(server, 160 * MB):
        async with crowd(server, 200, MUCH * 50) as peers:
            for _, writer in peers:
                writer.transport.pause_reading()  # type: ignore[attr-defined]
            await asyncio.sleep(2)
            assert await health(server) == 200


@pytest.mark.anyio
async def test_bodies_that_do_not_end_are_bounded_together(server: ThrowAwayServer) -> None:
    """REL-06, REL-07: who finds no room is told to come again."""
    begun = BODY + b"Content-Length: 1000000\r\n\r\n" + bytes(900_000)
    with growing_by_at_most(server, 128 * MB):
        async with crowd(server, 100, begun) as peers:
            first = [asyncio.create_task(peer[0].readuntil(b"\r\n\r\n")) for peer in peers]
            done, waiting = await asyncio.wait(first, timeout=2)
            for one in waiting:
                one.cancel()
            assert await health(server) == 200
            heads = [one.result() for one in done]
    assert len(heads) >= 20
    assert {head[:13] for head in heads} == {b"HTTP/1.1 503 "}
    assert all(b"retry-after: 1" in head for head in heads)
    # Those who are gone have left their room to others.
    whole = BODY + b"Content-Length: 14\r\n\r\n" + b'{"token": "x"}'
    async with crowd(server, 1, whole) as (peer,):
        assert await status(peer) == 200


@pytest.mark.anyio
async def test_messages_that_do_not_end_are_bounded_together(server: ThrowAwayServer) -> None:
    """REL-06: the same over WebSocket, where code 1013 says to come again."""
    begun = frame(bytes(1_000_000))[:900_000]
    with growing_by_at_most(server, 128 * MB):
        async with crowd(server, 100, begun, upgraded=True) as peers:
            ends = [asyncio.create_task(reader.read(4)) for reader, _ in peers]
            done, waiting = await asyncio.wait(ends, timeout=2)
            for one in waiting:
                one.cancel()
            assert await health(server) == 200
    assert len(done) >= 20
    told = [one.result() for one in done if not one.exception()]
    assert {int.from_bytes(data[2:]) for data in told if len(data) == 4} == {1013}


@pytest.mark.anyio
async def test_small_messages_are_read_as_they_are_answered(server: ThrowAwayServer) -> None:
    """REL-06: thirty thousand of two bytes, in each of fifty sockets, wait outside."""
    with growing_by_at_most(server, 64 * MB):
        async with crowd(server, 50, frame(b"{}") * 30_000, upgraded=True):
            await asyncio.sleep(1)
            assert await health(server) == 200


@pytest.mark.anyio
async def test_beyond_the_bound_connections_are_told_that_there_is_no_room(serve: Serve) -> None:
    """REL-07: 503 at once, sockets included; a balancer is answered all the same."""
    server = serve(dev=True, settings=FEW_CONNECTIONS)
    async with crowd(server, 10, upgraded=True), crowd(server, 10) as peers:
        async with crowd(server, 5, MUCH) as others:
            for reader, _ in others:
                head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)
                assert head.startswith(b"HTTP/1.1 503 ")
                assert b"retry-after: 1" in head
                assert b"connection: close" in head
                assert b"api.process.overloaded" in await reader.read()
        assert await health(server) == 200
        peers[0][1].write(MUCH)
        assert await status(peers[0]) == 200
    async with crowd(server, 1, MUCH) as (peer,):
        assert await status(peer) == 200


def test_beyond_the_bound_requests_are_refused_at_once(serve: Serve) -> None:
    """REL-07: who is refused does not wait for those who are not."""
    server = serve(dev=True, settings=FEW_REQUESTS)
    with ThreadPoolExecutor(40) as pool:
        outcomes = list(pool.map(lambda number: sign_up(server, f"ann{number}"), range(40)))
    refused = [outcome for outcome in outcomes if outcome.status == 503]
    assert {outcome.status for outcome in outcomes} == {200, 503}
    assert {outcome.headers["retry-after"] for outcome in refused} == {"1"}
    assert {outcome.error_id for outcome in refused} == {"api.process.overloaded"}


def sign_up(server: ThrowAwayServer, name: str, *, content: str = "") -> Outcome:
    """Create a user with a password."""
    credentials = {"local": {"username": name, "password": PASSWORD}}
    body = {"content": {"profileIds": ["default"], "x": content}, "credentials": credentials}
    with closing(HttpApi(server.port)) as api:
        return api.call("security:createUser", body, _id=name)


def sign_in(server: ThrowAwayServer, name: str) -> Outcome:
    """Sign a user in."""
    with closing(HttpApi(server.port)) as api:
        return api.call("auth:login", {"username": name, "password": PASSWORD}, strategy="local")


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.long)])
def test_a_log_that_nobody_reads_holds_nothing_up(serve: Serve, workers: int) -> None:
    """REL-07: lines are lost and counted, requests are not; nor does the end wait for it."""
    server = serve(dev=True, settings="[logging]\naccess = true\n", started=False)
    reading, writing = os.pipe()
    words = ["serve", "--dev", "--port", str(server.port), "--workers", str(workers)]
    process = server.begin(*words, stdout=writing, stderr=writing)
    os.close(writing)
    try:
        wait_for(server)
        with closing(HttpApi(server.port)) as api:
            for _ in range(1500):
                assert api.send("GET", f"/_healthcheck?x={'y' * 100}").status == 200
        process.terminate()
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        os.close(reading)


def wait_for(server: ThrowAwayServer) -> None:
    """Wait until a server that was begun answers."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with closing(HttpApi(server.port)) as api:
                assert api.send("GET", "/_ready").status == 200
        except OSError:
            assert time.monotonic() < deadline, "it does not start"
            time.sleep(0.05)
        else:
            return


@pytest.fixture(params=["disk", "limit"])
def small(
    request: pytest.FixtureRequest, serve: Serve, missing: Callable[[str, str], NoReturn]
) -> Iterator[tuple[ThrowAwayServer, Callable[[bool], None]]]:
    """A server, and what fills its disk, or frees it: a small one, or a limit of its files."""
    server = serve(dev=True, started=False)
    if request.param == "limit":
        server.start()
        yield server, lambda full: limit(server, full=full)
        return
    server.data.mkdir(mode=0o700)
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m,mode=700", "tmpfs", str(server.data)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        missing("a small disk", "run the tests as root on Linux")
    try:
        server.start()
        yield server, lambda full: fill(server, full=full)
    finally:
        subprocess.run(["umount", "-l", str(server.data)], check=True)


def limit(server: ThrowAwayServer, *, full: bool) -> None:
    """Let the files of a process grow no more."""
    largest = max(file.stat().st_size for file in server.data.glob("*.db*"))
    bound = largest + 20_000 if full else resource.RLIM_INFINITY
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (bound, resource.RLIM_INFINITY))


def fill(server: ThrowAwayServer, *, full: bool) -> None:
    """Take all the room on the disk."""
    ballast = server.data / "ballast"
    if not full:
        ballast.unlink()
        return
    with ballast.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        while True:
            file.write(bytes(4096))


def test_a_full_disk_stops_writers_and_nobody_else(
    small: tuple[ThrowAwayServer, Callable[[bool], None]], connect: Connect
) -> None:
    """REL-01, REL-07: 503 with Retry-After, nothing lost, and full service when there is room."""
    server, fill = small
    assert sign_up(server, "ann").status == 200
    api, token = connect(server), sign_in(server, "ann").result["jwt"]
    fill(True)
    made, refused = ["ann"], 0
    for number in range(60):
        outcome = sign_up(server, f"bob{number}", content="x" * 10_000)
        if outcome.status == 200:
            made.append(f"bob{number}")
        else:
            assert (outcome.status, outcome.headers["retry-after"]) == (503, "1")
            refused += 1
        if refused == 3:
            break
    assert refused == 3
    assert sign_in(server, "ann").status == 503
    for _ in range(20):
        assert api.call("auth:checkToken", {"token": token}).result["valid"]
    assert api.call("security:searchUsers", {}).status == 200
    assert api.send("GET", "/_ready").status == 200
    fill(False)
    assert sign_up(server, "eve").status == 200
    assert sign_in(server, "ann").status == 200
    assert server.stop() == 0
    server.start()
    api = connect(server)
    assert {api.call("security:getUser", _id=kuid).status for kuid in [*made, "eve"]} == {200}
    assert api.call("auth:checkToken", {"token": token}).result["valid"]


def asking(verb: str, url: str, body: bytes = b"", *headers: str) -> bytes:
    """Return a request as it is sent."""
    lines = (f"{verb} {url} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *headers)
    return "\r\n".join((*lines, "", "")).encode() + body


JSON = "Content-Type: application/json"
LAST = asking("GET", "/_healthcheck", b"", "Connection: close")
WRONG = json.dumps({"username": "nobody", "password": PASSWORD}).encode()
MIXED = (
    asking("POST", "/_checkToken", b'{"token": "kauth-x"}', JSON),
    asking("GET", "/_me"),
    asking("GET", "/_me", b"", "Authorization: Bearer kauth-x"),
    asking("GET", "/_publicApi", b"", "Accept-Encoding: gzip"),
    asking("GET", "/no/such/route?x=1"),
    asking("POST", "/users/_search", b'{"query": {"exists": {"field": "name"}}}', JSON),
    asking("POST", "/_query", b'{"controller": 1}', JSON),
    asking("GET", "/strategies"),
)
HOSTILE = {
    "nested": asking("POST", "/_query", b"[" * 1_000_000, JSON),
    "members": asking("POST", "/_query", b'{"a":' * 200_000, JSON),
    "numbers": asking("POST", "/_query", b"[" + b"1," * 500_000 + b"1]", JSON),
    "empty": asking("POST", "/_query", b"[" + b"{}," * 333_000 + b"{}]", JSON),
    "digits": asking("POST", "/_query", b"9" * 1_000_000, JSON),
    "packed": asking(
        "POST", "/_query", gzip.compress(bytes(500 * MB), 9), JSON, "Content-Encoding: gzip"
    ),
    "form": asking(
        "POST", "/_query", b"a=1&" * 250_000, "Content-Type: application/x-www-form-urlencoded"
    ),
    "parameters": asking("GET", f"/_me?{'a=1&' * 15_000}"),
    "headers": asking("GET", "/_me", b"", *(f"X-{number}: y" for number in range(6_000))),
    "everything": asking("GET", "/_openapi", b"", "Accept-Encoding: gzip"),
}


async def answered(server: ThrowAwayServer, size: int, said: bytes) -> None:
    """Have many peers send the same, and read all that they get."""
    async with crowd(server, size, said + LAST) as peers:
        await asyncio.gather(*(drained(reader) for reader, _ in peers))


async def drained(reader: asyncio.StreamReader) -> None:
    """Read to the end."""
    with suppress(ConnectionError):
        while await asyncio.wait_for(reader.read(MB), 3 * PATIENCE):
            pass


@pytest.mark.anyio
async def test_six_thousand_requests_leave_little_behind(server: ThrowAwayServer) -> None:
    """REL-06: at most 96 MiB."""
    await answered(server, 4, b"".join(MIXED))
    before = memory(server)
    await answered(server, 20, b"".join(MIXED) * 38)
    assert memory(server) - before < 96 * MB


@pytest.mark.anyio
async def test_six_hundred_requests_at_once_are_borne(serve: Serve) -> None:
    """REL-06: at most 512 MiB, though each is a login."""
    server = serve(settings="")
    before = memory(server)
    await answered(server, 600, asking("POST", "/_login/local", WRONG, JSON))
    assert memory(server, peak=True) - before < 512 * MB
    assert await health(server) == 200


@pytest.mark.anyio
@pytest.mark.parametrize("name", HOSTILE)
async def test_no_request_takes_much(server: ThrowAwayServer, name: str) -> None:
    """REL-06: at most 64 MiB."""
    Path(f"/proc/{server.pid}/clear_refs").write_text("5")  # Begins a new peak.
    with growing_by_at_most(server, 64 * MB):
        await answered(server, 1, HOSTILE[name])
    assert await health(server) == 200


@pytest.mark.long
@pytest.mark.anyio
async def test_ten_thousand_sockets_are_borne(server: ThrowAwayServer) -> None:
    """REL-06: 40 KiB each, and the others are served."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        before = memory(server)
        async with crowd(server, 10_000, upgraded=True):
            assert memory(server) - before < 10_000 * 40 * 1024
            assert await health(server) == 200
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
