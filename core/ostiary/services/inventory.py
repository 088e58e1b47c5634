"""Which plugins were here at earlier starts: what is gone has to be said, and may close a door."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, insert, select, update

from ostiary import errors
from ostiary.plugins import Plugin
from ostiary.storage import Database, Store
from ostiary.storage.tables import plugins, user_strategies


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
                of_this = plugins.c.name == plugin.name
                noted = await db.scalar(select(plugins.c.strategies).where(of_this)) or []
                await db.execute(delete(plugins).where(of_this))
                await db.execute(insert(plugins).values(self._row(plugin, noted)))

    async def claim(self, name: str, strategies: Sequence[str]) -> None:
        """Note, for good, that some strategies are a plugin's.

        :raises errors.StrategyOfAnother: one of them was another plugin's, and users still hold
            credentials of it: whoever took the name could sign them in.
        """
        async with self._store.read() as db:
            rows = (await db.execute(select(plugins))).all()
            for row in rows:
                if row.name != name:
                    await _check_unheld(db, set(row.strategies) & set(strategies))
        known = {row.name: row.strategies for row in rows}
        if name in known and (new := set(strategies) - set(known[name])):
            async with self._store.begin() as db:
                mine = update(plugins).where(plugins.c.name == name)
                await db.execute(mine.values(strategies=[*known[name], *sorted(new)]))

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

    async def forget(self, name: str) -> bool:
        """Do without a plugin from now on; tell whether it was ever here."""
        async with self._store.begin() as db:
            gone = await db.execute(delete(plugins).where(plugins.c.name == name))
            return gone.rowcount > 0

    def _row(self, plugin: Plugin, noted: Sequence[str]) -> dict[str, object]:
        declared = [strategy.name for strategy in plugin.strategies]
        return {
            "name": plugin.name,
            "distribution": plugin.distribution,
            "version": plugin.version,
            # A strategy that is there no more may still have users, and stays the plugin's.
            "strategies": list(dict.fromkeys([*declared, *noted])),
            "wraps": plugin.wraps,
            "seen_at": self._clock(),
        }


async def _check_unheld(db: Database, strategies: set[str]) -> None:
    """Refuse strategies that users hold credentials of."""
    held = select(user_strategies.c.strategy).where(user_strategies.c.strategy.in_(strategies))
    if strategies and (taken := await db.scalar(held.limit(1))) is not None:
        raise errors.StrategyOfAnother(taken)
