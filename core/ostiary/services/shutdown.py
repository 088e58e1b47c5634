"""Stopping the server at the request of a client."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ostiary.services.locks import Locks

MOMENT = 0.2
"""Seconds that the answer gets to leave before the server stops."""

SHUTDOWN = "shutdown"


class Shutdown:
    """Stops the server once; who serves says how that is done."""

    def __init__(self, locks: Locks) -> None:
        self._locks = locks
        self._stop: Callable[[], None] | None = None

    def stop_with(self, stop: Callable[[], None]) -> None:
        """Call a function when the server has to stop."""
        self._stop = stop

    async def begin(self) -> None:
        """Stop the server in a moment, as a signal would.

        :raises errors.ActionLocked: it is stopping already.
        """
        assert self._stop is not None
        await self._locks.take(SHUTDOWN)
        asyncio.get_running_loop().call_later(MOMENT, self._stop)
