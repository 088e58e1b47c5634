"""Transactions on PostgreSQL that are committed together: whoever writes meanwhile is in the next.

Writers of the core take turns, on all machines together, and a turn ends with a commit that waits for
the disk, and for the standby. Many who write at the same time in a process share one. Each can
fail by itself, and none is told that it is done before it is.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextvars import copy_context
from typing import Any, Generic, TypeVar

from sqlalchemy import text

from ostiary import errors
from ostiary.storage import budget
from ostiary.storage.prepared import Statement
from ostiary.storage.store import Database, Rows
from ostiary.storage.transaction import Transaction

T = TypeVar("T")
Work = Callable[[Database], Coroutine[Any, Any, T]]
Execute = Callable[[Statement, Any], Awaitable[Rows]]
Transact = Callable[[Callable[[Execute], Awaitable[None]]], Awaitable[None]]

MOST = 16
"""Pieces of work that are committed together: others wait for their turn meanwhile."""

LONGEST_SECONDS = 60.0
"""How long who is no request waits until it is done."""

MARK, UNDO = text("SAVEPOINT one_of_many"), text("ROLLBACK TO one_of_many")
"""Each mark hides the one before, until the commit forgets them all."""


class Grouped:
    """Runs pieces of work, as many in a transaction as have come meanwhile.

    :param transact: begins a transaction, has it filled, and commits it.
    """

    def __init__(self, transact: Transact) -> None:
        self._transact = transact
        self._waiting: deque[_Piece[Any]] = deque()
        self._leading: asyncio.Task[None] | None = None

    async def write(self, work: Work[T]) -> T:
        """Run a piece of work in a transaction, and return its result once it is committed.

        Whoever is cancelled meanwhile leaves it undone, or wholly done; so does a request whose
        time is over.
        """
        piece = _Piece(work)
        self._waiting.append(piece)
        if self._leading is None:
            self._leading = asyncio.create_task(self._lead())
        try:
            with budget.Waiting(LONGEST_SECONDS) as seconds:
                return await _in_time(piece.done, seconds)
        finally:
            if piece in self._waiting:
                self._waiting.remove(piece)

    async def finish(self) -> None:
        """Wait until nothing waits."""
        if self._leading is not None:
            await asyncio.wait([self._leading])

    async def _lead(self) -> None:
        try:
            while self._waiting:
                # Its time is not that of the request which happened to be the first.
                budget.begin()
                pieces = [self._waiting.popleft() for _ in range(min(MOST, len(self._waiting)))]
                try:
                    await self._transact(_filling(pieces))
                except BaseException as fault:  # noqa: BLE001 - whoever waits is told
                    self._fail(pieces, fault)
                for piece in pieces:
                    piece.tell()
        finally:
            self._leading = None

    def _fail(self, pieces: list[_Piece[Any]], fault: BaseException) -> None:
        """Note why nothing of it was done; where the database is gone, nobody else tries."""
        if isinstance(fault, errors.StoreUnavailable):
            pieces += self._waiting
            self._waiting.clear()
        for piece in pieces:
            piece.error = piece.error or fault


class _Piece(Generic[T]):
    """A piece of work, who waits for it, and how it went."""

    def __init__(self, work: Work[T]) -> None:
        self._work, self._context = work, copy_context()
        self.done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self.error: BaseException | None = None
        self._result: list[T] = []
        self._db: Transaction | None = None

    async def run(self, execute: Execute) -> None:
        """Run it, in the context of who waits, but for the time, which is that of all."""
        budget.share(self._context)
        self._db = db = Transaction(execute)
        try:
            running = asyncio.create_task(self._work(db), context=self._context)
            self._result.append(await running)
            db.check()
        finally:
            db.end()

    def tell(self) -> None:
        """Tell who waits how it went."""
        try:
            if self.error is None and self._db is not None:
                self._db.committed()
        except Exception as error:  # noqa: BLE001 - it is raised where it is waited for
            self.error = error
        if self.done.done():
            return
        if self.error is None:
            self.done.set_result(self._result[0])
        else:
            self.done.set_exception(self.error)


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


def _filling(pieces: Sequence[_Piece[Any]]) -> Callable[[Execute], Awaitable[None]]:
    """Return what does several pieces of work in a transaction, each undone if it fails."""

    async def fill(execute: Execute) -> None:
        for piece in pieces:
            if len(pieces) == 1:
                await piece.run(execute)
                return
            await execute(MARK, None)
            try:
                await piece.run(execute)
            except errors.StoreUnavailable:
                raise
            except Exception as error:  # noqa: BLE001 - whoever waits is told
                piece.error = error
                await execute(UNDO, None)

    return fill
