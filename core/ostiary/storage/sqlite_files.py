"""The files of SQLite stores: made private, opened with care, copied and locked."""

from __future__ import annotations

import asyncio
import fcntl
import math
import os
import random
import sqlite3
import stat
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from datetime import UTC, datetime
from pathlib import Path

from ostiary.storage.sqlite_guard import Guard
from ostiary.storage.store import StorageError

BUSY_SECONDS = 5.0
"""Seconds that who writes waits for its turn, and for others to let go of the file."""

STUCK_SECONDS, GLANCE = 1.0, 0.1
"""The same while somebody is known to keep the file locked: for the turn, and for the lock."""

MIGRATION_SECONDS = 120.0
PRIVATE = 0o600

PRAGMAS = (
    "synchronous = FULL",
    "trusted_schema = OFF",
    "cell_size_check = ON",
    f"busy_timeout = {int(BUSY_SECONDS * 1000)}",
)
LIMITS = {
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_LENGTH: 64 * 1024 * 1024,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 1024 * 1024,
}

# What SQLite reports when the file, the disk or the time is at fault, not the statement.
UNAVAILABLE = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_NOTADB,
    }
)


def make_folder(folder: Path) -> None:
    """Make a folder that nobody else may enter, or make it so."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
    except OSError as error:
        raise StorageError(f"{folder}: cannot be made private: {error.strerror}") from None


def connect(path: Path, guard: Guard, *, foreign_keys: bool = True) -> sqlite3.Connection:
    """Open a file, which is made if there is none, with the guard in place."""
    _make_private(path)
    connection = sqlite3.connect(
        path,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
    )
    try:
        # Changing the journal takes a lock that SQLite does not wait for.
        insist(connection, "PRAGMA journal_mode = WAL")
        for pragma in PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
        connection.execute(f"PRAGMA foreign_keys = {foreign_keys:d}")
        for limit, value in LIMITS.items():
            connection.setlimit(limit, value)
        if sys.version_info >= (3, 12):
            connection.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE, True)
        _add_functions(connection)
        connection.set_authorizer(guard)
    except BaseException:
        connection.close()
        raise
    return connection


def insist(connection: sqlite3.Connection, sql: str, seconds: float = BUSY_SECONDS) -> None:
    """Run a statement that needs a lock until it gets it, for so many seconds at most.

    SQLite's own waiting asks every 100 ms in the end, and never has its turn
    beside a busy process.
    """
    deadline = time.monotonic() + seconds
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        while True:
            try:
                connection.execute(sql)
            except sqlite3.OperationalError as error:
                if not busy(error) or time.monotonic() > deadline:
                    raise
                time.sleep(random.uniform(0.001, 0.01))  # noqa: S311 - no secret
            else:
                return
    finally:
        connection.execute(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")


def busy(error: sqlite3.Error) -> bool:
    """Tell whether somebody else has locked the file."""
    return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY


class Writing:
    """Begins transactions with the lock that a writer needs in the end.

    Two who read first would collide. While somebody else keeps the lock and does not let go, only
    the first waits for long: those after it would wait for its time and then for their own.

    :ivar stuck: the last one to ask for the lock did not get it.
    """

    def __init__(self) -> None:
        self.stuck = False

    def __call__(self, connection: sqlite3.Connection) -> None:
        """Begin a transaction."""
        try:
            insist(connection, "BEGIN IMMEDIATE", GLANCE if self.stuck else BUSY_SECONDS)
        except sqlite3.OperationalError as error:
            self.stuck = busy(error)
            raise
        self.stuck = False

    @property
    def turn_seconds(self) -> float:
        """How many seconds to wait for the turn of who writes."""
        return STUCK_SECONDS if self.stuck else BUSY_SECONDS


def backup(path: Path, revision: str) -> Path:
    """Copy a file as it is now, next to it, and return the copy once it is on the disk."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    copy = path.with_name(f"{path.name}.{revision}.{stamp}.bak")
    _make_private(copy)
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
        # The copy is one file, without a log beside it.
        target.execute("PRAGMA journal_mode = DELETE")
    _sync(copy)
    _sync(copy.parent)
    return copy


def size(path: Path) -> int:
    """Return the bytes of a file and of those beside it."""
    return sum(file.stat().st_size for file in _with_neighbours(path) if file.exists())


def remove(path: Path) -> None:
    """Remove a file and those beside it, for good once this returns.

    The file itself goes last: without it the others would mean nothing.
    """
    for file in reversed(_with_neighbours(path)):
        file.unlink(missing_ok=True)
    _sync(path.parent)


@asynccontextmanager
async def alone(path: Path) -> AsyncIterator[None]:
    """Keep every other process that asks for the same file out."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE)
    deadline = time.monotonic() + MIGRATION_SECONDS
    try:
        while not lock(descriptor):
            if time.monotonic() > deadline:
                raise StorageError(f"{path}: another process holds this lock and does not end")
            await asyncio.sleep(0.02)
        yield
    finally:
        os.close(descriptor)


def lock(descriptor: int) -> bool:
    """Lock an open file until it is closed, unless somebody else has."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _add_functions(connection: sqlite3.Connection) -> None:
    """Add the functions of geometry, which SQLite may have been built without."""
    try:
        connection.execute("SELECT sin(0), cos(0)")
    except sqlite3.OperationalError:
        connection.create_function("sin", 1, math.sin, deterministic=True)
        connection.create_function("cos", 1, math.cos, deterministic=True)


def _make_private(path: Path) -> None:
    """Make a file of mode 0600; SQLite gives the same mode to the two it puts beside it.

    A file that exists is never opened here: closing it would drop the locks that
    SQLite holds on it for the whole process.
    """
    try:
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE))
        for file in _with_neighbours(path):
            # The one beside may go away at any time, with the last connection to it.
            with suppress(FileNotFoundError):
                _close_to_others(file)
    except OSError as error:
        raise StorageError(f"{path}: cannot be opened: {error.strerror}") from None


def _with_neighbours(path: Path) -> tuple[Path, ...]:
    return path, Path(f"{path}-wal"), Path(f"{path}-shm")


def _close_to_others(file: Path) -> None:
    mode = file.lstat().st_mode
    if not stat.S_ISREG(mode):
        raise StorageError(f"{file}: is not an ordinary file")
    if stat.S_IMODE(mode) != PRIVATE:
        file.chmod(PRIVATE)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
