"""How it is with each plugin: what operators are told on the command line, and people on a page."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import EntryPoint
from typing import Any

from msgspec.structs import asdict as members
from sqlalchemy import func, select

from ostiary.plugin_loading import DISABLED as NOT_TO_LOAD
from ostiary.plugin_loading import installed
from ostiary.plugins import Plugin, Plugins, Strategies
from ostiary.services.lockouts import Lockout, look
from ostiary.services.plugin_records import PluginRecords, Record, of_nobody_else
from ostiary.storage import Backend, Storage, StorageError, Store, migrate
from ostiary.storage.store import NAME
from ostiary.storage.tables import user_strategies

LOADED, DISABLED, GONE, WRONG, NEW = "loaded", "disabled", "gone", "not loaded", "new"
FAILSAFE = "no plugin is loaded with --failsafe"
TOLD = ("name", "label", "factors", "phishingResistant", "redirects")
"""What is told of a strategy here; ``auth:describeStrategies`` tells how it is used."""

AT_THE_NEXT_START = "installed since the start: loaded at the next one"


@dataclass(frozen=True, slots=True)
class Listed:
    """A plugin in the list; what is not known is None.

    :ivar users: how many hold credentials of its strategies.
    :ivar reason: why it is not loaded, or what is the matter with its store.
    """

    name: str
    version: str
    distribution: str
    state: str
    reason: str | None = None
    strategies: Sequence[str] = ()
    wraps: bool = False
    store: str | None = None
    revision: str | None = None
    newest: str | None = None
    users: int | None = None
    seen_at: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it for programs."""
        seen = {"seenAt": self.seen_at}
        return {key: value for key, value in asdict(self).items() if key != "seen_at"} | seen


async def listed(
    record: Record,
    plugin: Plugin | None,
    entry: EntryPoint | None,
    *,
    state: str,
    reason: str | None,
    strategies: Sequence[str],
    users: int | None,
    backend: Backend | None,
) -> Listed:
    """Return a plugin for the list, its store looked at.

    :param record: what the core's store tells of it.
    :param plugin: it, if it could be loaded.
    :param backend: None where there are no stores.
    """
    storage = plugin.storage if plugin else None
    revision, newest, trouble = await _store_state(backend, record.name, storage)
    about = plugin or (entry.dist if entry else None)
    return Listed(
        name=record.name,
        version=about.version if about else record.version,
        distribution=_distribution(plugin, entry) or record.distribution,
        state=state,
        reason=reason or trouble,
        strategies=strategies,
        wraps=plugin.wraps if plugin else record.wraps,
        store=record.name if storage or revision else None,
        revision=revision,
        newest=newest,
        users=users,
        seen_at=record.seen_at or None,
    )


class PluginStates:
    """Tells of the plugins of a running server: those it has loaded, and all others it knows of.

    :param failsafe: the server has loaded none, whatever is installed.
    """

    def __init__(
        self,
        backend: Backend,
        store: Store,
        plugins: Plugins,
        strategies: Strategies,
        records: PluginRecords,
        *,
        failsafe: bool,
    ) -> None:
        self._backend, self._store, self._records = backend, store, records
        self._plugins, self._strategies = plugins, strategies
        self._calls, self._failsafe = strategies.calls, failsafe

    async def describe(self) -> list[dict[str, Any]]:
        """Return every plugin that is installed, or was when a server last started."""
        loaded = {plugin.name: plugin for plugin in self._plugins.loaded}
        records = {record.name: record for record in await self._records.all()}
        entries, users = installed(), await holders_of_each(self._store)
        return [
            await self._one(
                records.get(name, Record(name)),
                loaded.get(name),
                entries.get(name),
                records.values(),
                users,
            )
            for name in sorted({*loaded, *records, *entries})
        ]

    async def _one(
        self,
        record: Record,
        plugin: Plugin | None,
        entry: EntryPoint | None,
        records: Collection[Record],
        users: Mapping[str, int],
    ) -> dict[str, Any]:
        names = of_nobody_else(record, records)
        if plugin is not None:
            names = tuple(dict.fromkeys([*self._strategies.of(plugin.name), *names]))
        lockout = await look(self._store, names, set(self._strategies) - set(names))
        state, reason = self._state(record, plugin, entry)
        one = await listed(
            record,
            plugin,
            entry,
            state=state,
            reason=reason,
            strategies=names,
            users=lockout.holders,
            backend=self._backend,
        )
        return {
            **one.to_json(),
            "installedVersion": entry.dist.version if entry and entry.dist else None,
            "disabledAt": record.disabled_at,
            "size": await self._backend.size(record.name) if one.store else None,
            "health": self._calls.health(f"plugin {record.name}"),
            "strategies": [self._strategy(name, users.get(name, 0)) for name in names],
            "lockout": _told(lockout),
        }

    def _state(
        self, record: Record, plugin: Plugin | None, entry: EntryPoint | None
    ) -> tuple[str, str | None]:
        """Return how it is with a plugin, and why."""
        refused = self._plugins.refused.get(record.name)
        if plugin is not None:
            return LOADED, None
        if refused == NOT_TO_LOAD or (refused is None and record.disabled_at is not None):
            return DISABLED, None
        if refused is not None:
            return WRONG, refused
        if entry is None:
            return GONE, None
        return (WRONG, FAILSAFE) if self._failsafe else (NEW, AT_THE_NEXT_START)

    def _strategy(self, name: str, users: int) -> dict[str, Any]:
        """Describe a strategy; of one that is not there only its name is known."""
        about: dict[str, Any] = {"name": name, "loaded": False}
        if self._strategies.knows(name):
            told = self._strategies.find(name).to_json()
            about = {**{key: told[key] for key in TOLD}, "loaded": True}
        return {**about, "users": users, "health": self._calls.health(f"strategy {name}")}


async def holders_of_each(store: Store) -> dict[str, int]:
    """Return how many users hold credentials of each strategy."""
    each = select(user_strategies.c.strategy, func.count()).group_by(user_strategies.c.strategy)
    async with store.read(apart=True) as db:
        rows: Sequence[Any] = (await db.execute(each)).all()
    return dict(rows)


async def _store_state(
    backend: Backend | None, name: str, storage: Storage | None
) -> tuple[str | None, str | None, str | None]:
    """Return the revision of a plugin's store, the newest, and what is the matter with it."""
    newest = migrate.head(storage) if storage else None
    if backend is None or not NAME.fullmatch(name):
        return None, newest, None
    try:
        if storage is None:
            return await backend.revision(name), None, None
        found = await migrate.compare(backend, name, storage)
    except StorageError as error:
        # On PostgreSQL a plugin without a store has no role, and one that is new has none yet.
        return None, newest, str(error) if storage else None
    if found.current is None:
        return None, newest, "its store is not made yet"
    fit = found.compatible or found.current == newest
    return found.current, newest, None if fit else f"its store is {found.state}"


def _distribution(plugin: Plugin | None, entry: EntryPoint | None) -> str | None:
    if plugin is not None:
        return plugin.distribution
    return entry.dist.name if entry and entry.dist else None


def _told(lockout: Lockout) -> dict[str, Any]:
    """Return who would be locked out, as the API names it."""
    told = members(lockout)
    return {
        "users": told["locked_out"],
        "administrators": told["administrators"],
        "first": list(told["first"]),
        "lastAdministrator": lockout.last_administrator,
    }
