"""The list of plugins: what is installed, what was, and how it is with each."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import EntryPoint
from typing import Any

from ostiary import __version__
from ostiary.composition import make_backend
from ostiary.key_settings import load_master_key
from ostiary.life.opening import House, opened
from ostiary.plugin_loading import installed, load_plugins
from ostiary.plugins import PluginError, Plugins
from ostiary.services.inventory import disabled
from ostiary.services.lockouts import holders
from ostiary.services.plugin_records import Record, of_nobody_else
from ostiary.settings import Settings, SettingsError
from ostiary.storage import Backend, Storage, StorageError, migrate
from ostiary.storage.store import CORE, NAME

logger = logging.getLogger(__name__)

LOADED, DISABLED, GONE, WRONG = "loaded", "disabled", "gone", "not loaded"


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


@dataclass(frozen=True, slots=True)
class _Known:
    """What the stores tell; nothing, as long as there are none."""

    backend: Backend | None = None
    house: House | None = None
    disabled: frozenset[str] = frozenset()
    records: Mapping[str, Record] = field(default_factory=dict)


async def list_plugins(settings: Settings) -> list[Listed]:
    """Return every plugin that is installed, or was when a server last started.

    Works without stores, beside a running server, and whatever is wrong with a plugin.
    """
    entries = installed()
    async with _known(settings) as known:
        names = sorted({*entries, *known.records})
        return [await _listed(settings, known, name, entries.get(name)) for name in names]


@asynccontextmanager
async def _known(settings: Settings) -> AsyncIterator[_Known]:
    if settings.database.url is None and not any(settings.data.dir.glob("*.db")):
        yield _Known()
        return
    backend = make_backend(settings, load_master_key(settings))
    try:
        try:
            status = await migrate.compare(backend, CORE, migrate.CORE_STORAGE)
        except StorageError as error:
            logger.warning("nothing is known of the stores: %s", error)
            yield _Known()
            return
        if status.behind or status.ahead:
            yield _Known(backend)
            return
        async with opened(settings) as house:
            records = {record.name: record for record in await house.records.all()}
            yield _Known(backend, house, await disabled(backend), records)
    finally:
        await backend.close()


async def _listed(settings: Settings, known: _Known, name: str, entry: EntryPoint | None) -> Listed:
    record = known.records.get(name, Record(name))
    state, reason, plugins = _loaded(settings, known, name, entry)
    plugin = plugins.loaded[0] if plugins and plugins.loaded else None
    declared = [strategy.name for strategy in plugin.strategies] if plugin else []
    noted = of_nobody_else(record, known.records.values())
    strategies = tuple(dict.fromkeys([*declared, *noted]))
    storage = plugin.storage if plugin else None
    revision, newest, trouble = await _store(known, name, storage)
    about = entry.dist if entry else None
    return Listed(
        name=name,
        version=about.version if about else record.version,
        distribution=about.name if about else record.distribution,
        state=state,
        reason=reason or trouble,
        strategies=strategies,
        wraps=plugin.wraps if plugin else record.wraps,
        store=name if storage or revision else None,
        revision=revision,
        newest=newest,
        users=await holders(known.house.store, strategies) if known.house else None,
        seen_at=record.seen_at or None,
    )


def _loaded(
    settings: Settings, known: _Known, name: str, entry: EntryPoint | None
) -> tuple[str, str | None, Plugins | None]:
    """Load one plugin by itself; return how it is with it, why, and what was loaded."""
    record = known.records.get(name)
    if entry is None:
        seen = datetime.fromtimestamp((record.seen_at if record else 0) / 1000, UTC)
        state = DISABLED if name in known.disabled else GONE
        return state, f"not installed, last seen {seen:%Y-%m-%d %H:%M} UTC", None
    if name in known.disabled:
        return DISABLED, "until `ostiary plugins enable`", None
    allow = settings.plugins.allow
    if allow is not None and name not in allow:
        return WRONG, "not among plugins.allow", None
    try:
        plugins = load_plugins(
            settings.plugins.tables, [name], dev=settings.dev, version=__version__
        )
    except (PluginError, SettingsError) as error:
        return WRONG, f"stops the start: {error}", None
    if name in plugins.refused:
        return WRONG, plugins.refused[name], None
    return LOADED, None, plugins


async def _store(
    known: _Known, name: str, storage: Storage | None
) -> tuple[str | None, str | None, str | None]:
    """Return the revision of a plugin's store, the newest, and what is the matter with it."""
    newest = migrate.head(storage) if storage else None
    if known.backend is None or not NAME.fullmatch(name):
        return None, newest, None
    try:
        if storage is None:
            return await known.backend.revision(name), None, None
        found = await migrate.compare(known.backend, name, storage)
    except StorageError as error:
        # On PostgreSQL a plugin without a store has no role, and one that is new has none yet.
        return None, newest, str(error) if storage else None
    if found.current is None:
        return None, newest, "its store is not made yet"
    fit = found.compatible or found.current == newest
    return found.current, newest, None if fit else f"its store is {found.state}"


def lines(listed: Sequence[Listed]) -> Iterator[tuple[str, ...]]:
    """Yield the rows of the table that operators read."""
    for one in listed:
        yield (
            one.name,
            one.version or "-",
            ", ".join(one.strategies) or "-",
            one.store or "-",
            one.revision or "-",
            "-" if one.users is None else str(one.users),
            one.state + (f": {one.reason}" if one.reason else ""),
        )
