"""Threads of a SQLite store for statements that may take long, and how many may wait for them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from ostiary import errors

T = TypeVar("T")

THREADS = 2
MOST_WAITING = 32
"""Blocks that may be open beyond those that a thread works for."""

LONGEST_SECONDS = 3.0
"""What all statements of one block may take together, the time that they wait included."""


class Apart:
    """A few threads, and a queue in front of them that has an end."""

    def __init__(self, name: str) -> None:
        self._open = 0
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix=f"reading-{name}")

    @contextmanager
    def place(self) -> Iterator[None]:
        """Keep a place for the statements of one block.

        :raises errors.Overloaded: as many blocks wait as may wait.
        """
        if self._open == THREADS + MOST_WAITING:
            raise errors.Overloaded(retry_after=1)
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1

    def submit(self, work: Callable[..., T], *arguments: Any) -> Future[T]:
        """Have some work done by a thread."""
        return self._threads.submit(work, *arguments)

    def close(self) -> None:
        """Finish what was accepted, then end the threads."""
        self._threads.shutdown()


def deadline() -> float:
    """Return when a block that begins now has to be over."""
    return time.monotonic() + LONGEST_SECONDS
