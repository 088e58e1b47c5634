"""Composing the server: settings become stores, stores services.

Only this module and ``app`` see all the others.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

from ostiary import __version__, openapi
from ostiary.actions import Registry
from ostiary.calling import Calls
from ostiary.controllers import CONTROLLERS
from ostiary.cookies import Cookies
from ostiary.event_hooks import listeners
from ostiary.hashing import Argon2Parameters, Hasher, HashPool
from ostiary.key_settings import load_master_key
from ostiary.keys import MasterKey
from ostiary.login_hooks import LoginHooks
from ostiary.openapi_logins import with_logins
from ostiary.plugin_controllers import PluginSide, check_names
from ostiary.plugin_loading import load_plugins, no_plugins
from ostiary.plugins import Plugins, Strategies
from ostiary.services import Services
from ostiary.services.about import About
from ostiary.services.accounts import Accounts
from ostiary.services.activity import Activity
from ostiary.services.api_keys import ApiKeys
from ostiary.services.assignments import Assignments
from ostiary.services.audit_log import AuditLog
from ostiary.services.authority import Authority
from ostiary.services.background import Background
from ostiary.services.changes import Changes
from ostiary.services.connections import Connections
from ostiary.services.credentials import Credentials
from ostiary.services.defaults import Defaults
from ostiary.services.deliveries import Deliveries
from ostiary.services.directory import Directories
from ostiary.services.door import Door
from ostiary.services.events import Events
from ostiary.services.flows import Flows
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
from ostiary.services.master_keys import MasterKeys
from ostiary.services.metrics import Metrics
from ostiary.services.native import NATIVE, Names
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
from ostiary.services.strategy_changes import StrategyChanges
from ostiary.services.subjects import Allowances
from ostiary.services.tokens import Tokens
from ostiary.services.users import Users
from ostiary.settings import Settings
from ostiary.storage import Backend, OwnStore, Storage, StorageError, Store, migrate
from ostiary.storage.facade import Facade
from ostiary.storage.store import CORE
from ostiary.watchdog import Watchdog

NO_STORES = "there are no stores here; is --data or --database right?"
REMEMBERED = 50_000
"""Sessions, and accounts, that a process keeps in memory."""


@cache
def make_registry() -> Registry:
    """Return every action of the API, those of plugins excepted."""
    return Registry(CONTROLLERS)


def registry_with(plugins: Plugins) -> Registry:
    """Return every action of the API, and those that plugins add to it."""
    added = [controller for plugin in plugins.loaded for controller in plugin.controllers]
    return Registry((*CONTROLLERS, *added))


@dataclass(frozen=True, slots=True)
class Core:
    """An open server, short of a network."""

    settings: Settings
    plugins: Plugins
    services: Services
    stores: Mapping[str, OwnStore]
    signing_keys: SigningKeys
    master_keys: MasterKeys
    registry: Registry
    calls: Calls
    setup_secret: str = field(repr=False)


def now() -> int:
    """Return the time: milliseconds since the epoch, UTC."""
    return time.time_ns() // 1_000_000


def find_plugins(settings: Settings, disabled: Collection[str] = ()) -> Plugins:
    """Load the plugins that are installed, with their settings; none for a failsafe start.

    :param disabled: those that an operator has disabled; see ``inventory.disabled``.
    """
    if settings.failsafe:
        return no_plugins()
    plugins = settings.plugins
    allow = None if plugins.allow is None else list(plugins.allow)
    found = load_plugins(plugins.tables, allow, disabled, dev=settings.dev, version=__version__)
    check_names(found.loaded, {*NATIVE, *(controller.name for controller in CONTROLLERS)})
    return found


def require_stores(settings: Settings) -> None:
    """Refuse to go on where no server has ever kept anything.

    :raises StorageError: a mistyped folder would be filled, and look like a success.
    """
    if settings.database.url is None and not any(settings.data.dir.glob("*.db")):
        raise StorageError(NO_STORES)


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
    settings: Settings,
    plugins: Plugins,
    master: MasterKey,
    backend: Backend,
    watchdog: Watchdog | None = None,
) -> AsyncIterator[Core]:
    """Open every store and make the services; plugins whose tables are not ready stay out.

    :param watchdog: breaks off hooks that block the event loop, while the stores are open.
    """
    async with AsyncExitStack() as stack:
        stack.push_async_callback(backend.close)
        if watchdog is not None:
            watchdog.start()
            stack.callback(watchdog.stop)
        plugins = await _ready(plugins, backend)
        hashing = settings.security.hashing
        pool = HashPool(hashing.threads, hashing.queue, hashing.nice)
        stack.callback(pool.close)
        costs = Argon2Parameters(hashing.time_cost, hashing.memory_cost, hashing.parallelism)

        async def open_store(name: str) -> Store:
            hasher = Hasher(master.pepper(name), costs, pool)
            return await backend.open(name, hasher=hasher, sealer=master.sealer(name))

        store = await open_store(CORE)
        stores: dict[str, OwnStore] = {CORE: store}
        for name in (plugin.name for plugin in plugins.loaded if plugin.storage):
            stores[name] = Facade(await open_store(name))
        watch = await backend.watch(CORE)
        stack.push_async_callback(watch.close)
        instance = await backend.presence.join([plugin.name for plugin in plugins.loaded])
        stack.push_async_callback(backend.presence.leave)
        changes = Changes(store, watch, backend.announce, now)
        signing_keys = SigningKeys(store, now)
        changes.listen(signing_keys.heard)
        master_keys = MasterKeys(store, master, changes, partial(load_master_key, settings), now)
        changes.before_keys(master_keys.renew)
        inventory = Inventory(store, now)
        calls = Calls(settings.plugins.hook_timeout, watchdog)
        out_of_order = await inventory.strategies_of(plugins.failed)
        strategies = Strategies(plugins, stores, calls, out_of_order)
        registry = registry_with(plugins)
        journal = Journal(store, strategies, backend.presence, instance, now)
        locks = Locks(store, backend.presence, instance)
        login_limits = _login_limits(settings, store, master)
        deliveries = Deliveries(listeners(plugins, calls))
        stack.push_async_callback(deliveries.close)
        events = Events(store, deliveries, now)
        services = _services(
            settings,
            store,
            strategies,
            journal,
            changes,
            signing_keys,
            login_limits,
            plugins,
            locks,
            Flows(store, master.derive("login-flows"), now),
            registry,
            stores,
            inventory,
            events,
        )
        await strategies.settle()
        stack.push_async_callback(services.refusals.flush)
        services.metrics.measure("waiting", lambda: pool.waiting)
        secret = settings.security.setup_secret or master.setup_secret()
        yield Core(
            settings,
            plugins,
            services,
            stores,
            signing_keys,
            master_keys,
            registry,
            calls,
            secret,
        )


async def _ready(plugins: Plugins, backend: Backend) -> Plugins:
    """Leave out the plugins whose tables could not be brought up to date."""
    for plugin in plugins.loaded:
        if plugin.storage is None:
            continue
        if reason := await _unfit(backend, plugin.name, plugin.storage):
            plugins = plugins.without(plugin.name, reason)
    return plugins


async def _unfit(backend: Backend, name: str, storage: Storage) -> str | None:
    """Return why the store of a plugin cannot be used, if it cannot."""
    try:
        status = await migrate.status(backend, name, storage)
    except (StorageError, OSError) as error:
        return str(error)
    if not status.behind:
        return None
    return (
        f"its tables are not at revision {status.newest}; "
        f"see the log of the start, or run `ostiary db upgrade {name}`"
    )


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
    flows: Flows,
    registry: Registry,
    stores: Mapping[str, OwnStore],
    inventory: Inventory,
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
    strategies.listen(accounts.forget_shown)
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
    roles = Roles(store, changes, events, now, Names.of(registry))
    profiles = Profiles(store, changes, events, now)
    credentials = Credentials(store, strategies, users, journal, changes, events, now)
    authority = Authority(accounts, grants, profiles)
    sessions, hooks = (
        Sessions(store, changes, events, activity, lifetimes, now),
        LoginHooks(plugins, strategies.calls),
    )
    strategies.stored.claim_with(inventory.claim)
    changed = StrategyChanges(store, changes, strategies).announce
    directories = Directories(
        strategies, users, accounts, tokens, sessions, changes, hooks, changed
    )
    door = Door(inventory, plugins.loaded)
    return Services(
        strategies=strategies,
        about=About(health, plugins, strategies.of, version=__version__, config=config, clock=now),
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
        directories=directories,
        flows=flows,
        door=door,
        events=events,
        grants=grants,
        health=health,
        inventory=inventory,
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
            door,
            refusals,
            list(security.restricted_profile_ids),
            flows=flows,
            hooks=hooks,
            assignments=Assignments(store, changes, events, now),
            directories=directories,
        ),
        mappings=Mappings(store),
        metrics=Metrics(),
        places=Places(store),
        plugin_sides={
            plugin.name: PluginSide(stores.get(plugin.name), directories.of(plugin.name))
            for plugin in plugins.loaded
        },
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
        sessions=sessions,
        statuses=Statuses(store, changes, events, now),
        shutdown=Shutdown(locks),
        tokens=tokens,
        users=users,
        public_api=registry.public_api,
        openapi=_openapi(registry, strategies),
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
    # After a rotation of the master key all counts begin again.
    key = partial(master.derive, "login-limits")
    return LoginLimits(store, None if settings.dev else allowances, key, now)


def _openapi(registry: Registry, strategies: Strategies) -> Callable[[str], Mapping[str, Any]]:
    """Return what gives the document of the server's own API, or of what plugins add (``app``)."""
    own = {controller.name for controller in CONTROLLERS}

    @cache
    def described(scope: str) -> Mapping[str, Any]:
        actions = [one for one in registry if (one.controller in own) == (scope == "kuzzle")]
        return openapi.document(actions, __version__)

    return lambda scope: with_logins(described(scope), map(strategies.find, strategies))
