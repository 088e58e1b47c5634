"""Work that goes on after its request was answered: none of it is lost without a word."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from ostiary import errors, log
from ostiary.storage import budget

logger = logging.getLogger(__name__)

PATIENCE = 5.0
"""Seconds that what still runs gets when the server stops."""


class Background:
    """Keeps the tasks of a process until they end, and tells in the log how they ended."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, what: str, work: Coroutine[Any, Any, object]) -> None:
        """Begin some work.

        :param what: names it in the log.
        """
        task = asyncio.create_task(_told(what, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def finish(self, patience: float = PATIENCE) -> None:
        """Wait for what still runs, and give up what takes too long."""
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=patience)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)


async def _told(what: str, work: Coroutine[Any, Any, object]) -> None:
    budget.lift()
    try:
        await work
    except asyncio.CancelledError:
        logger.warning("%s was given up: the server stops", what)
        raise
    except errors.OstiaryError as error:
        logger.warning("%s ended early: %s %s", what, error.id, error.props)
    except Exception as error:  # noqa: BLE001 - nobody else would tell of it
        logger.error("%s failed: %s", what, log.origin(error))  # noqa: TRY400
    else:
        logger.info("%s is done", what)
