"""The hooks that every plugin may have around each login, whichever strategy it is by."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import replace
from typing import Any

from pluggy import HookCaller

from ostiary import errors
from ostiary.calling import Calls
from ostiary.plugins import AFTER_LOGIN, BEFORE_LOGIN, Plugins
from ostiary.strategies import Call

REFUSALS = (errors.UnauthorizedError, errors.ForbiddenError, errors.TooManyRequestsError)
"""What a hook may refuse a login with, besides the errors that any hook may raise."""


class LoginHooks:
    """Asks them, one after the other, in the order of the plugins' names."""

    def __init__(self, plugins: Plugins, calls: Calls) -> None:
        self._calls = calls
        self._before = tuple(plugins.callers(BEFORE_LOGIN))
        self._after = tuple(plugins.callers(AFTER_LOGIN))

    async def before(self, strategy: str, call: Call) -> None:
        """Ask whether a login may begin.

        :raises errors.OstiaryError: it may not.
        """
        for plugin, caller in self._before:
            await self._ask(plugin.name, caller, call, strategy_name=strategy)

    async def after(self, kuid: str, strategy: str, call: Call) -> None:
        """Ask whether a user may come in whose credentials were right.

        :raises errors.OstiaryError: they may not.
        """
        for plugin, caller in self._after:
            await self._ask(plugin.name, caller, call, kuid=kuid, strategy_name=strategy)

    async def _ask(self, name: str, caller: HookCaller, call: Call, **arguments: Any) -> None:
        """Call the hook of one plugin; whatever it raises refuses the login."""
        bare = replace(call, args={}, headers={}, state=None)

        def ask() -> Awaitable[Any]:
            (answer,) = caller(call=bare, **arguments)
            asked: Awaitable[Any] = answer
            return asked

        await self._calls.call(f"plugin {name}", caller.name, ask, also=REFUSALS)
