"""Which plugins were here at earlier starts: what is gone has to be said, and may close a door."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct
from sqlalchemy import insert, select, update

from ostiary import errors
from ostiary.plugins import Plugin
from ostiary.services.changes import take_turn
from ostiary.storage import Backend, Database, Store, migrate
from ostiary.storage.store import CORE
from ostiary.storage.tables import plugins, user_strategies

SINCE = "0003"
"""The revision of the core's store that can say that a plugin is disabled."""


class Gone(Struct, frozen=True):
    """A plugin that was here, and is not any more.

    :param wraps: it took part in the logins of other strategies.
    """

    name: str
    strategies: tuple[str, ...]
    wraps: bool


async def disabled(backend: Backend) -> frozenset[str]:
    """Return the plugins that an operator has disabled: which to load is asked before all else."""
    found = await migrate.compare(backend, CORE, migrate.CORE_STORAGE)
    # A store that is ahead stops the start in any case.
    if found.current is None or found.current < SINCE or found.ahead:
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
            await take_turn(db)  # Several machines may start at once on an empty store.
            for plugin in present:
                known = plugins.c.name == plugin.name
                noted = await db.scalar(select(plugins.c.strategies).where(known)) or []
                row = self._row(plugin, noted)
                # Whether an operator has just disabled it is not for this process to say.
                update_ = update(plugins).where(known).values(row)
                if (await db.execute(update_)).rowcount == 0:
                    await db.execute(insert(plugins).values(row))

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
        """Return the plugins of earlier starts that nobody has disabled, and that are gone."""
        names = {plugin.name for plugin in present}
        async with self._store.read() as db:
            known = (await db.execute(select(plugins).order_by(plugins.c.name))).all()
        return [
            Gone(row.name, tuple(row.strategies), row.wraps)
            for row in known
            if row.name not in names and row.disabled_at is None
        ]

    async def strategies_of(self, names: Iterable[str]) -> Sequence[str]:
        """Return the strategies that some plugins had when they were seen last."""
        wanted = plugins.c.name.in_(list(names))
        async with self._store.read() as db:
            found = await db.execute(select(plugins.c.strategies).where(wanted))
        return [name for strategies in found.scalars() for name in strategies]

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
