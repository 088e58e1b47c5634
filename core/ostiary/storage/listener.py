"""Hears on PostgreSQL that a store was written to, from whatever machine."""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from ostiary.storage.postgresql_errors import FAULTS

CHANNEL = "ostiary_changes"
BEAT_SECONDS = 0.25
SILENCE_SECONDS = 1.0

log = logging.getLogger(__name__)


class Listener:
    """Listens on a connection of its own, which it opens again by itself.

    It also notifies itself all the time. PostgreSQL delivers in the order of the
    commits, so whoever has heard a beat has heard all that was committed before.
    """

    def __init__(self, connect: Callable[[], Awaitable[Any]]) -> None:
        self._connect = connect
        self._beats = f"ostiary_beat_{secrets.token_hex(8)}"
        self._changed = True
        self._heard = -math.inf
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.create_task(self._keep())

    def changed(self) -> bool:
        """Tell whether anything was announced since the last call, or may have been missed."""
        changed, self._changed = self._changed, False
        return changed

    def healthy(self) -> bool:
        """Tell whether all that was committed a second ago has been heard."""
        return self._loop.time() - self._heard < SILENCE_SECONDS

    async def close(self) -> None:
        """Stop listening."""
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _keep(self) -> None:
        while True:
            try:
                await self._listen()
            except FAULTS as error:
                if self._heard > -math.inf:
                    log.warning("changes are not heard any more: %s", type(error).__name__)
            self._heard = -math.inf
            await asyncio.sleep(BEAT_SECONDS)

    async def _listen(self) -> None:
        connection = await self._connect()
        try:
            await connection.add_listener(CHANNEL, self._on_change)
            await connection.add_listener(self._beats, self._on_beat)
            # What was announced while nobody listened is not told again.
            self._changed = True
            while True:
                beat = repr(self._loop.time())
                await connection.execute("SELECT pg_notify($1, $2)", self._beats, beat, timeout=1)
                await asyncio.sleep(BEAT_SECONDS)
        finally:
            # Not closed with a farewell, which could wait for a server that is gone.
            connection.terminate()

    def _on_change(self, *_: object) -> None:
        self._changed = True

    def _on_beat(self, _connection: object, _process: int, _channel: str, sent: object) -> None:
        self._heard = float(str(sent))


class ReadThrough:
    """Knows nothing, for it does not listen: whoever wants to know has to look."""

    def changed(self) -> bool:
        """Tell that anything may have changed."""
        return True

    def healthy(self) -> bool:
        """Tell that this cannot be relied on."""
        return False

    async def close(self) -> None:
        """Do nothing."""
