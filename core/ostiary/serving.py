"""Running the application under uvicorn, in one process or several."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable
from contextlib import suppress
from socket import socket
from types import FrameType
from typing import Literal

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.supervisors import Multiprocess

from ostiary import log
from ostiary.app import Application, MakeApplication
from ostiary.settings import Settings
from ostiary.storage import StorageError
from ostiary.websocket_protocol import BoundedWebSocket

logger = logging.getLogger(__name__)

Listening = Callable[[int], None]

PING_EVERY, PING_WAIT = 30.0, 20.0
"""Seconds; with the ten that a peer has to read how its socket ends, a dead one is gone in 60."""

KEEP_ALIVE = 75
WORKER_PATIENCE = 30
"""Seconds that a process may be silent before it is replaced; a slow machine starts slowly."""

GRACE = 10
"""Seconds that running requests get when the server is told to stop."""

NOT_STARTED = "the server could not start; the log says why"

TICK = 1.0
"""Seconds between two looks at the clock, for the header ``Date``."""


class Workers(Multiprocess):
    """Starts the processes that answer, and replaces those that are gone."""

    def keep_subprocess_alive(self) -> None:
        """Replace those that are gone."""
        for process in self.processes:
            # With this end open one that dies while it is asked is waited for until it is late.
            process.child_conn.close()
        super().keep_subprocess_alive()

    def terminate_all(self) -> None:
        """Tell them to stop; when none of them listens any more, nobody does."""
        super().terminate_all()
        for listener in self.sockets:
            listener.close()


class Server(uvicorn.Server):
    """uvicorn's server, which wakes up when it is told to stop, and not ten times a second to see.

    :param listening: is told the port, once there is one.
    """

    def __init__(self, config: uvicorn.Config, listening: Listening) -> None:
        super().__init__(config)
        self._listening = listening
        self._told = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Begin to listen, and tell where."""
        await super().startup(sockets)
        self._listening(_port(self.servers[0].sockets[0]))

    async def main_loop(self) -> None:
        """Serve until told to stop."""
        self._loop = asyncio.get_running_loop()
        # Every tenth of uvicorn's ticks renews the header; all of these are such.
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._told.wait(), TICK)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take note of a signal that says stop."""
        super().handle_exit(sig, frame)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._told.set)


def run(settings: Settings, listening: Listening) -> None:
    """Serve until a signal says stop.

    :param listening: is told the port that the server listens on, which may be any free one.
    """
    config = configuration(settings, MakeApplication(settings))
    if settings.server.workers > 1:
        # Who looks after the others may not wait either.
        log.set_up(settings.logging.level, behind=True)
        try:
            bound = config.bind_socket()
        except SystemExit:
            listening(settings.server.port)
            raise StorageError(NOT_STARTED) from None
        listening(_port(bound))
        Workers(config, sockets=[bound]).run()
        return
    # uvicorn stops gracefully and raises the signal again: to have stopped as told is no failure.
    for stop in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stop, lambda _signal, _frame: None)
    program = Server(config, listening)
    # What cannot listen exits by itself, with a status of its own.
    with suppress(SystemExit):
        program.run()
    if not program.started:
        # What is told once is told now: the next start will not.
        listening(settings.server.port)
        raise StorageError(NOT_STARTED)
    if not program.should_exit:
        raise StorageError("something has ended the server that was not asked to; see the log")


def configuration(settings: Settings, make: Callable[[], Application]) -> uvicorn.Config:
    """Return how uvicorn serves the application that is made in each process."""
    server = settings.server
    return uvicorn.Config(
        make,
        factory=True,
        interface="asgi3",
        host=server.host,
        port=server.port,
        workers=server.workers,
        log_config=None,
        access_log=False,
        server_header=False,
        # The application has its own: this one takes what is no address for one.
        proxy_headers=False,
        http=protocol_of(server.protocol),
        ws=BoundedWebSocket,
        ws_max_size=server.max_request_size,
        ws_ping_interval=PING_EVERY,
        ws_ping_timeout=PING_WAIT,
        ws_per_message_deflate=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=GRACE,
        timeout_worker_healthcheck=WORKER_PATIENCE,
        lifespan="on",
        # A request that waited for another on its connection would inherit what that one set.
        reset_contextvars=True,
    )


def _port(listener: socket) -> int:
    port: int = listener.getsockname()[1]
    return port


def protocol_of(name: Literal["bounded", "stock"]) -> type[asyncio.Protocol]:
    """Return the class that speaks HTTP: uvicorn's, where ours does not fit it."""
    if name == "stock":
        return HttpToolsProtocol
    try:
        from ostiary.http_names import differing
        from ostiary.http_pressure import PressedProtocol

        names = differing()
        if not names:
            return PressedProtocol
    except ImportError as error:
        names = [str(error)]
    logger.warning(
        "this is not the uvicorn that Ostiary was made for (%s): HTTP is slower, and nothing "
        "but a proxy keeps slow clients away",
        ", ".join(names),
    )
    return HttpToolsProtocol
