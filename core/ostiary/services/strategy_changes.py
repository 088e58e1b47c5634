"""How the strategies of a plugin change while the server runs, in every process."""

from __future__ import annotations

from ostiary.plugins import Strategies
from ostiary.services.changes import Changes
from ostiary.storage import Store


class StrategyChanges:
    """Tells every process, by the log of changes, whose strategies it has to ask for again."""

    def __init__(self, store: Store, changes: Changes, strategies: Strategies) -> None:
        self._store, self._changes, self._strategies = store, changes, strategies
        changes.listen(strategies.stored.heard)

    async def announce(self, plugin: str) -> None:
        """Tell of a change, and return when it is in force in this process.

        :raises errors.PluginImplementationError: what the plugin names now is wrong.
        """
        async with self._store.begin() as db:
            await self._changes.record(db, "strategies", plugin)
        await self._changes.catch_up()
        stored = self._strategies.stored
        await stored.settle(plugin)
        if (fault := stored.fault(plugin)) is not None:
            raise fault
