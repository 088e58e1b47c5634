"""Whether the database is there: while it is gone nobody waits for it, until it is back."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any

from ostiary import errors
from ostiary.storage.postgresql_errors import FAULTS, absent, describe

PAUSE = 0.25
"""Seconds between two looks at a database that is gone."""

log = logging.getLogger(__name__)


class Reach:
    """What all stores of a process know of the database that they share.

    A connection that fails makes the process look for itself, with a new one. If that fails
    too, the database is gone: whatever needs it is refused at once.

    :param connect: opens a connection.
    :ivar era: grows when connections of before cannot be trusted any more.
    """

    def __init__(self, connect: Callable[[], Awaitable[Any]]) -> None:
        self._connect = connect
        self._gone = False
        self._looking: asyncio.Task[None] | None = None
        self._seen = -math.inf
        self.era = 0

    def check(self) -> None:
        """Refuse what needs the database while it is gone.

        :raises errors.StoreUnavailable: it is.
        """
        if self._gone:
            raise errors.StoreUnavailable(retry_after=1)

    def doubt(self, era: int | None) -> None:
        """Look whether the database is still there.

        :param era: of a connection that has failed: the others of it may have, too, without
            a word, if a machine is gone. None if there was no connection to be had.
        """
        if era == self.era:
            self.era += 1
        elif monotonic() - self._seen < PAUSE:
            return
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())

    async def close(self) -> None:
        """Look no more."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait([self._looking])

    async def _look(self) -> None:
        try:
            while not await self._there():  # noqa: ASYNC110 - nobody tells when it is back
                await asyncio.sleep(PAUSE)
        finally:
            self._gone, self._looking = False, None
            self._seen = monotonic()

    async def _there(self) -> bool:
        try:
            connection = await self._connect()
        except FAULTS as fault:
            if absent(fault):
                if not self._gone:
                    log.error("the database is gone: %s", describe(fault))  # noqa: TRY400
                self._gone = True
                return False
            # It answers, and has no room for one more.
        else:
            connection.terminate()
        if self._gone:
            log.warning("the database is back")
            self.era += 1
        return True
