"""A connection to the file of a SQLite store, and what goes wrong with it."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from ostiary import errors
from ostiary.storage import sqlite_files as files
from ostiary.storage import sqlite_guard as guards
from ostiary.storage.apart import LONGEST_SECONDS, deadline
from ostiary.storage.prepared import Prepared, Statement
from ostiary.storage.store import Rows

Begin = Callable[[sqlite3.Connection], None]

INSTRUCTIONS = 1000
"""Steps of SQLite between two looks at the clock; one may compare two long texts."""

GLANCE = 0.05
"""Seconds that the event loop waits for a query of a limited store."""

TOO_LONG = f"a statement was interrupted: it took more than {LONGEST_SECONDS:g} s, or was left"

log = logging.getLogger(__name__)


class Session:
    """One connection of a store, which is used by one thread at a time.

    Transactions are begun and ended here, past SQLAlchemy, which takes what it does for one that
    never ends.

    :param begin: how a transaction begins; the first statement brings it.
    :ivar left: nobody waits any more for what a thread is doing with it.
    """

    left = False

    def __init__(self, name: str, engine: Engine, guard: guards.Guard, begin: Begin) -> None:
        self._name, self._engine, self._guard, self._begin = name, engine, guard, begin
        self._connection, self._file = self._opened()

    @property
    def in_transaction(self) -> bool:
        """Whether one is open; SQLite ends one by itself where the disk fails."""
        return self._file.in_transaction

    def execute(self, statement: Statement, parameters: Any) -> Rows:
        """Run a statement."""
        with telling(self._name):
            return self._run(statement, parameters)

    def execute_for(self, statement: Statement, parameters: Any) -> Rows:
        """Run a statement unless it takes too long."""
        return self.execute_until(deadline(), statement, parameters)

    def glance(self, statement: Statement, parameters: Any) -> Rows | None:
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

    def execute_until(self, deadline: float, statement: Statement, parameters: Any) -> Rows:
        """Run a statement unless it is too late, or becomes too late, or is left."""
        if time.monotonic() > deadline:
            raise errors.StoreUnavailable(retry_after=1)
        with self._watched(lambda: self.left or time.monotonic() > deadline):
            return self.execute(statement, parameters)

    def mark(self, name: str) -> None:
        """Begin a part of a transaction that can be undone by itself."""
        with telling(self._name):
            self._start()
            with self._guard.opened():
                self._file.execute(f"SAVEPOINT {name}")

    def undo(self, name: str) -> None:
        """Undo the part that began with the mark."""
        with telling(self._name), self._guard.opened():
            self._file.execute(f"ROLLBACK TO {name}")
            self._file.execute(f"RELEASE {name}")

    def commit(self) -> None:
        """Commit, if there is anything."""
        # Not as a statement: the file would keep it, and pass it to whoever says the same.
        with telling(self._name), self._guard.opened():
            self._file.commit()

    def rollback(self) -> None:
        """Undo the transaction, if there is one."""
        try:
            with self._guard.opened():
                self._file.rollback()
        except sqlite3.Error:
            log.exception("store %s: a connection is given up", self._name)
            self._connection.close()
            self._connection, self._file = self._opened()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _opened(self) -> tuple[Connection, sqlite3.Connection]:
        with telling(self._name), self._guard.opened():
            connection = self._engine.connect()
        return connection, file_of(connection)

    def _run(self, statement: Statement, parameters: Any) -> Rows:
        # With the first statement: a trip to the thread less.
        self._start()
        if isinstance(statement, Prepared):
            return statement.run(self._file, parameters)
        return Rows.of(self._connection.execute(statement, parameters))

    def _start(self) -> None:
        """Begin a transaction, unless one is open."""
        if not self._file.in_transaction:
            with self._guard.opened():
                self._begin(self._file)

    @contextmanager
    def _watched(self, too_long: Callable[[], bool]) -> Iterator[None]:
        """Interrupt a statement as soon as it takes too long."""
        self._file.set_progress_handler(too_long, INSTRUCTIONS)
        try:
            yield
        finally:
            self._file.set_progress_handler(None, 0)


def engine_of(path: Path, guard: guards.Guard, *, foreign_keys: bool = True) -> Engine:
    """Return an engine that opens a connection for each who asks, and begins nothing."""
    return create_engine(
        "sqlite://",
        creator=partial(files.connect, path, guard, foreign_keys=foreign_keys),
        poolclass=NullPool,
        hide_parameters=True,
    )


def altering_engine_of(path: Path, guard: guards.Guard) -> Engine:
    """Return an engine whose transactions may rebuild tables: what refers to them is not watched."""
    engine = engine_of(path, guard, foreign_keys=False)
    begin = files.Writing()
    event.listen(engine, "begin", lambda connection: begin(file_of(connection)))
    return engine


def begin_reading(file: sqlite3.Connection) -> None:
    """Begin with a snapshot, taken by the first statement."""
    file.execute("BEGIN")


def file_of(connection: Connection) -> sqlite3.Connection:
    """Return what a connection of SQLAlchemy stands for."""
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
        raise_fault(name, error, error.orig)
    except sqlite3.Error as error:
        raise_fault(name, error, error)


def raise_fault(name: str, error: Exception, cause: BaseException | None) -> NoReturn:
    """Raise an error, as one of the store where the file, the disk or the time is at fault."""
    code = _code(cause)
    if code not in files.UNAVAILABLE:
        raise error
    if code == sqlite3.SQLITE_INTERRUPT:
        log.error("store %s: %s", name, TOO_LONG)
        raise errors.TookTooLong(retry_after=1) from error
    log.error("store %s: %s", name, cause)
    raise errors.StoreUnavailable(retry_after=1) from error


def _code(cause: BaseException | None) -> int | None:
    """Return the primary result code of an error of SQLite."""
    code: int | None = getattr(cause, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF
