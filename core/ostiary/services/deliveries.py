"""Handing events to plugins, in the background: none waits for them, none suffers from another."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable

from ostiary import errors
from ostiary.events import Event
from ostiary.log import origin
from ostiary.storage import budget

logger = logging.getLogger(__name__)

Hear = Callable[[Event], Awaitable[None]]

MOST = 1000
"""Events that may wait for one plugin in one process; more are not delivered."""

LIMIT = 5.0
"""Seconds that a plugin gets for an event."""

PATIENCE = 5.0
"""Seconds that what waits still gets when the process ends."""


class Deliveries:
    """The events that wait for each plugin.

    :param hear: by the name of the plugin, what hands an event to it.
    """

    def __init__(self, hear: dict[str, Hear], *, most: int = MOST, limit: float = LIMIT) -> None:
        self._lines = [_Line(name, call, most, limit) for name, call in hear.items()]

    def put(self, event: Event) -> None:
        """Have an event delivered soon, in the order in which events are put."""
        for line in self._lines:
            line.put(event)

    async def close(self, patience: float = PATIENCE) -> None:
        """Deliver what waits, as far as there is time for it."""
        tasks = [line.task for line in self._lines if line.task is not None]
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=patience)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)


class _Line:
    """The events that wait for one plugin; its task lives as long as there are some."""

    def __init__(self, name: str, hear: Hear, most: int, limit: float) -> None:
        self._name, self._hear, self._most, self._limit = name, hear, most, limit
        self._waiting: deque[Event] = deque()
        self._lost = 0
        self.task: asyncio.Task[None] | None = None

    def put(self, event: Event) -> None:
        if len(self._waiting) >= self._most:
            self._lost += 1
            if self._lost == 1:
                logger.error("plugin %s is too slow for events: some are lost", self._name)
            return
        self._waiting.append(event)
        if self.task is None:
            self.task = asyncio.create_task(self._work())

    async def _work(self) -> None:
        budget.lift()
        try:
            while self._waiting:
                await self._deliver(self._waiting.popleft())
        except asyncio.CancelledError:
            count = len(self._waiting) + 1
            lost = "%d events for plugin %s are lost: the process ends"
            logger.warning(lost, count, self._name)
            raise
        finally:
            self.task = None
            if self._lost:
                logger.error("plugin %s was too slow for %d events", self._name, self._lost)
                self._lost = 0

    async def _deliver(self, event: Event) -> None:
        kind = type(event).__name__
        try:
            async with asyncio.timeout(self._limit):
                await self._hear(event)
        except errors.OstiaryError as error:
            # What came of it is in the log already.
            logger.warning("plugin %s missed the event %s: %s", self._name, kind, error.id)
        except TimeoutError:
            logger.error("plugin %s took too long over the event %s", self._name, kind)  # noqa: TRY400
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin may raise anything
            failure = origin(error)
            logger.error("plugin %s failed over the event %s: %s", self._name, kind, failure)  # noqa: TRY400
