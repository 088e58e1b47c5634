"""The list of plugins: what is installed, what was, and how it is with each."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import EntryPoint

from ostiary import __version__
from ostiary.composition import make_backend
from ostiary.key_settings import load_master_key
from ostiary.life.opening import House, opened
from ostiary.plugin_loading import installed, load_plugins
from ostiary.plugins import PluginError, Plugins
from ostiary.services.inventory import disabled
from ostiary.services.lockouts import holders
from ostiary.services.plugin_records import Record, of_nobody_else
from ostiary.services.plugin_states import DISABLED, GONE, LOADED, WRONG, Listed, listed
from ostiary.settings import Settings, SettingsError
from ostiary.storage import Backend, StorageError, migrate
from ostiary.storage.store import CORE

logger = logging.getLogger(__name__)


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
    return await listed(
        record,
        plugin,
        entry,
        state=state,
        reason=reason,
        strategies=strategies,
        users=await holders(known.house.store, strategies) if known.house else None,
        backend=known.backend,
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
