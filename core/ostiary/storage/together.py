"""Transactions that are committed together: whoever writes while a commit is under way is in the next.

A commit waits for the disk, and for the standby where there is one. That of one waits no longer
than that of many, so many who write at the same time share one; each can fail by itself, and none
is told it is done before it is.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from typing import Any, ClassVar, TypeVar

from ostiary import errors
from ostiary.storage import budget
from ostiary.storage.prepared import Statement
from ostiary.storage.store import Database, Rows
from ostiary.storage.transaction import Transaction

T = TypeVar("T")
Work = Callable[[Database], Coroutine[Any, Any, T]]
Execute = Callable[[Statement, Any], Awaitable[Rows]]

LONGEST_SECONDS = 60.0
"""How long who is no request waits until it is done."""


class Together(ABC):
    """Runs pieces of work, as many in a transaction as have come meanwhile.

    :cvar most: pieces of work that are committed together: others wait for their turn meanwhile.
    """

    most: ClassVar[int]

    def __init__(self) -> None:
        self._waiting: deque[Piece] = deque()
        self._leading: asyncio.Task[None] | None = None

    async def write(self, work: Work[T]) -> T:
        """Run a piece of work in a transaction, and return its result once it is committed.

        Whoever is cancelled meanwhile leaves it undone, or wholly done; so does a request whose
        time is over.

        :raises errors.StoreUnavailable: it is not done in time.
        """
        piece = Piece(work)
        self._waiting.append(piece)
        if self._leading is None:
            self._leading = asyncio.create_task(self._lead())
        try:
            with budget.Waiting(LONGEST_SECONDS) as seconds:
                result: T = await _in_time(piece.done, seconds)
        finally:
            if piece in self._waiting:
                self._waiting.remove(piece)
            # An error knows this frame: neither would go without the collector.
            del piece
        return result

    async def finish(self) -> None:
        """Wait until nothing waits."""
        if self._leading is not None:
            await asyncio.wait([self._leading])

    async def _lead(self) -> None:
        try:
            while self._waiting:
                await self._commit_some()
        finally:
            self._leading = None

    @abstractmethod
    async def _commit_some(self) -> None:
        """Do what some have to do in a transaction, commit it, and have them told."""

    def _taken(self) -> list[Piece]:
        """Return those who have waited the longest, as many as may be; they wait no more."""
        return [self._waiting.popleft() for _ in range(min(self.most, len(self._waiting)))]


class Piece:
    """A piece of work, who waits for it, and how it went.

    :ivar context: that of who waits.
    :ivar error: why it is not done.
    :ivar result: what it has returned.
    """

    def __init__(self, work: Work[Any]) -> None:
        self.work, self.context = work, copy_context()
        self.done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.error: BaseException | None = None
        self.result: Any = None
        self._db: Transaction | None = None

    @contextmanager
    def transaction(self, execute: Execute) -> Iterator[Database]:
        """Give it a transaction of its own, as it seems; what it has broken may not be committed."""
        self._db = db = Transaction(execute)
        try:
            yield db
            db.check()
        finally:
            db.end()

    def tell(self) -> None:
        """Tell who waits how it went, once."""
        try:
            if self.error is None and self._db is not None:
                self._db.committed()
        except Exception as fault:  # noqa: BLE001 - it is raised where it is waited for
            self.error = fault
        done, error, self.error = self.done, self.error, None
        # An error knows the frames that know this piece.
        del self.done
        if done.done():
            return
        if error is None:
            done.set_result(self.result)
        else:
            done.set_exception(error)


async def _in_time(done: asyncio.Future[T], seconds: float) -> T:
    """Wait for a result.

    :raises errors.StoreUnavailable: it is not there in time.
    """
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            return await done
    except TimeoutError:
        if not limit.expired():
            raise
        raise errors.StoreUnavailable(retry_after=1) from None
    finally:
        # Its error knows this frame.
        del done
