"""Which plugins were here at earlier starts: what is gone has to be said, and may close a door."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, insert, select

from ostiary.plugins import Plugin
from ostiary.storage import Store
from ostiary.storage.tables import plugins


@dataclass(frozen=True, slots=True)
class Gone:
    """A plugin that was here, and is not any more.

    :param wraps: it took part in the logins of other strategies.
    """

    name: str
    strategies: tuple[str, ...]
    wraps: bool


class Inventory:
    """Remembers plugins in the core's store."""

    def __init__(self, store: Store, clock: Callable[[], int]) -> None:
        self._store, self._clock = store, clock

    async def remember(self, present: Iterable[Plugin]) -> None:
        """Remember the plugins of this start."""
        async with self._store.begin() as db:
            for plugin in present:
                await db.execute(delete(plugins).where(plugins.c.name == plugin.name))
                await db.execute(insert(plugins).values(self._row(plugin)))

    async def gone(self, present: Iterable[Plugin]) -> Sequence[Gone]:
        """Return the plugins of earlier starts that are not there any more."""
        names = {plugin.name for plugin in present}
        async with self._store.read() as db:
            known = (await db.execute(select(plugins).order_by(plugins.c.name))).all()
        return [
            Gone(row.name, tuple(row.strategies), row.wraps)
            for row in known
            if row.name not in names
        ]

    async def strategies_of(self, names: Iterable[str]) -> Sequence[str]:
        """Return the strategies that some plugins had when they were seen last."""
        wanted = plugins.c.name.in_(list(names))
        async with self._store.read() as db:
            found = await db.execute(select(plugins.c.strategies).where(wanted))
        return [name for strategies in found.scalars() for name in strategies]

    async def forget(self, name: str) -> bool:
        """Do without a plugin from now on; tell whether it was ever here."""
        async with self._store.begin() as db:
            gone = await db.execute(delete(plugins).where(plugins.c.name == name))
            return gone.rowcount > 0

    def _row(self, plugin: Plugin) -> dict[str, object]:
        return {
            "name": plugin.name,
            "distribution": plugin.distribution,
            "version": plugin.version,
            "strategies": [strategy.name for strategy in plugin.strategies],
            "wraps": plugin.wraps,
            "seen_at": self._clock(),
        }
