"""The threads in which hashes are made, off the event loop.

There is one per core: a hash frees the interpreter while it works, and more threads would only hold
more memory.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import groupby
from typing import Any, TypeVar

from ostiary import errors
from ostiary.patience import not_counted

T = TypeVar("T")

LOWEST_PRIORITY = 19

LATELY = 16
"""Hashes by which it is known how long the next ones take."""

TOGETHER = 6
"""Results that are handed over at a time, where as many more are waited for."""

HELD = 0.1
"""Seconds that a result is held for that at most, going by how long the next one takes."""

logger = logging.getLogger(__name__)


class HashPool:
    """The threads in which all hashes of a process are made.

    What waits for the results of hashes runs on memory that a hash has just driven out of the
    processor's caches: alone, it takes four times as long as after another of its kind. So where many
    wait, results are handed over a few at a time.

    :param threads: hashes made at once; each holds the memory of one.
    :param queue: hashes that may wait beyond those.
    :param nice: how far the threads stand back behind the event loop (Linux).
    :param max_wait: seconds that a hash may have to wait for its thread, going by how long the
        last ones took; None is any time.
    """

    def __init__(
        self, threads: int, queue: int, nice: int = 10, max_wait: float | None = None
    ) -> None:
        self._places = threading.BoundedSemaphore(threads + queue)
        self._max_wait, self._took = max_wait, 0.0
        self._lock, self._accepted, self._at_once = threading.Lock(), 0, threads
        self._over: list[_Work] = []
        self._threads = ThreadPoolExecutor(
            threads, thread_name_prefix="hash", initializer=_stand_back, initargs=(nice,)
        )

    @property
    def waiting(self) -> int:
        """How many hashes were accepted and wait for a thread."""
        return max(0, self._accepted - self._at_once)

    @property
    def wait(self) -> float:
        """How many seconds a hash would wait for its thread, if it were accepted now."""
        ahead = self._accepted + 1 - self._at_once
        return max(0, ahead) * self._took / self._at_once

    async def run(self, work: Callable[[], T]) -> T:
        """Run some work in a thread; if the caller is cancelled first, it may never start.

        :raises errors.Overloaded: as much waits as may wait; it tells when to come again.
        """
        wait = self.wait
        too_long = self._max_wait is not None and wait > self._max_wait
        if too_long or not self._places.acquire(blocking=False):
            raise errors.Overloaded(retry_after=max(1, math.ceil(wait)))
        self._change(+1)
        wanted = _Work(work)
        try:
            accepted = self._threads.submit(self._do, wanted)
        except BaseException:
            self._give_back()
            raise
        try:
            with not_counted():
                result: T = await wanted.done
        except asyncio.CancelledError:
            if accepted.cancel():
                self._give_back()
                # Others may be held for this one, which does not come.
                self._flush()
            raise
        finally:
            # An error knows this frame: neither would go without the collector.
            del wanted
        return result

    def close(self) -> None:
        """Finish what was accepted, then end the threads."""
        self._threads.shutdown()

    def _do(self, work: _Work) -> None:
        """Do some work in a thread, and hand over what is over, unless more of it is near."""
        begun = time.monotonic()
        work.run()
        # A place is free when the work is over, not when its caller has given up.
        self._give_back()
        now = time.monotonic()
        with self._lock:
            took = now - begun
            self._took += (took - self._took) / LATELY if self._took else took
            work.over = now
            self._over.append(work)
            if self._another_is_near(now):
                return
        self._flush()

    def _another_is_near(self, now: float) -> bool:
        """Tell whether the oldest result can wait for the next one."""
        return (
            self.waiting >= TOGETHER
            and len(self._over) < TOGETHER
            and now + self._took / self._at_once - self._over[0].over < HELD
        )

    def _flush(self) -> None:
        with self._lock:
            over, self._over = self._over, []
        _hand_over(over)

    def _give_back(self) -> None:
        """Let another have the place of a hash that is over, or will not be made."""
        self._change(-1)
        self._places.release()

    def _change(self, by: int) -> None:
        with self._lock:  # Threads of the pool end what the event loop began.
            self._accepted += by


class _Work:
    """Something to do in a thread, and who waits for it in an event loop.

    :ivar over: when it was done.
    """

    def __init__(self, work: Callable[[], Any]) -> None:
        self._work = work
        self.loop = asyncio.get_running_loop()
        self.done: asyncio.Future[Any] = self.loop.create_future()
        self._result: Any = None
        self._error: BaseException | None = None
        self.over = 0.0

    def run(self) -> None:
        """Do it, unless nobody waits any more."""
        if self.done.cancelled():
            return
        try:
            self._result = self._work()
        except BaseException as error:  # noqa: BLE001 - who waits is told
            self._error = error

    def tell(self) -> None:
        """Tell who waits how it went."""
        error, self._error = self._error, None
        if self.done.done():
            return
        if error is None:
            self.done.set_result(self._result)
        else:
            self.done.set_exception(error)


def _hand_over(over: Iterable[_Work]) -> None:
    """Have those who wait told, those of one event loop with one call."""
    for loop, some in groupby(over, key=lambda work: work.loop):
        # Who has ended their loop waits for nothing.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_tell, list(some))


def _tell(over: Iterable[_Work]) -> None:
    for work in over:
        work.tell()


def _stand_back(nice: int) -> None:
    """Lower the priority of this thread; elsewhere than on Linux only processes have one."""
    if sys.platform != "linux":
        return
    thread = threading.get_native_id()
    lowered = min(LOWEST_PRIORITY, os.getpriority(os.PRIO_PROCESS, thread) + nice)
    try:
        os.setpriority(os.PRIO_PROCESS, thread, lowered)
    except PermissionError:
        # A sandbox may forbid it; hashes then only compete harder with requests.
        logger.warning("the threads that hash cannot be given a lower priority")
