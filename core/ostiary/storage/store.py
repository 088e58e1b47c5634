"""A store: the private tables of one owner, on SQLite or PostgreSQL."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from sqlalchemy import Connection, CursorResult, MetaData
from sqlalchemy.engine import IteratorResult
from sqlalchemy.engine.result import SimpleResultMetaData

if TYPE_CHECKING:
    from sqlalchemy import Table

    from ostiary.hashing import Hasher
    from ostiary.sealing import Sealer
    from ostiary.storage.prepared import Statement

T = TypeVar("T")

Indexes = Mapping[str, tuple[str, Sequence[str]]]
"""The tables and the columns of indexes, by their names."""

CORE = "core"
"""The name of the core's own store."""

NAME = re.compile(r"[a-z][a-z0-9_]{0,30}")


class StorageError(Exception):
    """A store is not fit for use, and an operator must act; the server does not start with it."""


@dataclass(frozen=True, slots=True)
class Storage:
    """What an owner keeps: its tables, and the folder of the Alembic revisions that build them.

    Revision files are named ``NNNN_words.py``, and ``NNNN`` is the revision: the
    greatest name is the newest revision, which start-up reads without Alembic.
    """

    tables: MetaData
    revisions: Traversable


class Rows(IteratorResult[Any]):
    """What a statement gave, already fetched and cut off from its connection.

    It is a result of SQLAlchemy: ``one_or_none``, ``all``, ``scalars``, ``mappings``…

    :ivar rowcount: how many rows the statement returned or touched; -1 when the
        database does not say, as with several sets of parameters.
    """

    rowcount: int = -1

    @classmethod
    def of(cls, result: CursorResult[Any]) -> Rows:
        """Fetch everything that a result holds."""
        if not result.returns_rows:
            rows = cls(SimpleResultMetaData([]), iter(()))
            rows.rowcount = result.rowcount
            return rows
        frozen = result.freeze()
        rows = cls(frozen.metadata, iter(frozen.data))
        rows.rowcount = len(frozen.data)
        return rows


class Database(Protocol):
    """A transaction, inside which nothing but this object may be awaited.

    A statement that failed breaks the transaction: nothing else can be done in
    it, and a block that swallowed the error is rolled back and raises.
    """

    async def execute(self, statement: Statement, parameters: Any = None) -> Rows:
        """Run a SQLAlchemy Core statement, or one that is prepared; the result is already fetched.

        :raises sqlalchemy.exc.IntegrityError: a constraint is broken.
        :raises errors.StoreUnavailable: the database cannot be reached.
        """

    async def scalar(self, statement: Statement, parameters: Any = None) -> Any:
        """Run a statement and return the first column of its first row, or None."""

    def after_commit(self, call: Callable[[], None]) -> None:
        """Call a function once this transaction is committed, before anything else happens."""


class OwnStore(Protocol):
    """What an owner may use of its private storage."""

    @property
    def name(self) -> str:
        """Of the owner; the file, the schema and the roles are named after it."""

    @property
    def hasher(self) -> Hasher:
        """Hashes this owner's secrets with a pepper of its own."""

    @property
    def sealer(self) -> Sealer:
        """Encrypts this owner's secrets with a key of its own, in columns of the type ``Sealed``."""

    def read(self, *, apart: bool = False) -> AbstractAsyncContextManager[Database]:
        """Open a snapshot for reading.

        :param apart: let nobody else wait for its statements, which may take 3 seconds together.
        """

    async def search(self, work: Callable[[Database], Awaitable[T]]) -> T:
        """Run queries that list or count for somebody on a snapshot that is read apart.

        The snapshot is as new as one of ``read``, but may be that of a replica, and the work may
        be done twice. Nothing that decides who may come in is read here.
        """

    def begin(self) -> AbstractAsyncContextManager[Database]:
        """Open a transaction for writing: committed at the end, rolled back by an exception.

        On SQLite writers take turns. On PostgreSQL they do not (READ COMMITTED):
        guard what must hold with a constraint, a condition in the statement or a
        row that is locked.
        """

    async def write(self, work: Callable[[Database], Coroutine[Any, Any, T]]) -> T:
        """Run a piece of work as ``begin`` runs a block, and return its result once committed.

        For what is written often: on SQLite it is one trip to the writer's thread, and all
        pieces that come meanwhile share one commit. So the work runs in that thread, and
        touches nothing that others change; it may be undone after it has returned.
        """


class Store(OwnStore, Protocol):
    """A store as the core holds it."""

    def insert(self, table: Table) -> Any:
        """Return an INSERT that has ``on_conflict_do_update``.

        Both databases read the same words, but SQLAlchemy has a class for each: the one that
        is not in use is never imported.
        """

    async def fetch(self, sql: str, *values: Any) -> tuple[Any, ...] | None:
        """Return the first row of a prepared query, or None: for the hot path.

        Values stand at ``?`` in the order given. JSON comes back as text, and on
        SQLite a boolean as 0 or 1.
        """

    async def fetch_all(self, sql: str, *values: Any) -> Sequence[tuple[Any, ...]]:
        """Return every row of a prepared query, as ``fetch`` does the first."""

    async def close(self) -> None:
        """Give every connection back."""


class Watch(Protocol):
    """Tells a process that a store was written to, whoever did it."""

    def changed(self) -> bool:
        """Tell whether anything may have been committed since the last call."""

    def healthy(self) -> bool:
        """Tell whether ``changed`` can be relied on; if not, read through every cache."""

    async def close(self) -> None:
        """Stop watching."""


class Presence(Protocol):
    """Tells processes that are alive from those that are gone."""

    async def join(self, plugins: Collection[str] = ()) -> str:
        """Return an id that is this process's from now on.

        :param plugins: the names of those that it has loaded.
        """

    async def gone(self, instance: str) -> bool:
        """Tell whether the process with this id will never do anything again."""

    async def using(self, plugin: str) -> int:
        """Return how many other processes that are alive have loaded a plugin."""

    async def leave(self) -> None:
        """Give the id of this process up."""


class Backend(Protocol):
    """The database that all stores are in."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the operator has to be told at every start."""

    @property
    def presence(self) -> Presence:
        """Of processes; on PostgreSQL it needs the core's store to be open."""

    async def open(self, name: str, *, hasher: Hasher, sealer: Sealer) -> Store:
        """Open the store of one owner.

        :raises StorageError: it is not provisioned, or the core's store was made
            under another master key.
        """

    async def close(self) -> None:
        """Close every store that is still open."""

    async def revision(self, name: str) -> str | None:
        """Return the revision of a store's tables with one query, or None without any."""

    async def look(self, name: str, sql: str) -> Sequence[tuple[Any, ...]]:
        """Return what a query gives, before the store is opened; its schema must be there."""

    async def size(self, name: str) -> int:
        """Return how many bytes a store takes; 0 if there is none."""

    async def drop(self, name: str) -> None:
        """Remove a store with everything in it; do nothing if there is none."""

    async def alter(self, name: str, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in one transaction with the right to change a store's tables.

        No other process can do so meanwhile, and Alembic can do but one in a process.
        """

    async def build(self, name: str, indexes: Indexes, /) -> None:
        """Build indexes of a store that a revision will ask for, while others use its tables.

        It may do nothing: the revision builds what is missing.
        """

    def backup(self, name: str, revision: str, /) -> str | None:
        """Copy a store before it is upgraded from ``revision``, and return where to.

        None on PostgreSQL, whose backups are the operator's.
        """

    async def watch(self, name: str) -> Watch:
        """Start to watch a store."""

    async def announce(self, db: Database) -> None:
        """Wake those who watch, on every machine, when this transaction commits."""


def checked_name(name: str) -> str:
    """Return the name of a store, which is safe in SQL and in a path.

    :raises StorageError: it is not; or its roles would be those of another store.
    """
    if not NAME.fullmatch(name):
        raise StorageError(f"{name!r} cannot name a store: wanted {NAME.pattern}")
    if name == "migrator" or name.endswith("_owner"):
        raise StorageError(f"{name!r} cannot name a store: a role of another one has that name")
    return name
