"""One store on SQLite: read on the event loop, written by one thread."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from sqlalchemy import Connection, Engine, Executable, create_engine, event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from ostiary import errors
from ostiary.storage import sqlite_files as files
from ostiary.storage import sqlite_guard as guards
from ostiary.storage.apart import LONGEST_SECONDS, Apart, deadline
from ostiary.storage.budget import Waiting
from ostiary.storage.store import Database, Rows
from ostiary.storage.transaction import Transaction

if TYPE_CHECKING:
    from ostiary.hashing import Hasher
    from ostiary.sealing import Sealer

T = TypeVar("T")
Begin = Callable[[sqlite3.Connection], None]

IDLE_READERS = 4
INSTRUCTIONS = 1000
"""Steps of SQLite between two looks at the clock; one may compare two long texts."""

GLANCE = 0.05
"""Seconds that the event loop waits for a query of a limited store, and a writer for a lock that
another process keeps."""

TURN_SECONDS = 30.0
"""Longest wait for the other writers of the process, for who works without a request."""

TOO_LONG = f"a statement was interrupted: it took more than {LONGEST_SECONDS:g} s, or was left"

log = logging.getLogger(__name__)


class SQLiteStore:
    """One file. Its writer's turn is kept by a lock, and its statements by a thread.

    :param limited: no statement may take longer than ``LONGEST_SECONDS``, and the event loop
        never waits longer than ``GLANCE`` for one: what takes longer is read apart.
    """

    def __init__(
        self, path: Path, name: str, *, hasher: Hasher, sealer: Sealer, limited: bool = False
    ) -> None:
        self.name = name
        self._limited = limited
        self.hasher = hasher
        self.sealer = sealer
        self._turn = asyncio.Lock()
        self._locked_out = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"store-{name}")
        self._apart = Apart(name)
        reading, writing = guards.Guard(guards.READING), guards.Guard(guards.WRITING)
        readers = engine_of(path, reading, _begin_reading)
        with telling(name):
            writers = engine_of(path, writing, self._begin_writing)
            self._writer = _Session(name, writers, writing)
            self._hot = files.connect(path, guards.Guard(guards.READING))
        self._new_reader = partial(_Session, name, readers, reading)
        self._idle: list[_Session] = []

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
        async with self._taking_turn():
            write = self._writer.execute_for if self._limited else self._writer.execute
            db = Transaction(partial(self._in_thread, write))
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

    async def fetch(self, sql: str, *values: Any) -> tuple[Any, ...] | None:
        """Return the first row of a query, at once."""
        try:
            cursor = self._hot.execute(sql, values)
            row: tuple[Any, ...] | None = cursor.fetchone()
        except sqlite3.Error as error:
            _raise_fault(self.name, error, error)
        # An open cursor would keep its snapshot, and the log from being emptied.
        cursor.close()
        return row

    async def close(self) -> None:
        """Close the file, after the last writer."""
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
    async def _taking_turn(self) -> AsyncIterator[None]:
        """Wait for the turn to write, as long as the request may."""
        with Waiting(TURN_SECONDS) as seconds:
            try:
                async with asyncio.timeout(seconds):
                    await self._turn.acquire()
            except TimeoutError:
                raise errors.StoreUnavailable(retry_after=1) from None
        try:
            yield
        finally:
            self._turn.release()

    def _begin_writing(self, file: sqlite3.Connection) -> None:
        """Begin as ``begin_writing``; once another process has kept the lock, it is not waited for.

        Else everybody whose turn comes would wait as long as the one before.
        """
        seconds = GLANCE if self._locked_out else files.BUSY_SECONDS
        self._locked_out = True
        begin_writing(file, seconds)
        self._locked_out = False

    async def _read_limited(
        self, session: _Session, statement: Executable, parameters: Any
    ) -> Rows:
        """Run a statement at once if it is quick, else in a thread."""
        rows = session.glance(statement, parameters)
        if rows is not None:
            return rows
        with self._apart.place():
            return await self._read_apart(deadline(), session, statement, parameters)

    async def _read_apart(
        self, deadline: float, session: _Session, statement: Executable, parameters: Any
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

    def _give_back(self, session: _Session) -> None:
        session.left = False
        session.rollback()
        if len(self._idle) < IDLE_READERS:
            self._idle.append(session)
        else:
            session.close()

    async def _in_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)


class _Session:
    """One connection of a store, which is used by one thread at a time.

    :ivar left: nobody waits any more for what a thread is doing with it.
    """

    left = False

    def __init__(self, name: str, engine: Engine, guard: guards.Guard) -> None:
        self._name = name
        self._guard = guard
        with telling(name), guard.opened():
            self._connection = engine.connect()

    def execute(self, statement: Executable, parameters: Any) -> Rows:
        with telling(self._name):
            return self._run(statement, parameters)

    def execute_for(self, statement: Executable, parameters: Any) -> Rows:
        """Run a statement unless it takes too long."""
        return self.execute_until(deadline(), statement, parameters)

    def glance(self, statement: Executable, parameters: Any) -> Rows | None:
        """Run a query; None if it takes more than a moment, and nothing has happened then."""
        until = time.monotonic() + GLANCE
        with self._watched(lambda: time.monotonic() > until):
            try:
                return self._run(statement, parameters)
            except DBAPIError as error:
                if _code(error.orig) != sqlite3.SQLITE_INTERRUPT:
                    with telling(self._name):
                        raise
                return None

    def execute_until(self, deadline: float, statement: Executable, parameters: Any) -> Rows:
        """Run a statement unless it is too late, or becomes too late, or is left."""
        if time.monotonic() > deadline:
            raise errors.StoreUnavailable(retry_after=1)
        with self._watched(lambda: self.left or time.monotonic() > deadline):
            return self.execute(statement, parameters)

    def commit(self) -> None:
        if not self._connection.in_transaction():
            return
        with telling(self._name), self._guard.opened():
            self._connection.commit()

    def rollback(self) -> None:
        try:
            with self._guard.opened():
                self._connection.rollback()
        except SQLAlchemyError:
            log.exception("store %s: a connection is given up", self._name)
            self._connection.invalidate()

    def close(self) -> None:
        self._connection.close()

    def _run(self, statement: Executable, parameters: Any) -> Rows:
        # The first statement brings the transaction: a trip to the thread less.
        if not self._connection.in_transaction():
            with self._guard.opened():
                self._connection.begin()
        return Rows.of(self._connection.execute(statement, parameters))

    @contextmanager
    def _watched(self, too_long: Callable[[], bool]) -> Iterator[None]:
        """Interrupt a statement as soon as it takes too long."""
        file = _file(self._connection)
        file.set_progress_handler(too_long, INSTRUCTIONS)
        try:
            yield
        finally:
            file.set_progress_handler(None, 0)


def engine_of(
    path: Path, guard: guards.Guard, begin: Begin, *, foreign_keys: bool = True
) -> Engine:
    """Return an engine that opens a connection for each who asks, and begins as told."""
    engine = create_engine(
        "sqlite://",
        creator=partial(files.connect, path, guard, foreign_keys=foreign_keys),
        poolclass=NullPool,
        hide_parameters=True,
    )
    event.listen(engine, "begin", lambda connection: begin(_file(connection)))
    return engine


def _begin_reading(file: sqlite3.Connection) -> None:
    file.execute("BEGIN")


def begin_writing(file: sqlite3.Connection, seconds: float = files.BUSY_SECONDS) -> None:
    """Begin with the lock that a writer needs in the end: two who read first would collide."""
    files.insist(file, "BEGIN IMMEDIATE", seconds)


def _file(connection: Connection) -> sqlite3.Connection:
    file = connection.connection.driver_connection
    if not isinstance(file, sqlite3.Connection):
        raise TypeError(f"{file!r} is not a connection of sqlite3")
    return file


@contextmanager
def telling(name: str) -> Iterator[None]:
    """Tell faults of the file from faults of the statement."""
    try:
        yield
    except DBAPIError as error:
        _raise_fault(name, error, error.orig)
    except sqlite3.Error as error:
        _raise_fault(name, error, error)


def _raise_fault(name: str, error: Exception, cause: BaseException | None) -> NoReturn:
    code = _code(cause)
    if code not in files.UNAVAILABLE:
        raise error
    why = TOO_LONG if code == sqlite3.SQLITE_INTERRUPT else cause
    log.error("store %s: %s", name, why)
    raise errors.StoreUnavailable(retry_after=1) from error


def _code(cause: BaseException | None) -> int | None:
    """Return the primary result code of an error of SQLite."""
    code: int | None = getattr(cause, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


async def _at_once(work: Callable[..., T], *arguments: Any) -> T:
    return work(*arguments)
