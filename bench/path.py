"""What a request costs the process that answers it: microseconds of its CPU, without a network.

Bytes are handed to uvicorn's protocol classes as a transport would hand them, on 16 connections in
turn; what they write is looked at and dropped. Other load on the machine hardly changes the figures.

    python bench/path.py [--seconds 1] [--rounds 5] [--dev] [--profile CASE]
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import json
import pstats
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import process_time
from typing import Any

import bare
import uvicorn
import uvloop
from driving import CONNECTIONS, CREDENTIALS, SECRET
from uvicorn.lifespan.on import LifespanOn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from ostiary.app import Application
from ostiary.serving import configuration
from ostiary.settings import Settings, load
from ostiary.startup import prepare

HEAD = "{} HTTP/1.1\r\nHost: 127.0.0.1:7512\r\n{}\r\n\r\n"
POSTED = "Content-Type: application/json\r\nContent-Length: {}"
NAMED = "Ann"
LIMIT = 1_000_000


@dataclass(frozen=True)
class Served:
    """An application, and what uvicorn's protocol classes want beside it."""

    config: uvicorn.Config
    app_state: dict[str, Any] = field(default_factory=dict)
    state: ServerState = field(default_factory=ServerState)


class Peer(asyncio.Transport):
    """The other end of a connection; it keeps what was written to it."""

    def __init__(self, kind: Callable[..., Any], served: Served) -> None:
        super().__init__({"sockname": ("127.0.0.1", 7512), "peername": ("127.0.0.1", 40_000)})
        self._protocol = kind(served.config, served.state, served.app_state)
        self.written: list[bytes] = []
        self.write: Callable[[Any], None] = self.written.append  # type: ignore[method-assign]
        self._protocol.connection_made(self)
        self.send: Callable[[bytes], None] = self._protocol.data_received

    def get_protocol(self) -> Any:
        """Return what speaks at this end."""
        return self._protocol

    def is_closing(self) -> bool:
        """Tell that it is open."""
        return False

    def get_write_buffer_size(self) -> int:
        """Tell that all is read at once."""
        return 0

    def close(self) -> None:
        """Stay open."""

    def pause_reading(self) -> None:
        """Read on."""

    def resume_reading(self) -> None:
        """Read on."""


async def answered(peer: Peer, request: str) -> bytes:
    """Send a request, and return the whole answer."""
    asyncio.get_running_loop().call_soon(peer.send, request.encode())
    # Each turn of the loop counts here.
    while not (answer := b"".join(peer.written)).partition(b"\r\n\r\n")[2]:  # noqa: ASYNC110
        await asyncio.sleep(0)
    peer.written.clear()
    return answer


async def driven(peers: list[Peer], request: bytes, wanted: bytes, seconds: float) -> float:
    """Ask for a while; return microseconds of CPU for each answer."""
    loop = asyncio.get_running_loop()

    def ask() -> None:
        for peer in peers:
            peer.send(request)

    began, count = process_time(), 0
    while process_time() - began < seconds:
        for _ in range(50):
            # Nothing is sent to a transport by a task.
            loop.call_soon(ask)
            while not peers[-1].written:  # noqa: ASYNC110
                await asyncio.sleep(0)
            for peer in peers:
                peer.written.clear()
        count += 50 * len(peers)
    spent = process_time() - began
    answer = await answered(peers[0], request.decode())
    if wanted not in answer:
        raise SystemExit(f"wrong answer: {answer!r}")
    return spent / count * 1e6


def posted(target: str, body: Any, more: str = "") -> str:
    """Return a request with a JSON body."""
    text = json.dumps(body)
    return HEAD.format(f"POST {target}", more + POSTED.format(len(text))) + text


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[Served]:
    """Run the application as uvicorn does, without listening."""
    await prepare(settings)
    config = configuration(settings, lambda: Application(settings, lambda: None))
    config.load()
    lifespan = LifespanOn(config)
    await lifespan.startup()
    try:
        yield Served(config, lifespan.state)
    finally:
        await lifespan.shutdown()


async def sign_up(served: Served) -> str:
    """Create a user with the default profile and return a token of theirs."""
    peer = Peer(served.config.http, served)  # type: ignore[arg-type]
    content = {"profileIds": ["default"], "name": NAMED}
    first = {
        "content": {"name": "Root"},
        "credentials": {"local": {**CREDENTIALS, "username": "root"}},
    }
    made = await answered(
        peer, posted("/_createFirstAdmin/root", first, f"X-Ostiary-Setup: {SECRET}\r\n")
    )
    assert b'"status":200' in made, made
    answer = await answered(peer, posted("/_login/local", {**CREDENTIALS, "username": "root"}))
    root = json.loads(answer.partition(b"\r\n\r\n")[2])["result"]["jwt"]
    new = {"content": content, "credentials": {"local": CREDENTIALS}}
    made = await answered(peer, posted("/users/_create", new, f"Authorization: Bearer {root}\r\n"))
    assert b'"status":200' in made, made
    answer = await answered(peer, posted("/_login/local", CREDENTIALS))
    token: str = json.loads(answer.partition(b"\r\n\r\n")[2])["result"]["jwt"]
    return token


def settings_in(folder: Path, *, dev: bool) -> Settings:
    """Return settings for stores that nobody else uses."""
    overrides = {
        "data.dir": str(folder),
        "logging.level": "warning",
        "security.setupSecret": SECRET,
        # Requests are counted, and none is refused.
        "security.standard.profiles.default.rateLimit": LIMIT,
        "security.standard.profiles.anonymous.rateLimit": LIMIT,
    }
    return load(config=None, environment={}, overrides=overrides, dev=dev)


def main() -> None:
    """Measure in turn, so that a change of the machine's speed falls on all alike."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=0.1)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--dev", action="store_true")
    parser.add_argument("--profile", metavar="CASE", default="")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = settings_in(Path(folder), dev=options.dev)
        results = uvloop.run(measured(settings, options))
    for name, times in results.items():
        print(f"{name:20}{min(times):8.2f} µs")


async def measured(settings: Settings, options: argparse.Namespace) -> dict[str, list[float]]:
    """Return what each answer took, in microseconds, in each round."""
    async with serving(settings) as served:
        token = await sign_up(served)
        cases = cases_of(served, token)
        results: dict[str, list[float]] = {}
        if options.profile:
            with cProfile.Profile() as profile:
                await driven(*cases[options.profile], options.seconds)
            pstats.Stats(profile).sort_stats("tottime").print_stats(60)
            return {}
        for _ in range(options.rounds):
            for name, case in cases.items():
                results.setdefault(name, []).append(await driven(*case, options.seconds))
        return results


def cases_of(served: Served, token: str) -> dict[str, tuple[list[Peer], bytes, bytes]]:
    """Return what is measured: connections, request, and what the answer has to hold."""
    config = uvicorn.Config(bare.app, log_config=None, access_log=False, server_header=False)
    config.load()
    yardstick = Served(config)
    get = HEAD.format("GET /", "X-A: b").encode()
    check = posted("/_checkToken", {"token": token}).encode()
    me = HEAD.format("GET /_me", f"Authorization: Bearer {token}").encode()

    def peers(kind: Any, of: Served) -> list[Peer]:
        return [Peer(kind, of) for _ in range(CONNECTIONS)]

    own = served.config.http
    return {
        "bare": (peers(HttpToolsProtocol, yardstick), get, b'"status":200'),
        "bare, own class": (peers(own, yardstick), get, b'"status":200'),
        "check": (peers(own, served), check, b'"valid":true'),
        "me": (peers(own, served), me, NAMED.encode()),
        "check, stock": (peers(HttpToolsProtocol, served), check, b'"valid":true'),
        "me, stock": (peers(HttpToolsProtocol, served), me, NAMED.encode()),
    }


if __name__ == "__main__":
    main()
