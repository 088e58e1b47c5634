"""The hook that tells for whom an e-mail address was verified, asked of every plugin that has it."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from functools import partial
from typing import Any

from pluggy import HookCaller

from ostiary.calling import Calls
from ostiary.plugins import ADDRESS, Plugin, Plugins
from ostiary.storage import OwnStore
from ostiary.verdicts import kuid_of

LONGEST_ADDRESS = 320
"""Characters that any address has (RFC 5321, 4.5.3.1: 64 before the ``@``, 255 after it)."""


class AddressHooks:
    """Asks them, one after the other, each with the store of its own plugin."""

    def __init__(self, plugins: Plugins, calls: Calls, stores: Mapping[str, OwnStore]) -> None:
        self._calls, self._stores = calls, stores
        self._asked = tuple(plugins.callers(ADDRESS))

    async def holders(self, email: str) -> dict[str, str]:
        """Return, by the name of the plugin, the kuid that each names for an address.

        A plugin that fails leaves open whom it would have named, so that nobody is named:

        :raises errors.OstiaryError: that of a plugin that failed.
        """
        if not 0 < len(email) <= LONGEST_ADDRESS:
            return {}
        found = {}
        for plugin, caller in self._asked:
            subject = f"plugin {plugin.name}"
            ask = partial(_ask, caller, plugin, self._stores.get(plugin.name), email)
            check = partial(kuid_of, subject)
            kuid = await self._calls.call(subject, ADDRESS, ask, check)
            if kuid is not None:
                found[plugin.name] = kuid
        return found


def _ask(caller: HookCaller, plugin: Plugin, store: OwnStore | None, email: str) -> Awaitable[Any]:
    (answer,) = caller(settings=plugin.settings, store=store, email=email)
    asked: Awaitable[Any] = answer
    return asked
