"""The hooks that every plugin may have around each login, whichever strategy it is by."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

from pluggy import HookCaller

from ostiary import errors
from ostiary.log import origin
from ostiary.plugins import AFTER_LOGIN, BEFORE_LOGIN, Plugins
from ostiary.strategies import Call

logger = logging.getLogger(__name__)

Named = tuple[str, HookCaller]


class LoginHooks:
    """Asks them, one after the other, in the order of the plugins' names."""

    def __init__(self, plugins: Plugins) -> None:
        self._before = _asked(plugins, BEFORE_LOGIN)
        self._after = _asked(plugins, AFTER_LOGIN)

    async def before(self, strategy: str, call: Call) -> None:
        """Ask whether a login may begin.

        :raises errors.OstiaryError: it may not.
        """
        for name, caller in self._before:
            await _ask(name, caller, call, strategy_name=strategy)

    async def after(self, kuid: str, strategy: str, call: Call) -> None:
        """Ask whether a user may come in whose credentials were right.

        :raises errors.OstiaryError: they may not.
        """
        for name, caller in self._after:
            await _ask(name, caller, call, kuid=kuid, strategy_name=strategy)


def _asked(plugins: Plugins, hook: str) -> tuple[Named, ...]:
    found = []
    for plugin in sorted(plugins.loaded, key=lambda plugin: plugin.name):
        others = [one.module for one in plugins.loaded if one is not plugin]
        caller = plugins.manager.subset_hook_caller(hook, others)
        if caller.get_hookimpls():
            found.append((plugin.name, caller))
    return tuple(found)


async def _ask(name: str, caller: HookCaller, call: Call, **arguments: Any) -> None:
    """Call the hook of one plugin; whatever it raises refuses the login."""
    try:
        for answer in caller(call=replace(call, args={}, headers={}, state=None), **arguments):
            await answer
    except errors.OstiaryError:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin may raise anything
        logger.error("plugin %s failed in %s: %s", name, caller.name, origin(error))  # noqa: TRY400
        raise errors.PluginUnexpectedError(f"plugin {name} failed") from None
