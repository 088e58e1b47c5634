"""The ASGI application of one process: the services behind adapters."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import secrets
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from multiprocessing import parent_process
from multiprocessing.process import BaseProcess
from threading import Thread, Timer, current_thread, main_thread
from typing import Any, get_args

from msgspec import Struct
from starlette.routing import Router, WebSocketRoute
from starlette.types import Receive, Scope, Send

from ostiary import errors, log
from ostiary.background_hooks import BackgroundHooks
from ostiary.composition import Core, find_plugins, make_backend, open_core
from ostiary.controllers.auth import describe_strategies
from ostiary.dispatch import Dispatcher
from ostiary.failsafe import FailsafeDispatcher
from ostiary.front import Front
from ostiary.housekeeping import keep_house, watch_tokens
from ostiary.http import Http
from ostiary.http_answers import CONNECTIONS, Answers
from ostiary.key_settings import load_master_key
from ostiary.origins import Origins
from ostiary.pages.behind import Behind
from ostiary.pressure import PRESSURE, Pressure, most_connections
from ostiary.proxies import Proxies
from ostiary.request import Protocol
from ostiary.routes import Routes
from ostiary.services import Services
from ostiary.services.inventory import disabled
from ostiary.services.kuid import ADJECTIVES, ANIMALS
from ostiary.services.rights import Grant, Rights
from ostiary.settings import Settings
from ostiary.watchdog import Watchdog
from ostiary.websocket import WebSockets

logger = logging.getLogger(__name__)

FROZEN = 70
"""Exit status of a process that a plugin has frozen (EX_SOFTWARE)."""

PATIENCE = 10.0
"""Seconds that everything gets to end after the last request."""


class Application:
    """The ASGI application of one process.

    HTTP goes to the adapter at once; Starlette carries the life of the process and WebSockets.

    :param stop: stops the server, all its processes.
    :param watchdog: breaks off plugins that block the process.
    :param ending: is called when the process begins to end.
    """

    def __init__(
        self,
        settings: Settings,
        stop: Callable[[], None],
        *,
        watchdog: Watchdog | None = None,
        ending: Callable[[], None] = lambda: None,
    ) -> None:
        self._settings, self._stop, self._ending = settings, stop, ending
        self._watchdog = watchdog or Watchdog()
        trusted = settings.server.trusted_proxies
        self._proxies = Proxies(trusted) if trusted else None
        self._http: Http | None = None
        self._around = Router(lifespan=self._lifespan)
        self._state: dict[str, Any] = {}
        self._ready = False
        self._pressure = Pressure(most_connections(settings.server.max_connections))

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one ASGI connection."""
        if self._proxies is not None and scope["type"] != "lifespan":
            self._proxies.locate(scope)
        if scope["type"] == "http" and self._http is not None:
            return self._http(scope, receive, send)
        if scope["type"] == "lifespan":
            self._state = scope.get("state", {})
            self._state[PRESSURE] = self._pressure
        return self._around(scope, receive, send)

    @asynccontextmanager
    async def _lifespan(self, _: object) -> AsyncIterator[None]:
        settings = self._settings
        master = load_master_key(settings)
        backend = make_backend(settings, master)
        plugins = find_plugins(settings, await disabled(backend))
        async with open_core(settings, plugins, master, backend, self._watchdog) as core:
            if not settings.failsafe:
                await core.services.door.look()
            await core.signing_keys.load()
            await core.services.changes.start()
            self._serve(core)
            stopping = asyncio.Event()
            sides = core.services.plugin_sides
            background = BackgroundHooks(core.plugins, sides, self._watchdog)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(keep_house(core.services, stopping))
                tasks.create_task(watch_tokens(core.services, stopping))
                self._ready = True
                # What is there now stays, and the little garbage in it is not worth a search.
                gc.freeze()
                gc.enable()
                background.start()
                self._await_the_end()
                yield
                self._ready = False
                self._ending()
                stopping.set()
                await background.stop()
                await core.services.background.finish()

    def _await_the_end(self) -> None:
        """Hear first when the process is told to stop; what uvicorn does then comes later."""
        if current_thread() is not main_thread():
            return
        loop = asyncio.get_running_loop()
        stops: dict[int, Any] = {
            number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)
        }
        for number in stops:
            signal.signal(
                number, lambda told, _: loop.call_soon_threadsafe(self._end, stops[told], told)
            )

    def _end(self, stop: Callable[[int, None], None], number: int) -> None:
        """Answer for a while as a server that is not ready; when told again, no longer."""
        drain = 0.0 if self._pressure.stopping else self._settings.server.drain / 1000
        self._pressure.stopping = True
        for connection in self._state.get(CONNECTIONS, ()):
            connection.keeps = False
        asyncio.get_running_loop().call_later(drain, stop, number, None)

    def _serve(self, core: Core) -> None:
        settings = self._settings
        registry = core.registry
        origins = _origins(settings)
        dispatcher = (FailsafeDispatcher if settings.failsafe else Dispatcher)(
            registry,
            core.services,
            node=settings.server.name or _node_name(),
            setup_secret=core.setup_secret,
            capacity=settings.server.max_requests_in_flight,
            origins=origins,
        )
        core.services.shutdown.stop_with(self._stop)
        self._measure(core.services, dispatcher)
        answers = Answers(dispatcher.node, origins, over_https=settings.server.over_https)

        async def ready() -> bool:
            try:
                if not self._ready or self._pressure.stopping:
                    return False
                return await core.services.changes.reachable()
            except errors.OstiaryError:
                return False

        self._http = Http(
            dispatcher,
            Routes(registry),
            ready,
            answers,
            self._front(core, dispatcher, origins),
            room=self._pressure.incoming,
            largest=settings.server.max_request_size,
            secrets_in_urls=settings.http.allow_credentials_in_url,
            logged=settings.logging.access and settings.logging.level in ("debug", "info"),
        )
        sockets = WebSockets(
            dispatcher,
            core.services.connections,
            settings.limits.websocket_messages_per_second,
            self._pressure.unsent,
        )
        self._around.routes.append(WebSocketRoute("/{path:path}", sockets))

    def _front(self, core: Core, dispatcher: Dispatcher, origins: Origins) -> Front | None:
        settings = self._settings
        if not settings.serves_pages:
            return None
        behind = Behind(
            settings=settings.pages,
            return_addresses=settings.security.return_addresses,
            dispatcher=dispatcher,
            cookies=core.services.cookies,
            origins=origins,
            strategies=partial(describe_strategies, core.services),
            key=core.forms_key,
            packages=tuple(plugin.package for plugin in core.plugins.loaded if plugin.package),
        )
        return Front(behind)

    def _measure(self, services: Services, dispatcher: Dispatcher) -> None:
        """Have everything counted that somebody may ask for."""
        metrics, rooms = services.metrics, services.rooms
        metrics.measure("requests", lambda: dispatcher.running)
        metrics.measure("rooms", lambda: len(rooms))
        metrics.measure("subscriptions", lambda: rooms.subscriptions)
        for protocol in get_args(Protocol):
            metrics.measure(protocol, partial(self._connections, protocol))

    def _connections(self, protocol: Protocol) -> int:
        """Count the open connections of a protocol, which uvicorn keeps."""
        connections = self._state.get(CONNECTIONS, ())
        return sum(connection.speaks == protocol for connection in connections)


class MakeApplication(Struct, frozen=True):
    """Makes the application in each process of the server; can be sent to another process."""

    settings: Settings

    def __call__(self) -> Application:
        """Return the application of this process."""
        log.set_up(self.settings.logging.level, behind=True)
        main = os.getpid()
        if (parent := parent_process()) is not None:
            Thread(target=_follow, args=(parent,), daemon=True).start()
            main = parent.pid or main
        return Application(
            self.settings,
            partial(os.kill, main, signal.SIGTERM),
            watchdog=Watchdog(give_up=partial(_leave, FROZEN)),
            ending=_end_for_certain,
        )


def _follow(parent: BaseProcess) -> None:
    """Stop this worker when the process that started it is gone: nobody else would."""
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


def _end_for_certain() -> None:
    """End this process in a while, even if what a plugin has begun does not end."""

    def end() -> None:
        logger.error("something that a plugin has begun does not end; the process ends without it")
        _leave(0)

    timer = Timer(PATIENCE, end)
    timer.daemon = True
    timer.start()


def _leave(status: int) -> None:
    """End this process now, and whatever goes on in it."""
    log.finish()
    os._exit(status)


def _origins(settings: Settings) -> Origins:
    strangers = None
    if settings.dev:
        closed = Grant(settings.security.standard.roles.anonymous.controllers)
        strangers = Rights((closed,)).allow
    listed, url = settings.http.access_control_allow_origin, settings.server.public_url
    return Origins(listed, url, strangers)


def _node_name() -> str:
    adjective, animal = secrets.choice(ADJECTIVES), secrets.choice(ANIMALS)
    return f"knode-{adjective}-{animal}-{secrets.randbelow(100_000)}"
