"""Transactions on SQLite that share a commit, each done in one trip to the thread of the writer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from typing import Any

from ostiary.storage.prepared import Statement
from ostiary.storage.sqlite_session import Session
from ostiary.storage.store import Database, Rows
from ostiary.storage.together import Piece, Together

MARK = "one_of_many"

log = logging.getLogger(__name__)


class SQLiteTogether(Together):
    """Runs pieces of work in the thread of a writer; the file is locked meanwhile.

    :param execute: runs a statement of theirs.
    :param turn: is held while the thread works, against those who write step by step.
    """

    most = 64

    def __init__(
        self,
        writer: Session,
        execute: Callable[[Statement, Any], Rows],
        thread: Executor,
        turn: asyncio.Lock,
    ) -> None:
        super().__init__()
        self._writer, self._execute, self._thread, self._turn = writer, execute, thread, turn

    async def _commit_some(self) -> None:
        loop = asyncio.get_running_loop()
        async with self._turn:
            over = loop.create_future()
            self._thread.submit(self._work, self._taken(), loop, over)
            await over

    def _work(
        self,
        pieces: list[Piece],
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

    def _do(self, piece: Piece, *, alone: bool) -> None:
        """Do one piece of work.

        :raises Exception: it has undone what the others did as well.
        """
        if not alone:
            self._writer.mark(MARK)
        try:
            with piece.transaction(self._at_once) as db:
                piece.result = piece.context.run(_driven, piece.work, db)
        except BaseException as error:
            piece.error = error
            # Where the disk has failed, SQLite has rolled everything back.
            if alone or not self._writer.in_transaction:
                raise
            self._writer.undo(MARK)

    async def _at_once(self, statement: Statement, parameters: Any) -> Rows:
        return self._execute(statement, parameters)


def _tell(pieces: list[Piece], over: asyncio.Future[None]) -> None:
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
