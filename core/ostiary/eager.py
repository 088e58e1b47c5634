"""Running coroutines at once: only one that has to wait for something costs a task.

Most requests are answered without waiting, and the task for one costs as much as the answer.
What Python has for it, from 3.12 on, makes a task for each (``asyncio.eager_task_factory``).
"""

from __future__ import annotations

import asyncio
from asyncio import _enter_task, _leave_task
from collections.abc import Coroutine, Generator
from contextvars import Context
from typing import Any

from ostiary.arrivals import ARRIVAL, Arrival


class Eager:
    """Runs the coroutines of one event loop, one after the other, outside of its tasks.

    Those that are run before the loop goes on have arrived together: see ``Arrival``. So it is
    for protocols alone, which run them while the loop hands out what its sockets had.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._spare: _Carrier | None = None
        self._arrived: Context | None = None
        self._arrival = Arrival()

    def run(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None] | None:
        """Run a coroutine to its end; where it has to wait, return the task that goes on with it.

        That task is the current one from the beginning, and each coroutine has a context of its
        own, with nothing in it but its arrival. What a coroutine raises before it has waited is
        raised here.
        """
        carrier = self._spare
        if carrier is None:
            carrier = self._spare = _Carrier(self._loop)
        task = carrier.task
        try:
            _enter_task(self._loop, task)
        except RuntimeError:
            # Within a task there cannot be another: this one begins in its turn.
            return self._loop.create_task(coroutine, context=Context())
        context = (self._arrived or self._begin()).copy()
        try:
            awaited = context.run(coroutine.send, None)
        except StopIteration:
            return None
        finally:
            _leave_task(self._loop, task)
            # Also where that was taken back: the task would hear of it all the same, with whatever
            # it goes on with.
            if carrier.given.done() or task._must_cancel:  # type: ignore[attr-defined]  # noqa: SLF001 - nothing else tells
                self._spare = None
        self._spare = None
        carrier.take(_Rest(coroutine, context, awaited))
        return task

    def part(self) -> None:
        """Part what is run from here on from what was before: it may have come later."""
        self._arrival.end()
        self._arrived = None

    def _begin(self) -> Context:
        self._arrival, self._arrived = Arrival(), Context()
        self._arrived.run(ARRIVAL.set, self._arrival)
        self._loop.call_soon(self.part)
        return self._arrived


class _Carrier:
    """A task that does nothing until it is given a coroutine to go on with."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.given: asyncio.Future[None] = loop.create_future()
        self._rest: _Rest | None = None
        carrying = self._carry()
        # A task that is cancelled before its first step does not take it: this one has begun.
        carrying.send(None)
        self.task = loop.create_task(carrying)

    def take(self, rest: _Rest) -> None:
        """Go on with a coroutine."""
        self._rest = rest
        if not self.given.done():
            # It is when the coroutine has cancelled the task itself.
            self.given.set_result(None)

    async def _carry(self) -> None:
        try:
            await asyncio.sleep(0)
            await self.given
        except asyncio.CancelledError as error:
            if self._rest is None:
                raise
            if self.task.cancelling():
                # Else it was taken back before anything waited: nobody is to hear of it.
                self._rest.cancel(error)
        assert self._rest is not None
        await self._rest


class _Rest:
    """What is left of a coroutine that has begun to wait, as something to await.

    :param awaited: what it waits for: a future, or None to let the others have their turn.
    """

    def __init__(
        self, coroutine: Coroutine[Any, Any, None], context: Context, awaited: Any
    ) -> None:
        self._coroutine, self._context, self._awaited = coroutine, context, awaited
        self._cancelled: asyncio.CancelledError | None = None

    def cancel(self, error: asyncio.CancelledError) -> None:
        """Cancel it where it waits, as a task would be."""
        if self._awaited is None or not self._awaited.cancel():
            self._cancelled = error

    def __await__(self) -> Generator[Any, Any, None]:
        awaited = self._awaited
        error: BaseException | None = self._cancelled
        send, throw = self._coroutine.send, self._coroutine.throw
        while True:
            if error is None:
                try:
                    yield awaited
                except BaseException as thrown:  # noqa: BLE001 - it is for the coroutine
                    error = thrown
            try:
                if error is None:
                    awaited = self._context.run(send, None)
                else:
                    awaited = self._context.run(throw, error)
            except StopIteration:
                return
            error = None
