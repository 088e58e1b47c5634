"""Which plugins were here at earlier starts: what is gone has to be said, and may close a door."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import insert, select, update

from ostiary.plugins import Plugin
from ostiary.storage import Backend, Store, migrate
from ostiary.storage.store import CORE
from ostiary.storage.tables import plugins

SINCE = "0003"
"""The revision of the core's store that can say that a plugin is disabled."""


@dataclass(frozen=True, slots=True)
class Gone:
    """A plugin that was here, and is not any more.

    :param wraps: it took part in the logins of other strategies.
    """

    name: str
    strategies: tuple[str, ...]
    wraps: bool


async def disabled(backend: Backend) -> frozenset[str]:
    """Return the plugins that an operator has disabled: which to load is asked before all else."""
    revision = await backend.revision(CORE)
    # A store that is ahead stops the start in any case.
    if revision is None or not SINCE <= revision <= migrate.head(migrate.CORE_STORAGE):
        return frozenset()
    rows = await backend.look(CORE, "SELECT name FROM plugins WHERE disabled_at IS NOT NULL")
    return frozenset(name for (name,) in rows)


class Inventory:
    """Remembers plugins in the core's store."""

    def __init__(self, store: Store, clock: Callable[[], int]) -> None:
        self._store, self._clock = store, clock

    async def remember(self, present: Iterable[Plugin]) -> None:
        """Remember the plugins of this start."""
        async with self._store.begin() as db:
            for plugin in present:
                row = self._row(plugin)
                # Whether an operator has just disabled it is not for this process to say.
                known = update(plugins).where(plugins.c.name == plugin.name)
                if (await db.execute(known.values(row))).rowcount == 0:
                    await db.execute(insert(plugins).values(row))

    async def gone(self, present: Iterable[Plugin]) -> Sequence[Gone]:
        """Return the plugins of earlier starts that nobody has disabled, and that are gone."""
        names = {plugin.name for plugin in present}
        async with self._store.read() as db:
            known = (await db.execute(select(plugins).order_by(plugins.c.name))).all()
        return [
            Gone(row.name, tuple(row.strategies), row.wraps)
            for row in known
            if row.name not in names and row.disabled_at is None
        ]

    def _row(self, plugin: Plugin) -> dict[str, object]:
        return {
            "name": plugin.name,
            "distribution": plugin.distribution,
            "version": plugin.version,
            "strategies": [strategy.name for strategy in plugin.strategies],
            "wraps": plugin.wraps,
            "seen_at": self._clock(),
        }
