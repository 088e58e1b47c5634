"""Whether anybody may sign in: not while a plugin is missing that took part in every login."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from ostiary import errors
from ostiary.plugins import Plugin
from ostiary.services.inventory import Inventory

logger = logging.getLogger(__name__)

RETRY_AFTER = 60
"""Seconds; an operator has to come."""


class Door:
    """Stays closed until an operator does without what guarded it (decision 26).

    Tokens and API keys work as before: only who would sign in is refused.

    :param present: the plugins that are loaded.
    """

    def __init__(self, inventory: Inventory, present: Iterable[Plugin]) -> None:
        self._inventory, self._present = inventory, tuple(present)
        self.missing: tuple[str, ...] = ()

    async def look(self) -> Sequence[str]:
        """Note which plugins are missing that took part in every login, and return their names."""
        gone = await self._inventory.gone(self._present)
        self.missing = tuple(plugin.name for plugin in gone if plugin.wraps)
        if self.missing:
            logger.error(
                "NOBODY CAN SIGN IN: the plugin %s took part in every login and is not loaded; "
                "install it again, or do without it from now on with `ostiary plugins disable NAME`",
                ", ".join(self.missing),
            )
        return self.missing

    async def check(self) -> None:
        """Let somebody sign in.

        :raises errors.LoginsClosed: a plugin is missing that would have been asked.
        """
        # An operator may have spoken since: nothing has to be started again for it.
        if self.missing and await self.look():
            raise errors.LoginsClosed(retry_after=RETRY_AFTER)
