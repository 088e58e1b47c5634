"""Composing the server: settings become stores, stores services.

Only this module and ``app`` see all the others.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from ostiary import __version__, openapi
from ostiary.actions import Registry
from ostiary.controllers import CONTROLLERS
from ostiary.cookies import Cookies
from ostiary.hashing import Argon2Parameters, Hasher, HashPool
from ostiary.keys import MasterKey
from ostiary.plugin_loading import load_plugins
from ostiary.plugins import Plugins, Strategies, listeners
from ostiary.services import Services
from ostiary.services.about import About
from ostiary.services.accounts import Accounts
from ostiary.services.activity import Activity
from ostiary.services.api_keys import ApiKeys
from ostiary.services.audit_log import AuditLog
from ostiary.services.authority import Authority
from ostiary.services.background import Background
from ostiary.services.changes import Changes
from ostiary.services.connections import Connections
from ostiary.services.credentials import Credentials
from ostiary.services.defaults import Defaults
from ostiary.services.deliveries import Deliveries
from ostiary.services.events import Events
from ostiary.services.grants import Grants
from ostiary.services.health import Health
from ostiary.services.inventory import Inventory
from ostiary.services.journal import Journal
from ostiary.services.key_ring import KeyRing
from ostiary.services.lifetimes import ENDLESS, Lifetimes
from ostiary.services.limits import Limits
from ostiary.services.loading import Loading
from ostiary.services.locks import Locks
from ostiary.services.login_limits import LoginLimits
from ostiary.services.logins import Logins
from ostiary.services.lookup import Lookup
from ostiary.services.mappings import Mappings
from ostiary.services.metrics import Metrics
from ostiary.services.native import Names
from ostiary.services.places import Places
from ostiary.services.profiles import Profiles
from ostiary.services.refusals import Refusals
from ostiary.services.resets import Resets
from ostiary.services.roles import Roles
from ostiary.services.rooms import Rooms
from ostiary.services.search import Search
from ostiary.services.search.scrolls import Scrolls
from ostiary.services.sessions import Sessions
from ostiary.services.shutdown import Shutdown
from ostiary.services.signing import SigningKeys
from ostiary.services.statuses import Statuses
from ostiary.services.subjects import Allowances
from ostiary.services.tokens import Tokens
from ostiary.services.users import Users
from ostiary.settings import Settings
from ostiary.storage import Backend, StorageError, Store, migrate
from ostiary.storage.store import CORE

NO_STORES = "there are no stores here; is --data or --database right?"
MASTER_KEY_FILE = "master.key"
REMEMBERED = 50_000
"""Sessions, and accounts, that a process keeps in memory."""


@cache
def make_registry() -> Registry:
    """Return every action of the API."""
    return Registry(CONTROLLERS)


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


def require_stores(settings: Settings) -> None:
    """Refuse to go on where no server has ever kept anything.

    :raises StorageError: a mistyped folder would be filled, and look like a success.
    """
    if settings.database.url is None and not any(settings.data.dir.glob("*.db")):
        raise StorageError(NO_STORES)


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
        changes.listen(signing_keys.heard)
        strategies = Strategies(plugins, stores)
        journal = Journal(stores[CORE], strategies, backend.presence, instance, now)
        locks = Locks(stores[CORE], backend.presence, instance)
        login_limits = _login_limits(settings, stores[CORE], master)
        deliveries = Deliveries(listeners(plugins))
        stack.push_async_callback(deliveries.close)
        events = Events(stores[CORE], deliveries, now)
        services = _services(
            settings,
            stores[CORE],
            strategies,
            journal,
            changes,
            signing_keys,
            login_limits,
            plugins,
            locks,
            events,
        )
        stack.push_async_callback(services.refusals.flush)
        services.metrics.measure("waiting", lambda: pool.waiting)
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
    login_limits: LoginLimits,
    plugins: Plugins,
    locks: Locks,
    events: Events,
) -> Services:
    security, life, keys = (
        settings.security,
        settings.security.auth_token,
        settings.security.api_key,
    )
    grants = Grants(store)
    users = Users(store, strategies, journal, changes, events, now)
    accounts = Accounts(users, grants, changes, REMEMBERED)
    lifetimes = Lifetimes(life.expires_in, life.max_ttl, life.grace_period, life.max_session)
    of_keys = Lifetimes(ENDLESS, keys.max_ttl)
    activity, lookup = Activity(store), Lookup(store, accounts, lifetimes, now)
    tokens = Tokens(
        store, signing_keys, lookup, changes, events, activity, lifetimes, now, REMEMBERED
    )
    refusals = Refusals(events, now)
    rooms = Rooms()
    standard = security.standard
    defaults = Defaults(
        store, changes, events, now, standard.roles.by_id(), standard.profiles.rate_limits()
    )
    health = Health(store, "sqlite" if settings.database.url is None else "postgresql")
    config = settings.masked()
    roles = Roles(store, changes, events, now, Names.of(make_registry()))
    profiles = Profiles(store, changes, events, now)
    credentials = Credentials(store, strategies, users, journal, changes, events, now)
    authority = Authority(accounts, grants, profiles)
    return Services(
        strategies=strategies,
        about=About(health, plugins.loaded, version=__version__, config=config, clock=now),
        accounts=accounts,
        activity=activity,
        api_keys=ApiKeys(store, signing_keys, changes, events, of_keys, now, keys.max_per_user),
        audit_log=AuditLog(store, settings.audit.retention, now),
        authority=authority,
        background=Background(),
        changes=changes,
        connections=Connections(tokens, rooms, changes, now),
        cookies=Cookies(
            sessions=settings.http.cookie_authentication, secure=settings.server.over_https
        ),
        credentials=credentials,
        defaults=defaults,
        events=events,
        grants=grants,
        health=health,
        inventory=Inventory(store, now),
        journal=journal,
        key_ring=KeyRing(store, changes, events, now),
        limits=Limits(settings.limits.logins_per_second, now),
        loading=Loading(
            roles=roles,
            profiles=profiles,
            users=users,
            credentials=credentials,
            tokens=tokens,
            authority=authority,
        ),
        login_limits=login_limits,
        logins=Logins(
            strategies,
            accounts,
            users,
            tokens,
            changes,
            login_limits,
            refusals,
            list(security.restricted_profile_ids),
        ),
        mappings=Mappings(store),
        metrics=Metrics(),
        places=Places(store),
        profiles=profiles,
        refusals=refusals,
        resets=Resets(store, changes, events, journal, defaults, locks, allowed=settings.dev),
        roles=roles,
        rooms=rooms,
        search=Search(
            store,
            Scrolls(store, settings.limits.max_scroll_duration, now),
            settings.limits.documents_fetch_count,
        ),
        sessions=Sessions(store, changes, events, activity, lifetimes, now),
        statuses=Statuses(store, changes, events, now),
        shutdown=Shutdown(locks),
        tokens=tokens,
        users=users,
        public_api=lambda: make_registry().public_api(),
        openapi=_openapi,
        clock=now,
        restricted_profile_ids=security.restricted_profile_ids,
        secrets_in_urls=settings.http.allow_credentials_in_url,
        documents_fetch_count=settings.limits.documents_fetch_count,
        documents_write_count=settings.limits.documents_write_count,
    )


def _login_limits(settings: Settings, store: Store, master: MasterKey) -> LoginLimits:
    limits = settings.limits
    allowances = Allowances(
        limits.login_failures_per_account,
        limits.login_failures_per_address,
        limits.login_window,
        settings.server.workers,
    )
    key = master.derive("login-limits")
    return LoginLimits(store, None if settings.dev else allowances, key, now)


@cache
def _openapi(scope: str) -> dict[str, Any]:
    """Return the document of the server's own API, or of what plugins add to it (``app``)."""
    own = {controller.name for controller in CONTROLLERS}
    actions = [
        action for action in make_registry() if (action.controller in own) == (scope == "kuzzle")
    ]
    return openapi.document(actions, __version__)
