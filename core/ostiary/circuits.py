"""Leaving a plugin alone that does not answer: its calls must not take the room of others."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil
from time import monotonic
from typing import Literal

from ostiary import errors
from ostiary.patience import Patience

logger = logging.getLogger(__name__)

Health = Literal["working", "failing", "left alone"]

FAILURES = 5
"""Time-outs one after the other until it is left alone."""

REST = 10.0
"""Seconds that it is left alone, until a call tries again."""

SLOW = 1.0
"""Seconds after which a call counts as slow."""

ROOM = 32
"""Slow calls at once; a plugin that is quick may have any number of them."""

MOST_LEFT = 8
"""Hooks that were told to end and go on; with more of them no call is made any more."""


class Circuit:
    """What is known of the calls of one strategy, or of one plugin."""

    def __init__(self) -> None:
        self._failures, self._until, self._trying = 0, 0.0, False
        self._running: set[Patience] = set()
        self._left: set[asyncio.Task[None]] = set()

    @property
    def health(self) -> Health:
        """How it is with what is called: it answers, or did not of late, or is left alone."""
        if self._failures >= FAILURES or len(self._left) >= MOST_LEFT:
            return "left alone"
        return "failing" if self._failures else "working"

    @contextmanager
    def admitted(self, subject: str, patience: Patience) -> Iterator[None]:
        """Take part while a call runs.

        :raises errors.PluginUnavailable: there is none to be made now.
        """
        trial = self._admit(subject)
        self._running.add(patience)
        try:
            yield
        finally:
            self._running.discard(patience)
            if trial:
                self._trying = False

    def failed(self, subject: str) -> None:
        """Note that a call was not answered in time."""
        self._failures += 1
        if self._failures >= FAILURES:
            self._until = monotonic() + REST
            logger.error("%s does not answer: it is left alone for %d s", subject, REST)

    def worked(self, subject: str) -> None:
        """Note that a call was answered, well or not."""
        if self._failures >= FAILURES:
            logger.warning("%s answers again", subject)
        self._failures = 0

    def leave(self, task: asyncio.Task[None]) -> None:
        """Note that a call does not end."""
        self._left.add(task)
        task.add_done_callback(self._left.discard)

    def _admit(self, subject: str) -> bool:
        """Refuse a call, or tell whether it is the one that tries again."""
        trial = self._failures >= FAILURES
        if trial and (self._trying or monotonic() < self._until):
            wait = max(1, ceil(self._until - monotonic()))
            raise errors.PluginUnavailable(subject, retry_after=wait)
        full = (
            len(self._running) >= ROOM and sum(one.spent() > SLOW for one in self._running) >= ROOM
        )
        if full or len(self._left) >= MOST_LEFT:
            raise errors.PluginUnavailable(subject, retry_after=1)
        self._trying = self._trying or trial
        return trial
