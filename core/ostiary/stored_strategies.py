"""Strategies that plugins keep as data: asked for at the start, and again when they change.

A plugin that is said to have changed is *stale* until it was asked. Whoever uses its
strategies waits for that; who uses those of others does not.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ostiary import errors
from ostiary.calling import Calls
from ostiary.declarations import fault_of, name_of
from ostiary.log import origin
from ostiary.offering import fault_of_actions
from ostiary.storage import OwnStore
from ostiary.strategies import Strategy

if TYPE_CHECKING:
    from ostiary.plugins import Plugin, Plugins

logger = logging.getLogger(__name__)

STORED = "ostiary_stored_strategies"

Install = Callable[[str, tuple[Strategy, ...]], None]
OwnerOf = Callable[[str], str | None]
Claim = Callable[[str, Sequence[str]], Awaitable[None]]


async def claim_nothing(_plugin: str, _names: Sequence[str]) -> None:
    """Stand for the record of whose strategies are whose, where none is kept."""


class StoredStrategies:
    """Asks for them, one process at a time and each plugin by itself.

    :param install: puts the strategies of a plugin in the place of those it stored before.
    :param owner_of: the plugin that a name is in use by, if any.
    """

    def __init__(
        self,
        plugins: Plugins,
        stores: Mapping[str, OwnStore],
        calls: Calls,
        install: Install,
        owner_of: OwnerOf,
    ) -> None:
        self._calls = calls
        keeping = [plugin for plugin in plugins.loaded if plugin.stores_strategies]
        self._plugins = {plugin.name: plugin for plugin in keeping}
        self._hooks: dict[str, Callable[..., Sequence[Any]]] = {
            plugin.name: caller for plugin, caller in plugins.callers(STORED)
        }
        self._stores, self._install, self._owner_of = stores, install, owner_of
        self._claim: Claim = claim_nothing
        self._locks = {plugin.name: asyncio.Lock() for plugin in keeping}
        self._failed: set[str] = set()
        self._faults: dict[str, errors.OstiaryError] = {}
        self._heard = 1
        self.stale = dict.fromkeys(self._plugins, self._heard)
        """The plugins that have to be asked, and the number of the change that says so."""

    def claim_with(self, claim: Claim) -> None:
        """Have every name claimed for its plugin before it is used."""
        self._claim = claim

    def heard(self, what: str, id: str) -> None:
        """Listen to the log of changes; no id stands for every plugin."""
        if what == "strategies":
            self._mark([id] if id else self._plugins)

    def retry(self) -> None:
        """Ask again, at the next use, the plugins that failed the last time."""
        self._mark(self._failed)

    def fault(self, plugin: str) -> errors.OstiaryError | None:
        """Return why what a plugin last named is not in force, or None."""
        return self._faults.get(plugin)

    async def settle(self, plugin: str | None = None) -> None:
        """Wait until a plugin, or every one, has been asked since it changed; never fails."""
        for name in [plugin] if plugin is not None else list(self.stale):
            while name in self.stale:
                async with self._locks[name]:
                    heard = self.stale.get(name)
                    if heard is not None:
                        await self._renew(self._plugins[name])
                        # It may have changed once more while it was asked.
                        if self.stale[name] == heard:
                            del self.stale[name]

    def _mark(self, names: Any) -> None:
        self._heard += 1
        for name in names:
            if name in self._plugins:
                self.stale[name] = self._heard

    async def _renew(self, plugin: Plugin) -> None:
        """Ask a plugin; what is wrong or fails leaves it with the strategies it had."""
        self._failed.discard(plugin.name)
        self._faults.pop(plugin.name, None)
        try:
            named = await self._ask(plugin)
            self._check(plugin, named)
            await self._claim(plugin.name, [strategy.name for strategy in named])
        except (errors.StrategyNotRegistered, errors.StrategyOfAnother) as error:
            logger.error("plugin %s keeps its former strategies: %s", plugin.name, error)  # noqa: TRY400
            self._faults[plugin.name] = error
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin may raise anything
            logger.error("plugin %s failed in %s: %s", plugin.name, STORED, origin(error))  # noqa: TRY400
            self._failed.add(plugin.name)
            self._faults[plugin.name] = errors.PluginUnexpectedError(f"{STORED} failed")
        else:
            self._install(plugin.name, named)

    async def _ask(self, plugin: Plugin) -> tuple[Strategy, ...]:
        store = self._stores[plugin.name]

        def ask() -> Awaitable[Any]:
            (answer,) = self._hooks[plugin.name](settings=plugin.settings, store=store)
            asked: Awaitable[Any] = answer
            return asked

        return await self._calls.call(f"plugin {plugin.name}", STORED, ask, tuple)

    def _check(self, plugin: Plugin, named: Sequence[Strategy]) -> None:
        names: set[str] = set()
        for strategy in named:
            fault = fault_of(strategy) or fault_of_actions(plugin, strategy)
            if fault is None and strategy.name in names:
                fault = "it is named twice"
            if fault is not None:
                raise errors.StrategyNotRegistered(name_of(strategy), fault)
            if self._owner_of(strategy.name) not in (None, plugin.name):
                raise errors.StrategyOfAnother(strategy.name)
            names.add(strategy.name)
