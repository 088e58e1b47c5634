"""One store on SQLite: read on the event loop, written by one thread."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy.dialects.sqlite import insert

from ostiary import errors
from ostiary.storage import sqlite_files as files
from ostiary.storage import sqlite_guard as guards
from ostiary.storage.apart import Apart, deadline
from ostiary.storage.prepared import Statement
from ostiary.storage.sqlite_session import (
    Session,
    begin_reading,
    engine_of,
    raise_fault,
    telling,
)
from ostiary.storage.sqlite_together import SQLiteTogether
from ostiary.storage.store import Database, Rows
from ostiary.storage.together import Work
from ostiary.storage.transaction import Transaction

if TYPE_CHECKING:
    from ostiary.hashing import Hasher
    from ostiary.sealing import Sealer

T = TypeVar("T")

IDLE_READERS = 4


class SQLiteStore:
    """One file. Its writer's turn is kept by a lock, and its statements by a thread.

    :param limited: no statement may take longer than ``LONGEST_SECONDS``, and the event loop
        never waits longer than ``GLANCE`` for one: what takes longer is read apart.
    """

    insert = staticmethod(insert)

    def __init__(
        self, path: Path, name: str, *, hasher: Hasher, sealer: Sealer, limited: bool = False
    ) -> None:
        self.name = name
        self._limited = limited
        self.hasher = hasher
        self.sealer = sealer
        self._turn = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"store-{name}")
        self._apart = Apart(name)
        reading, writing = guards.Guard(guards.READING), guards.Guard(guards.WRITING)
        readers = engine_of(path, reading)
        with telling(name):
            self._begin_writing = files.Writing()
            self._writer = Session(name, engine_of(path, writing), writing, self._begin_writing)
            self._hot = files.connect(path, guards.Guard(guards.READING))
        self._new_reader = partial(Session, name, readers, reading, begin_reading)
        self._idle: list[Session] = []
        self._write = self._writer.execute_for if limited else self._writer.execute
        self._together = SQLiteTogether(self._writer, self._write, self._thread, self._turn)

    @asynccontextmanager
    async def read(self, *, apart: bool = False) -> AsyncIterator[Database]:
        """Open a snapshot, whose statements run at once on the thread of the caller."""
        with self._apart.place() if apart else nullcontext():
            session = self._idle.pop() if self._idle else self._new_reader()
            run = partial(_at_once, session.execute)
            if apart:
                run = partial(self._read_apart, deadline(), session)
            elif self._limited:
                run = partial(self._read_limited, session)
            db = Transaction(run)
            try:
                yield db
            finally:
                db.end()
                if not session.left:
                    self._give_back(session)

    async def search(self, work: Callable[[Database], Awaitable[T]]) -> T:
        """Run a search on a snapshot; see ``OwnStore``."""
        async with self.read(apart=True) as db:
            return await work(db)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Database]:
        """Open a transaction when it is this task's turn.

        A task that is cancelled while it commits may have committed, wholly.
        """
        async with self._in_turn():
            db = Transaction(partial(self._in_thread, self._write))
            try:
                yield db
                db.end()
                db.check()
                await self._in_thread(self._writer.commit)
                db.committed()
            except BaseException:
                # Not awaited, for this task may be cancelled: the thread does it before
                # anything that the next writer asks for.
                self._thread.submit(self._writer.rollback)
                raise
            finally:
                db.end()

    async def write(self, work: Work[T]) -> T:
        """Run a piece of work, and commit it together with what others have; see ``Store``."""
        return await self._together.write(work)

    async def fetch(self, sql: str, *values: Any) -> tuple[Any, ...] | None:
        """Return the first row of a query, at once."""
        try:
            cursor = self._hot.execute(sql, values)
            row: tuple[Any, ...] | None = cursor.fetchone()
        except sqlite3.Error as error:
            raise_fault(self.name, error, error)
        # An open cursor would keep its snapshot, and the log from being emptied.
        cursor.close()
        return row

    async def fetch_all(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return every row of a query, at once."""
        try:
            return self._hot.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise_fault(self.name, error, error)

    async def close(self) -> None:
        """Close the file, after the last writer."""
        await self._together.finish()
        async with self._turn:
            await self._in_thread(self._writer.close)
            self._thread.shutdown(wait=False)
        await asyncio.to_thread(self._apart.close)
        while self._idle:
            self._idle.pop().close()
        self._hot.close()

    def __repr__(self) -> str:
        return f"<SQLiteStore {self.name}>"

    @asynccontextmanager
    async def _in_turn(self) -> AsyncIterator[None]:
        """Wait for the writer, and not for ever."""
        seconds = self._begin_writing.turn_seconds if self._turn.locked() else None
        try:
            async with asyncio.timeout(seconds):
                await self._turn.acquire()
        except TimeoutError:
            raise errors.StoreUnavailable(retry_after=1) from None
        try:
            yield
        finally:
            self._turn.release()

    async def _read_limited(self, session: Session, statement: Statement, parameters: Any) -> Rows:
        """Run a statement at once if it is quick, else in a thread."""
        rows = session.glance(statement, parameters)
        if rows is not None:
            return rows
        with self._apart.place():
            return await self._read_apart(deadline(), session, statement, parameters)

    async def _read_apart(
        self, deadline: float, session: Session, statement: Statement, parameters: Any
    ) -> Rows:
        """Run a statement in a thread, which gives up when nobody waits for it any more."""
        loop = asyncio.get_running_loop()
        running = self._apart.submit(session.execute_until, deadline, statement, parameters)
        try:
            return await asyncio.wrap_future(running)
        except asyncio.CancelledError:
            if not running.cancelled():
                session.left = True
                give_back = partial(loop.call_soon_threadsafe, self._give_back, session)
                running.add_done_callback(lambda _: give_back())
            raise

    def _give_back(self, session: Session) -> None:
        session.left = False
        session.rollback()
        if len(self._idle) < IDLE_READERS:
            self._idle.append(session)
        else:
            session.close()

    async def _in_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)


async def _at_once(work: Callable[..., T], *arguments: Any) -> T:
    return work(*arguments)
