"""What clients that are slow, and sockets that say nothing, cost those that check tokens.

Needs wrk (Debian: apt-get install wrk) and two cores: the server has one, the clients the other.

    python bench/slow_clients.py [--seconds 5] [--rounds 3] [--keep]
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from driving import CLIENT_CORE, ostiary, posting, sign_up, wrk
from goals import at_least, in_rounds, report

SLOW, IDLE = 300, 600
PAUSE = 1.0
"""Seconds between two bytes of a slow client."""

HEAD = b"POST /_checkToken HTTP/1.1\r\nHost: x\r\nX-Padding: " + b"x" * 10_000
UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


def main() -> None:
    """Measure with and without them in turn, so that the machine's speed falls on both alike."""
    options = in_rounds(__doc__, seconds=5).parse_args()
    os.sched_setaffinity(0, {int(CLIENT_CORE)})
    shares = []
    with tempfile.TemporaryDirectory() as folder, ostiary(folder, "--dev") as url:
        check = posting({"token": sign_up(url)}, '"valid":true')
        for _ in range(options.rounds):
            alone = wrk(f"{url}/_checkToken", check, options.seconds)
            with crowd(url):
                beside = wrk(f"{url}/_checkToken", check, options.seconds)
            shares.append(beside.rate / alone.rate)
            print(
                f"{alone.rate:,.0f}/s alone, {beside.rate:,.0f}/s beside {SLOW} slow, {IDLE} idle"
            )
    what = f"checks beside {SLOW} slow and {IDLE} idle clients"
    report([at_least("REL-10", what, statistics.median(shares), 0.9)], keep=options.keep)


@contextmanager
def crowd(url: str) -> Iterator[None]:
    """Have slow and idle clients connected until the block ends."""
    loop, ready = asyncio.new_event_loop(), threading.Event()
    gathered: list[asyncio.Task[None]] = []

    async def gather() -> None:
        port = urlsplit(url).port
        clients = [drip(port) for _ in range(SLOW)] + [idle(port) for _ in range(IDLE)]
        gathered.append(asyncio.current_task())  # type: ignore[arg-type]
        running = [asyncio.ensure_future(client) for client in clients]
        await asyncio.sleep(2)
        ready.set()
        await asyncio.gather(*running)

    def run() -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(gather())
        except asyncio.CancelledError:
            loop.run_until_complete(asyncio.sleep(0.1))

    thread = threading.Thread(target=run)
    thread.start()
    ready.wait()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(gathered[0].cancel)
        thread.join()
        loop.close()


async def drip(port: int | None) -> None:
    """Send a head that never ends, byte by byte, again and again."""
    while True:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            for byte in HEAD:
                writer.write(bytes((byte,)))
                await writer.drain()
                await asyncio.sleep(PAUSE)
                if reader.at_eof():
                    break
        except ConnectionError:
            await asyncio.sleep(PAUSE)
        finally:
            writer.transport.abort()


async def idle(port: int | None) -> None:
    """Open a WebSocket that asks nothing, and answers no ping."""
    while True:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(UPGRADE)
            while await reader.read(1024):
                pass
        except ConnectionError:
            await asyncio.sleep(PAUSE)
        finally:
            writer.transport.abort()


if __name__ == "__main__":
    main()
