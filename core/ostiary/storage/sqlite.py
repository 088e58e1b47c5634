"""Stores on SQLite: a file for each, in a folder that nobody else may enter."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Connection

from ostiary.storage import sqlite_files as files
from ostiary.storage import sqlite_guard as guards
from ostiary.storage.installation import check_master_key
from ostiary.storage.presence import LockFiles
from ostiary.storage.sqlite_session import altering_engine_of, telling
from ostiary.storage.sqlite_store import SQLiteStore
from ostiary.storage.store import CORE, Database, Indexes, StorageError, checked_name

if TYPE_CHECKING:
    from ostiary.hashing import Hasher
    from ostiary.keys import MasterKey
    from ostiary.sealing import Sealer

T = TypeVar("T")

log = logging.getLogger(__name__)


class SQLite:
    """A folder of stores: ``<folder>/<name>.db``.

    :param master: compared with the key that the core's store was made under,
        when that store is opened.
    """

    warnings: tuple[str, ...] = ()

    def __init__(self, folder: Path, *, master: MasterKey | None = None) -> None:
        files.make_folder(folder)
        self._folder = folder
        self._master = master
        self._stores: list[SQLiteStore] = []
        self.presence = LockFiles(folder / "instances")

    async def open(self, name: str, *, hasher: Hasher, sealer: Sealer) -> SQLiteStore:
        """Open a file, which is made if there is none; see ``Backend``."""
        limited = name != CORE
        store = SQLiteStore(self._path(name), name, hasher=hasher, sealer=sealer, limited=limited)
        self._stores.append(store)
        if name == CORE and self._master is not None:
            await check_master_key(store, self._master)
        return store

    async def close(self) -> None:
        """Close every store that is still open."""
        while self._stores:
            await self._stores.pop().close()

    async def revision(self, name: str) -> str | None:
        """Read the revision from the file."""
        path = self._path(name)
        if not path.exists():
            return None
        with telling(name), closing(files.connect(path, guards.Guard(guards.READING))) as file:
            query = "SELECT count(*) FROM sqlite_schema WHERE name = 'alembic_version'"
            if not file.execute(query).fetchone()[0]:
                return None
            row = file.execute("SELECT version_num FROM alembic_version").fetchone()
        return row[0] if row else None

    async def look(self, name: str, sql: str) -> list[tuple[Any, ...]]:
        """Run a query on a connection of its own."""
        guard = guards.Guard(guards.READING)
        with telling(name), closing(files.connect(self._path(name), guard)) as file:
            return file.execute(sql).fetchall()

    async def size(self, name: str) -> int:
        """Add up the file and those beside it."""
        return files.size(self._path(name))

    async def drop(self, name: str) -> None:
        """Remove the file, and what SQLite has put beside it."""
        path = self._path(name)
        async with files.alone(path.with_suffix(".lock")):
            files.remove(path)

    async def alter(self, name: str, work: Callable[[Connection], T]) -> T:
        """Run ``work`` under a lock on ``<name>.lock``; see ``Backend``."""
        path = self._path(name)
        async with files.alone(path.with_suffix(".lock")):
            with telling(name), _altering(path) as connection:
                return work(connection)

    async def build(self, _name: str, _indexes: Indexes, /) -> None:
        """Do nothing: whoever writes waits for a revision in any case."""

    def backup(self, name: str, revision: str, /) -> str | None:
        """Copy the file to ``<name>.db.<revision>.<instant>.bak``."""
        return str(files.backup(self._path(name), revision))

    async def watch(self, name: str) -> Commits:
        """Watch the file on a connection of its own."""
        return Commits(self._path(name))

    async def announce(self, db: Database) -> None:
        """Do nothing: who watches the file sees every commit."""

    def _path(self, name: str) -> Path:
        return self._folder / f"{checked_name(name)}.db"


class Commits:
    """Sees the commits of every other connection to a file, in whatever process.

    ``changed`` costs a system call or two.
    """

    def __init__(self, path: Path) -> None:
        guard = guards.Guard(guards.READING, frozenset({"data_version"}))
        self._connection = files.connect(path, guard)
        self._cursor = self._connection.cursor()
        self._seen = self._version()

    def changed(self) -> bool:
        """Tell whether anything was committed since the last call; yes, when it cannot know."""
        version, self._seen = self._seen, self._version()
        return version != self._seen or version is None

    def healthy(self) -> bool:
        """Tell whether the last call could read the file."""
        return self._seen is not None

    async def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _version(self) -> int | None:
        try:
            version: int = self._cursor.execute("PRAGMA data_version").fetchone()[0]
        except sqlite3.OperationalError as error:
            log.warning("the file of a store cannot be watched: %s", error)
            return None
        return version


@contextmanager
def _altering(path: Path) -> Iterator[Connection]:
    """Open a transaction that may change tables.

    Foreign keys are off, or rebuilding a table would delete the rows that refer
    to it; they are checked before the end.
    """
    guard = guards.Guard(guards.ALTERING, guards.DESCRIBING)
    engine = altering_engine_of(path, guard)
    with guard.opened():
        connection = engine.connect()
    try:
        with guard.opened():
            connection.begin()
        yield connection
        with guard.opened():
            _check_references(connection)
            connection.commit()
    finally:
        with guard.opened():
            connection.close()


def _check_references(connection: Connection) -> None:
    dangling = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
    if dangling:
        raise StorageError(f"{len(dangling)} rows would refer to rows that do not exist")
