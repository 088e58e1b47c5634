"""The core's store, open without any plugin: what is wrong with one must not stand in the way."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from ostiary.clock import now
from ostiary.composition import NO_STORES, find_plugins, make_backend, require_stores
from ostiary.hash_pool import HashPool
from ostiary.hashing import Argon2Parameters, Hasher
from ostiary.key_settings import load_master_key
from ostiary.keys import MasterKey
from ostiary.plugins import Plugins
from ostiary.services.changes import Changes
from ostiary.services.deliveries import Deliveries
from ostiary.services.departures import Departures
from ostiary.services.events import Events
from ostiary.services.inventory import disabled
from ostiary.services.plugin_records import PluginRecords
from ostiary.services.tally import Tally
from ostiary.settings import Settings
from ostiary.storage import Backend, StorageError, Store, migrate
from ostiary.storage.store import CORE


@dataclass(frozen=True, slots=True)
class House:
    """What operators work with: the core's store, and the way to the others."""

    settings: Settings
    backend: Backend
    master: MasterKey = field(repr=False)
    store: Store
    records: PluginRecords
    departures: Departures
    events: Events

    async def others(self, name: str) -> Plugins:
        """Load every plugin that would be loaded at the next start, but one."""
        return find_plugins(self.settings, await disabled(self.backend) | {name})

    async def only_with(self, name: str) -> Plugins:
        """Load the plugins of the next start, and one more that may be disabled."""
        return find_plugins(self.settings, await disabled(self.backend) - {name})

    async def known_strategies(self, plugins: Plugins) -> Collection[str]:
        """Return the strategies of some plugins, those that are kept in their stores too."""
        names = {plugin.name for plugin in plugins.loaded}
        noted = {
            strategy
            for record in await self.records.all()
            if record.name in names
            for strategy in record.strategies
        }
        return noted | {one.name for plugin in plugins.loaded for one in plugin.strategies}

    def archive_keys(self) -> list[bytes]:
        """Return the keys that may have sealed an archive of this installation, newest first."""
        return self.master.candidates("archive")


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[House]:
    """Open the core's store.

    :raises StorageError: there is none, or it is not up to date.
    """
    require_stores(settings)
    master = load_master_key(settings)
    async with AsyncExitStack() as stack:
        backend = make_backend(settings, master)
        stack.push_async_callback(backend.close)
        await _check_core(backend)
        pool = HashPool(threads=1, queue=1)
        stack.callback(pool.close)
        hasher = Hasher(master.pepper(CORE), Argon2Parameters(), pool)
        store = await backend.open(CORE, hasher=hasher, sealer=master.sealer(CORE))
        watch = await backend.watch(CORE)
        stack.push_async_callback(watch.close)
        changes = Changes(store, watch, backend.announce, now)
        records, departures = PluginRecords(store, now), Departures(store, changes, now)
        # No plugin is loaded that could hear of them, and nobody signs in here.
        events = Events(store, Deliveries({}), Tally(now), now)
        yield House(settings, backend, master, store, records, departures, events)


async def _check_core(backend: Backend) -> None:
    status = await migrate.status(backend, CORE, migrate.CORE_STORAGE)
    if status.current is None:
        raise StorageError(NO_STORES)
    if status.behind:
        raise StorageError(
            f"the store {CORE} is at revision {status.current}, {status.newest} is wanted: "
            "run `ostiary db upgrade`"
        )
