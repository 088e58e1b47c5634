"""The composition root: settings become stores, stores services, services an ASGI application.

Only this module sees all the others.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import secrets
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from multiprocessing import parent_process
from multiprocessing.process import BaseProcess
from threading import Thread
from typing import Any

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from ostiary import __version__, errors, log, openapi
from ostiary.actions import Registry
from ostiary.controllers import CONTROLLERS
from ostiary.dispatch import Dispatcher
from ostiary.hashing import Argon2Parameters, Hasher, HashPool
from ostiary.http import Http
from ostiary.keys import MasterKey
from ostiary.plugins import Plugins, Strategies, load_plugins
from ostiary.routes import Routes
from ostiary.services import Services
from ostiary.services.accounts import Accounts
from ostiary.services.changes import Changes
from ostiary.services.credentials import Credentials
from ostiary.services.defaults import Defaults
from ostiary.services.inventory import Inventory
from ostiary.services.journal import Journal
from ostiary.services.kuid import ADJECTIVES, ANIMALS
from ostiary.services.limits import Limits
from ostiary.services.logins import Logins
from ostiary.services.profiles import Profiles
from ostiary.services.roles import Roles
from ostiary.services.signing import SigningKeys
from ostiary.services.tokens import Lifetimes, Tokens
from ostiary.services.users import Users
from ostiary.settings import Settings
from ostiary.storage import Backend, StorageError, Store, migrate
from ostiary.storage.store import CORE
from ostiary.websocket import WebSockets

logger = logging.getLogger(__name__)

MASTER_KEY_FILE = "master.key"
REMEMBERED = 50_000
"""Sessions, and accounts, that a process keeps in memory."""

HOUSEKEEPING = 10
"""Seconds between two rounds of sweeping and purging."""

BATCH = 200


@dataclass(frozen=True, slots=True)
class Core:
    """An open server, short of a network."""

    settings: Settings
    plugins: Plugins
    services: Services
    stores: Mapping[str, Store]
    signing_keys: SigningKeys
    setup_secret: str = field(repr=False)


def now() -> int:
    """Return the time: milliseconds since the epoch, UTC."""
    return time.time_ns() // 1_000_000


def find_plugins(settings: Settings) -> Plugins:
    """Load the plugins that are installed, with their settings."""
    plugins = settings.plugins
    allow = None if plugins.allow is None else list(plugins.allow)
    return load_plugins(plugins.tables, allow, dev=settings.dev, version=__version__)


def load_master_key(settings: Settings) -> MasterKey:
    """Return the master key; with SQLite it is made beside the stores at the first start."""
    on_sqlite = settings.database.url is None
    # A key made beside stores that are there would be the wrong one.
    new = on_sqlite and not (settings.data.dir / f"{CORE}.db").exists()
    return MasterKey.load(
        environment=settings.security.master_key,
        command=settings.security.master_key_command,
        file=settings.data.dir / MASTER_KEY_FILE if on_sqlite else None,
        create=new,
    )


def make_backend(settings: Settings, master: MasterKey) -> Backend:
    """Return the database that holds the stores."""
    database = settings.database
    if database.url is None:
        from ostiary.storage.sqlite import SQLite

        return SQLite(settings.data.dir, master=master)
    from ostiary.storage.postgresql import PostgreSQL

    return PostgreSQL(
        database.url,
        master=master,
        listen_url=database.listen_url,
        migrator_url=database.migrator_url,
        isolation=database.isolation,
        prepared_statements=database.prepared_statements,
        passwords=database.passwords,
    )


@asynccontextmanager
async def open_core(
    settings: Settings, plugins: Plugins, master: MasterKey, backend: Backend
) -> AsyncIterator[Core]:
    """Open every store and make the services; plugins whose tables are not ready stay out."""
    async with AsyncExitStack() as stack:
        stack.push_async_callback(backend.close)
        plugins = await _ready(plugins, backend)
        hashing = settings.security.hashing
        pool = HashPool(hashing.threads, hashing.queue, hashing.nice)
        stack.callback(pool.close)
        costs = Argon2Parameters(hashing.time_cost, hashing.memory_cost, hashing.parallelism)
        stores: dict[str, Store] = {}
        for name in (CORE, *(plugin.name for plugin in plugins.loaded if plugin.storage)):
            hasher = Hasher(master.pepper(name), costs, pool)
            stores[name] = await backend.open(name, hasher=hasher, sealer=master.sealer(name))
        watch = await backend.watch(CORE)
        stack.push_async_callback(watch.close)
        instance = await backend.presence.join()
        stack.push_async_callback(backend.presence.leave)
        changes = Changes(stores[CORE], watch, backend.announce, now)
        signing_keys = SigningKeys(stores[CORE], now)
        strategies = Strategies(plugins, stores)
        journal = Journal(stores[CORE], strategies, backend.presence, instance, now)
        services = _services(settings, stores[CORE], strategies, journal, changes, signing_keys)
        secret = settings.security.setup_secret or master.setup_secret()
        yield Core(settings, plugins, services, stores, signing_keys, secret)


async def check_wrappers(core: Core) -> None:
    """Refuse to go on without a plugin that took part in the logins of others (decision 26).

    :raises StorageError: it may have asked for a second factor, and would do so no more.
    """
    gone = await core.services.inventory.gone(core.plugins.loaded)
    if wrappers := [plugin.name for plugin in gone if plugin.wraps]:
        raise StorageError(
            f"the plugin {', '.join(wrappers)} took part in every login and is gone; install it "
            "again, or do without it from now on with `ostiary plugins disable NAME`"
        )


class Application:
    """The ASGI application of one process.

    HTTP goes to the adapter at once; Starlette carries the life of the process and WebSockets.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._http: Http | None = None
        self._around: ASGIApp = Starlette(lifespan=self._lifespan)
        self._ready = False

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one ASGI connection."""
        if scope["type"] == "http" and self._http is not None:
            return self._http(scope, receive, send)
        return self._around(scope, receive, send)

    @asynccontextmanager
    async def _lifespan(self, around: Starlette) -> AsyncIterator[None]:
        settings = self._settings
        master = load_master_key(settings)
        plugins = find_plugins(settings)
        backend = make_backend(settings, master)
        async with open_core(settings, plugins, master, backend) as core:
            await check_wrappers(core)
            await core.signing_keys.load()
            await core.services.changes.start()
            await core.stores[CORE].hasher.prepare()
            self._serve(core, around)
            stopping = asyncio.Event()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(keep_house(core.services, stopping))
                self._ready = True
                # What is there now stays: the collector need not walk it again and again.
                gc.collect()
                gc.freeze()
                yield
                self._ready = False
                stopping.set()

    def _serve(self, core: Core, around: Starlette) -> None:
        settings = self._settings
        registry = make_registry()
        origins = settings.http.access_control_allow_origin
        dispatcher = Dispatcher(
            registry,
            core.services,
            node=settings.server.name or _node_name(),
            setup_secret=core.setup_secret,
            capacity=settings.server.max_requests_in_flight,
            origins=origins,
        )

        async def ready() -> bool:
            try:
                return self._ready and await core.services.changes.reachable()
            except errors.OstiaryError:
                return False

        self._http = Http(
            dispatcher,
            Routes(registry),
            ready,
            largest=settings.server.max_request_size,
            credentialed=frozenset(origins) - {"*"},
            secrets_in_urls=settings.http.allow_credentials_in_url,
            over_https=(settings.server.public_url or "").startswith("https:"),
        )
        around.router.routes.append(WebSocketRoute("/{path:path}", WebSockets(dispatcher)))


@dataclass(frozen=True, slots=True)
class MakeApplication:
    """Makes the application in each process of the server; can be sent to another process."""

    settings: Settings

    def __call__(self) -> Application:
        """Return the application of this process."""
        log.set_up(self.settings.logging.level)
        if (parent := parent_process()) is not None:
            Thread(target=_follow, args=(parent,), daemon=True).start()
        return Application(self.settings)


def _follow(parent: BaseProcess) -> None:
    """Stop this worker when the process that started it is gone: nobody else would."""
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


@cache
def make_registry() -> Registry:
    """Return every action of the API."""
    return Registry(CONTROLLERS)


async def keep_house(services: Services, stopping: asyncio.Event) -> None:
    """Undo what ended processes left half done and remove what has expired, until told to stop."""
    while not stopping.is_set():
        try:
            await services.journal.sweep()
            while not stopping.is_set() and await services.tokens.purge(BATCH) == BATCH:
                pass
            await services.changes.purge(BATCH)
        except errors.OstiaryError as error:
            logger.warning("housekeeping is put off: %s", error.id)
        except Exception as error:  # noqa: BLE001 - it would end the whole process
            logger.error("housekeeping failed: %s", log.origin(error))  # noqa: TRY400
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), HOUSEKEEPING)


async def _ready(plugins: Plugins, backend: Backend) -> Plugins:
    """Leave out the plugins whose tables could not be brought up to date."""
    for plugin in plugins.loaded:
        if plugin.storage is None:
            continue
        status = await migrate.status(backend, plugin.name, plugin.storage)
        if status.behind:
            reason = f"its tables are not at revision {status.newest}; see the log of the start"
            plugins = plugins.without(plugin.name, reason)
    return plugins


def _services(
    settings: Settings,
    store: Store,
    strategies: Strategies,
    journal: Journal,
    changes: Changes,
    signing_keys: SigningKeys,
) -> Services:
    security, life = settings.security, settings.security.auth_token
    profiles = Profiles(store, Roles(store))
    users = Users(store, profiles, strategies, journal, changes, now)
    accounts = Accounts(users, profiles, changes, REMEMBERED)
    lifetimes = Lifetimes(life.expires_in, life.max_ttl, life.grace_period)
    tokens = Tokens(store, signing_keys, accounts, changes, lifetimes, now, REMEMBERED)
    standard = security.standard
    return Services(
        strategies=strategies,
        accounts=accounts,
        changes=changes,
        credentials=Credentials(store, strategies, users, journal, changes, now),
        defaults=Defaults(
            store, changes, now, standard.roles.by_id(), standard.profiles.rate_limits()
        ),
        inventory=Inventory(store, now),
        journal=journal,
        limits=Limits(settings.limits.logins_per_second, now),
        logins=Logins(
            strategies, accounts, users, tokens, changes, list(security.restricted_profile_ids)
        ),
        profiles=profiles,
        tokens=tokens,
        users=users,
        public_api=lambda: make_registry().public_api(),
        openapi=_openapi,
        restricted_profile_ids=security.restricted_profile_ids,
        secrets_in_urls=settings.http.allow_credentials_in_url,
    )


@cache
def _openapi() -> dict[str, Any]:
    return openapi.document(make_registry(), __version__)


def _node_name() -> str:
    adjective, animal = secrets.choice(ADJECTIVES), secrets.choice(ANIMALS)
    return f"knode-{adjective}-{animal}-{secrets.randbelow(100_000)}"
