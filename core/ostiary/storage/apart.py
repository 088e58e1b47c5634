"""Threads of a SQLite store for statements that may take long, and how many may wait for them."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import BoundedSemaphore
from typing import Any, TypeVar

from ostiary import errors

T = TypeVar("T")

THREADS = 2
MOST_WAITING = 32
"""Statements that may wait for a thread."""

LONGEST_SECONDS = 3.0
"""What all statements of one block may take together, the time that they wait included."""


class Apart:
    """A few threads, and a queue in front of them that has an end."""

    def __init__(self, name: str) -> None:
        self._places = BoundedSemaphore(THREADS + MOST_WAITING)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix=f"reading-{name}")

    def submit(self, work: Callable[..., T], *arguments: Any) -> Future[T]:
        """Have some work done by a thread.

        :raises errors.Overloaded: as much waits as may wait.
        """
        if not self._places.acquire(blocking=False):
            raise errors.Overloaded(retry_after=1)
        running = self._threads.submit(work, *arguments)
        # A place is free when the work is over, not when nobody waits for it any more.
        running.add_done_callback(lambda _: self._places.release())
        return running

    def close(self) -> None:
        """Finish what was accepted, then end the threads."""
        self._threads.shutdown()


def deadline() -> float:
    """Return when a block that begins now has to be over."""
    return time.monotonic() + LONGEST_SECONDS
