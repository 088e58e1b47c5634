"""The directory that a plugin is given, and how its strategies change while the server runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from ostiary.plugins import Strategies
from ostiary.services.changes import Changes
from ostiary.storage import Store
from ostiary.strategies import User

if TYPE_CHECKING:
    from ostiary.services.user_rows import StoredUser


class PluginDirectory:
    """What one plugin may ask about users, and tell about itself.

    :param find: returns a user by kuid.
    :param changed: tells every process that the strategies of this plugin have changed.
    """

    def __init__(
        self,
        find: Callable[[str], Awaitable[StoredUser | None]],
        changed: Callable[[], Awaitable[None]],
    ) -> None:
        self._find, self._changed = find, changed

    async def find(self, kuid: str) -> User | None:
        """Return a user, or None if nobody has this kuid."""
        user = await self._find(kuid)
        return None if user is None else user.shown()

    async def strategies_changed(self) -> None:
        """Have every process ask ``ostiary_stored_strategies`` of this plugin again."""
        await self._changed()


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
