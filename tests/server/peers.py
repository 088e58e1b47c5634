"""Many peers of a server at once, on bare sockets: what they send, and what they leave unread."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from ostiary.testing.server import ThrowAwayServer

HEALTH = b"GET /_healthcheck HTTP/1.1\r\nHost: x\r\n\r\n"
UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
AT_ONCE = 200
"""Connections that are opened at the same time; the queue of those not yet accepted has an end."""

MB = 2**20
Peer = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def crowd(
    server: ThrowAwayServer, size: int, said: bytes = b"", *, upgraded: bool = False
) -> AsyncIterator[list[Peer]]:
    """Open many connections.

    :param said: what each of them sends, and reads nothing.
    :param upgraded: they are WebSockets.
    """
    gate, peers = asyncio.Semaphore(AT_ONCE), list[Peer]()

    async def open_one() -> None:
        async with gate:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1024)
            peers.append((reader, writer))
            if upgraded:
                writer.write(UPGRADE)
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
            writer.write(said)

    try:
        await asyncio.gather(*(open_one() for _ in range(size)))
        yield peers
    finally:
        for _, writer in peers:
            writer.transport.abort()


async def status(peer: Peer) -> int:
    """Read the first line of an answer; 0 if the connection is closed without one."""
    line = await asyncio.wait_for(peer[0].readline(), 20)
    return int(line.split()[1]) if line else 0


async def health(server: ThrowAwayServer) -> int:
    """Ask as a balancer does, on a connection of its own."""
    async with crowd(server, 1, HEALTH) as (peer,):
        return await status(peer)


def frame(message: bytes) -> bytes:
    """Return a text frame of a client, under a mask that changes nothing."""
    size = len(message)
    if size < 126:
        head = bytes((0x81, 0x80 | size))
    elif size < 2**16:
        head = b"\x81\xfe" + size.to_bytes(2)
    else:
        head = b"\x81\xff" + size.to_bytes(8)
    return head + bytes(4) + message


def memory(server: ThrowAwayServer, *, peak: bool = False) -> int:
    """Return the bytes that its process has in memory, or had at most (Linux)."""
    name = "VmHWM" if peak else "VmRSS"
    for line in Path(f"/proc/{server.pid}/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024
    raise ValueError(f"no {name}")
