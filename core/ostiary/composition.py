"""Composing the server: settings become stores, stores services.

Only this module and ``app`` see all the others.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import cache, partial

from ostiary import __version__
from ostiary.actions import Registry
from ostiary.calling import Calls
from ostiary.clock import now
from ostiary.controllers import CONTROLLERS
from ostiary.event_hooks import listeners
from ostiary.hash_pool import HashPool
from ostiary.hashing import Argon2Parameters, Hasher
from ostiary.key_settings import load_master_key
from ostiary.keys import MasterKey
from ostiary.plugin_controllers import check_names
from ostiary.plugin_loading import load_plugins, no_plugins
from ostiary.plugins import Plugins, Strategies
from ostiary.services import Services
from ostiary.services.changes import Changes
from ostiary.services.deliveries import Deliveries
from ostiary.services.events import Events
from ostiary.services.flows import Flows
from ostiary.services.inventory import Inventory
from ostiary.services.journal import Journal
from ostiary.services.locks import Locks
from ostiary.services.master_keys import MasterKeys
from ostiary.services.native import NATIVE
from ostiary.services.signing import SigningKeys
from ostiary.services.tally import Tally
from ostiary.settings import Settings
from ostiary.storage import Backend, OwnStore, Storage, StorageError, Store, migrate
from ostiary.storage.facade import Facade
from ostiary.storage.store import CORE
from ostiary.watchdog import Watchdog
from ostiary.wiring import Parts, make_login_limits, make_services

NO_STORES = "there are no stores here; is --data or --database right?"


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
    forms_key: bytes = field(repr=False)


def find_plugins(settings: Settings, disabled: Collection[str] = ()) -> Plugins:
    """Load the plugins that are installed, with their settings; none for a failsafe start.

    :param disabled: those that an operator has disabled; see ``inventory.disabled``.
    """
    if settings.failsafe:
        return no_plugins()
    plugins = settings.plugins
    allow = None if plugins.allow is None else list(plugins.allow)
    found = load_plugins(
        plugins.tables,
        allow,
        disabled,
        dev=settings.dev,
        version=__version__,
        pages_url=settings.pages_url,
    )
    check_names(found.loaded, {*NATIVE, *(controller.name for controller in CONTROLLERS)})
    return found


def require_stores(settings: Settings) -> None:
    """Refuse to go on where no server has ever kept anything.

    :raises StorageError: a mistyped folder would be filled, and look like a success.
    """
    if not has_stores(settings):
        raise StorageError(NO_STORES)


def has_stores(settings: Settings) -> bool:
    """Tell whether a server has kept anything here; of PostgreSQL only the server can tell."""
    return settings.database.url is not None or any(settings.data.dir.glob("*.db"))


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
        replica_urls=database.replica_urls,
        isolation=database.isolation,
        prepared_statements=database.prepared_statements,
        passwords=database.passwords,
        strict=database.revocation == "strict",
        connections=database.connections,
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
        pool = HashPool(
            hashing.threads, hashing.queue, hashing.nice, max_wait=hashing.max_wait / 1000
        )
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
        deliveries, tally = Deliveries(listeners(plugins, calls)), Tally(now)
        stack.push_async_callback(deliveries.close)
        services = make_services(
            Parts(
                settings=settings,
                plugins=plugins,
                stores=stores,
                store=store,
                strategies=strategies,
                journal=journal,
                changes=changes,
                signing_keys=signing_keys,
                login_limits=make_login_limits(settings, store, master),
                locks=locks,
                flows=Flows(store, master.derive("login-flows"), now),
                registry=registry,
                inventory=inventory,
                tally=tally,
                events=Events(store, deliveries, tally, now),
                backend=backend,
            )
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
            master.derive("pages-forms"),
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
