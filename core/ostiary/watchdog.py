"""Breaking off code of plugins that blocks the event loop, where everything else waits for it.

A coroutine is driven step by step, and each step is noted while it runs. A thread looks at
the clock; when a step has run for too long, a signal makes the thread of the event loop raise
in the midst of it. That ends loops, ``time.sleep`` and waiting for sockets and locks (PEP 475);
code in C that looks at no signal it does not end.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from time import monotonic
from types import FrameType
from typing import Any, TypeVar

from ostiary.log import origin

logger = logging.getLogger(__name__)

T = TypeVar("T")

STEP_LIMIT = 3.0
"""Seconds that one step may block the event loop."""

PERIOD = 1.0
"""Seconds between two looks at the clock while nothing is near its limit."""

INSISTENCE = 0.25
"""Seconds between two attempts to break a step off."""

GIVING_UP = 30.0
"""Seconds after which a process that nothing could free is no use to anybody."""

INTERRUPT = signal.SIGURG
"""Ignored where nobody handles it, and sent by nobody else."""

PROTECTED = (
    "ostiary.storage",
    "ostiary.services",
    "ostiary.hashing",
    "ostiary.hash_pool",
    "ostiary.keys",
    "uvicorn",
)
"""Work of the core for a hook: it is bounded by itself, and is not to be torn in the middle. Nor is
what uvicorn does in a signal handler, which runs on top of whatever was running."""


class Interrupted(BaseException):
    """Raised in a step that has blocked the event loop for too long."""


class Step:
    """Code of a plugin that runs, or may run.

    :param subject: whose code it is, for the log.
    :ivar since: when it began to run.
    :ivar interrupted: it was broken off.
    """

    __slots__ = ("interrupted", "limit", "since", "subject")

    def __init__(self, subject: str, limit: float = STEP_LIMIT) -> None:
        self.subject, self.limit = subject, limit
        self.since, self.interrupted = 0.0, False


class Watchdog:
    """Watches over the steps of plugins in one event loop.

    :param give_up: ends the process, when a step cannot be broken off; None leaves it at a line
        in the log.
    """

    def __init__(self, give_up: Callable[[], None] | None = None) -> None:
        self._current: Step | None = None
        self._target: tuple[Step, float] | None = None
        self._give_up = give_up
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._watched = 0
        self._before: Any = None

    def start(self) -> None:
        """Watch over the thread that calls; steps are broken off in the main thread only."""
        self._watched = threading.get_ident()
        if self._in_main_thread():
            self._before = signal.signal(INTERRUPT, self._interrupt)
        self._stopping.clear()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Watch no more."""
        if self._thread is None:
            return
        self._stopping.set()
        self._thread.join()
        self._thread = None
        if self._in_main_thread():
            signal.signal(INTERRUPT, self._before or signal.SIG_DFL)

    def run(self, step: Step, work: Callable[..., T], *arguments: Any) -> T:
        """Call a function of a plugin, and note that it runs.

        :raises Interrupted: it was broken off.
        """
        before = self._current
        try:
            try:
                step.since = monotonic()
                self._current = step
                return work(*arguments)
            finally:
                self._current = before
        finally:
            # The signal may have come between the call and the line above.
            self._current = before

    def _in_main_thread(self) -> bool:
        return self._watched == threading.main_thread().ident

    def _watch(self) -> None:
        wait = PERIOD
        while not self._stopping.wait(wait):
            wait = PERIOD
            step = self._current
            if step is None:
                continue
            since = step.since
            blocked = monotonic() - since
            wait = max(INSISTENCE, min(PERIOD, step.limit - blocked))
            if blocked > step.limit and step is self._current:
                self._break_off(step, since, blocked)

    def _break_off(self, step: Step, since: float, blocked: float) -> None:
        if self._target != (step, since):
            self._target = (step, since)
            logger.error(
                "%s has blocked everything for %.0f s: %s", step.subject, blocked, self._place()
            )
        if blocked > GIVING_UP and self._give_up is not None:
            logger.critical("%s cannot be broken off; this process ends", step.subject)
            self._give_up()
        if self._in_main_thread():
            signal.pthread_kill(self._watched, INTERRUPT)

    def _interrupt(self, _signal: int, frame: FrameType | None) -> None:
        """Raise in the step that blocks, unless it is over."""
        step = self._current
        if step is None or self._target != (step, step.since) or not _in_foreign_code(frame):
            return
        step.interrupted = True
        raise Interrupted

    def _place(self) -> str:
        """Return where the watched thread is: places in code, and no values."""
        frame = sys._current_frames().get(self._watched)  # noqa: SLF001 - there is no other way
        places = []
        while frame is not None and frame.f_code is not Watchdog.run.__code__:
            places.append(f"{frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_name}")
            frame = frame.f_back
        return " < ".join(places[:10])


@contextmanager
def watching() -> Iterator[Watchdog]:
    """Watch over this thread for a while."""
    watchdog = Watchdog()
    watchdog.start()
    try:
        yield watchdog
    finally:
        watchdog.stop()


class Steps(Step):
    """An awaitable of a plugin that is watched over, step by step.

    :ivar abandoned: nobody waits for it any more; it is closed instead of going on.
    """

    __slots__ = ("_next", "_throw", "_watchdog", "abandoned", "inner")

    def __init__(self, watchdog: Watchdog, subject: str, awaitable: Any) -> None:
        super().__init__(subject)
        self._watchdog, self.abandoned = watchdog, False
        self.inner: Generator[Any, Any, Any] = awaitable.__await__()
        self._next, self._throw = self.inner.__next__, self.inner.throw

    def __await__(self) -> Steps:
        return self

    def __iter__(self) -> Steps:
        return self

    def __next__(self) -> Any:
        if self.abandoned:
            self._end()
        future = self._watchdog.run(self, self._next)
        if self.interrupted:
            self._end()
        return future

    def send(self, _value: None) -> Any:
        """Go on to where it has to wait again."""
        return next(self)

    def throw(self, error: Any, value: Any = None, _trace: Any = None) -> Any:
        """Raise where it waits; by that it is cancelled."""
        if self.abandoned:
            self._end()
        future = self._watchdog.run(self, self._throw, error if value is None else value)
        if self.interrupted:
            self._end()
        return future

    def close(self) -> None:
        """End it where it waits."""
        self._watchdog.run(self, self.inner.close)

    def _end(self) -> None:
        try:
            self.close()
        except BaseException as error:  # noqa: BLE001 - it may raise anything, and is over
            logger.error("%s does not end as it should: %s", self.subject, origin(error))  # noqa: TRY400
        raise asyncio.CancelledError


def _in_foreign_code(frame: FrameType | None) -> bool:
    """Tell whether a plugin's code would be broken off, and no work of the core within it."""
    here = frame
    while frame is not None and frame.f_code is not Watchdog.run.__code__:
        if str(frame.f_globals.get("__name__")).startswith(PROTECTED):
            return False
        frame = frame.f_back
    return frame is not None and here is not frame
