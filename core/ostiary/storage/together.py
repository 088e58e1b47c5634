"""Transactions that are committed together: whoever writes while a commit is under way is in the next.

A commit waits for the disk. That of one waits no longer than that of many, so many who write at
the same time share one; each can fail by itself, and none is told it is done before it is.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Executor
from contextvars import copy_context
from typing import Any, TypeVar

from ostiary.storage.prepared import Statement
from ostiary.storage.sqlite_session import Session
from ostiary.storage.store import Database, Rows
from ostiary.storage.transaction import Transaction

T = TypeVar("T")
Work = Callable[[Database], Coroutine[Any, Any, T]]

MOST = 64
"""Transactions that are committed together: the file is locked meanwhile."""

MARK = "one_of_many"

log = logging.getLogger(__name__)


class Together:
    """Runs pieces of work in the thread of a writer.

    :param turn: is held while the thread works, against those who write step by step.
    """

    def __init__(self, writer: Session, thread: Executor, turn: asyncio.Lock) -> None:
        self._writer, self._thread, self._turn = writer, thread, turn
        self._waiting: deque[_Piece] = deque()
        self._leading: asyncio.Task[None] | None = None

    async def write(self, work: Work[T]) -> T:
        """Run a piece of work in a transaction, and return its result once it is committed.

        Whoever is cancelled meanwhile leaves it undone, or wholly done.
        """
        piece = _Piece(work)
        self._waiting.append(piece)
        if self._leading is None:
            self._leading = asyncio.create_task(self._lead())
        try:
            result: T = await piece.done
        except asyncio.CancelledError:
            if piece in self._waiting:
                self._waiting.remove(piece)
            raise
        finally:
            # An error knows this frame: neither would go without the collector.
            del piece
        return result

    async def finish(self) -> None:
        """Wait until nothing waits."""
        if self._leading is not None:
            await self._leading

    async def _lead(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                async with self._turn:
                    pieces = [self._waiting.popleft() for _ in range(min(MOST, len(self._waiting)))]
                    over = loop.create_future()
                    self._thread.submit(self._work, pieces, loop, over)
                    await over
        finally:
            self._leading = None

    def _work(
        self,
        pieces: list[_Piece],
        loop: asyncio.AbstractEventLoop,
        over: asyncio.Future[None],
    ) -> None:
        """Do, in the thread, what some have to do, commit it, and have them told."""
        try:
            for piece in pieces:
                self._do(piece, alone=len(pieces) == 1)
            self._writer.commit()
        except BaseException as fault:  # noqa: BLE001 - whoever waits is told
            for piece in pieces:
                piece.error = piece.error or fault
            self._undo()
        finally:
            loop.call_soon_threadsafe(_tell, pieces, over)

    def _undo(self) -> None:
        try:
            self._writer.rollback()
        except Exception:
            # The file could not be opened again: whoever comes next tries.
            log.exception("what was written together could not be undone")

    def _do(self, piece: _Piece, *, alone: bool) -> None:
        """Do one piece of work.

        :raises Exception: it has undone what the others did as well.
        """
        if not alone:
            self._writer.mark(MARK)
        try:
            piece.run(self._writer.execute)
        except BaseException as error:
            piece.error = error
            # Where the disk has failed, SQLite has rolled everything back.
            if alone or not self._writer.in_transaction:
                raise
            self._writer.undo(MARK)


class _Piece:
    """A piece of work, who waits for it, and how it went."""

    def __init__(self, work: Work[Any]) -> None:
        self._work, self._context = work, copy_context()
        self.done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.error: BaseException | None = None
        self._result: Any = None
        self._db: Transaction | None = None

    def run(self, execute: Callable[[Statement, Any], Rows]) -> None:
        """Run it, in the context of who waits."""

        async def at_once(statement: Statement, parameters: Any) -> Rows:
            return execute(statement, parameters)

        self._db = db = Transaction(at_once)
        try:
            self._result = self._context.run(_driven, self._work, db)
            db.check()
        finally:
            db.end()

    def tell(self) -> None:
        """Tell who waits how it went."""
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
            done.set_result(self._result)
        else:
            done.set_exception(error)


def _tell(pieces: list[_Piece], over: asyncio.Future[None]) -> None:
    for piece in pieces:
        piece.tell()
    if not over.done():
        over.set_result(None)


def _driven(work: Callable[[Database], Awaitable[Any]], db: Database) -> Any:
    """Run a coroutine to its end, which waits for nothing but the database."""
    waiting = work(db).__await__()
    try:
        next(waiting)
    except StopIteration as end:
        return end.value
    raise RuntimeError("inside a transaction nothing but the database may be awaited")
