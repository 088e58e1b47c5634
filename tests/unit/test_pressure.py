"""Who leaves answers unread: hung up on when nothing moves, and not while something does."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import resource
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ostiary.log import Behind
from ostiary.pressure import RESERVED_FILES, Full, Room, Unread, most_connections

pytestmark = pytest.mark.anyio

MUCH = 64 * 2**20
"""Bytes: more than both ends of a connection keep for a peer that does not read."""

MANY = 2000
Pair = tuple[asyncio.WriteTransport, asyncio.StreamReader]


@asynccontextmanager
async def connected() -> AsyncIterator[Pair]:
    """Connect two ends; yield what one writes with, and what the other reads with."""
    accepted: asyncio.Future[asyncio.StreamWriter] = asyncio.get_running_loop().create_future()

    def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.set_result(writer)

    async with await asyncio.start_server(accept, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        reader, other = await asyncio.open_connection("127.0.0.1", port, limit=2**16)
        writer = await accepted
        try:
            yield writer.transport, reader
        finally:
            writer.transport.abort()
            other.transport.abort()


async def test_who_reads_nothing_is_cut_off_and_who_reads_slowly_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """REL-10"""
    monkeypatch.setattr("ostiary.pressure.STALLED", 0.4)
    monkeypatch.setattr("ostiary.pressure.LOOK", 0.05)
    unread = Unread(10 * MUCH)
    async with connected() as (silent, _), connected() as (slow, reader):
        for transport in (silent, slow):
            transport.write(bytes(MUCH))
            unread.begin(transport)
        for _ in range(10):
            await asyncio.sleep(0.1)
            await reader.readexactly(2**20)
        assert silent.is_closing()
        assert not slow.is_closing()
        assert 0 < unread.size < MUCH
        unread.end(slow)
        assert unread.size == 0


async def test_the_one_who_leaves_most_has_to_go_when_all_leave_too_much() -> None:
    """REL-06"""
    unread = Unread(MUCH)
    async with connected() as (small, _), connected() as (large, _):
        small.write(bytes(MUCH // 2))
        unread.begin(small)
        large.write(bytes(MUCH))
        unread.begin(large)
        assert large.is_closing()
        assert not small.is_closing()
        unread.end(small)


def test_a_room_holds_what_it_may_and_no_more() -> None:
    room = Room(10)
    room.take(10)
    with pytest.raises(Full):
        room.take(1)
    assert room.full
    room.take(-4)
    room.take(4)


def test_no_more_connections_than_files() -> None:
    """REL-07: what the system does not give is not promised."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert most_connections(100) == 100
    if hard != resource.RLIM_INFINITY:
        assert most_connections(hard) == hard - RESERVED_FILES


def test_lines_that_nobody_takes_are_lost_and_counted() -> None:
    """The others arrive, in their order."""
    reading, writing = os.pipe()
    handler = Behind(writing, most=50)
    for number in range(MANY):
        record = logging.LogRecord("n", logging.INFO, "", 0, "%d %s", (number, "x" * 500), None)
        handler.emit(record)
    handler.finish(0.05)
    received = bytearray()

    def arrived() -> list[int]:
        return [int(line.split()[0]) for line in received.splitlines() if b"lost" not in line]

    def lost() -> int:
        # More than once, if the pipe took some of them meanwhile.
        return sum(map(int, re.findall(rb"(\d+) lines of the log are lost: .*\n", received)))

    def read() -> None:
        while not lost() or len(arrived()) + lost() < MANY:
            received.extend(os.read(reading, 2**16))

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    thread.join(10)
    assert arrived() == sorted(arrived())
    assert lost() == MANY - len(arrived())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full: run on Linux")
def test_lines_that_a_full_disk_does_not_take_are_counted_all(tmp_path: Path) -> None:
    """REL-07: how many they were is said when there is room again."""
    file = tmp_path / "log"
    descriptor = os.open("/dev/full", os.O_WRONLY)
    handler = Behind(descriptor)
    record = logging.LogRecord("n", logging.INFO, "", 0, "line", None, None)
    for _ in range(10):
        handler.emit(record)
    handler.finish()
    with file.open("wb") as room:
        os.dup2(room.fileno(), descriptor)
    handler.emit(record)
    handler.finish()
    assert file.read_text().startswith("line\n10 lines of the log are lost")
