"""A store: the private tables of one owner, on SQLite or PostgreSQL."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import Executable, MetaData, Result

if TYPE_CHECKING:
    from ostiary.hashing import Hasher
    from ostiary.keys import Sealer


@dataclass(frozen=True, slots=True)
class Storage:
    """What an owner keeps: its tables, and the folder of the Alembic revisions that build them.

    Revision files are named ``NNNN_words.py``, and ``NNNN`` is the revision: the
    greatest name is the newest revision, which start-up reads without Alembic.
    """

    tables: MetaData
    revisions: Traversable


class Database(Protocol):
    """A transaction, inside which nothing but this object may be awaited."""

    async def execute(self, statement: Executable, parameters: Any = None) -> Result[Any]:
        """Run a SQLAlchemy Core statement; the result is already fetched.

        :raises sqlalchemy.exc.IntegrityError: a constraint is broken.
        :raises errors.StoreUnavailable: the database cannot be reached.
        """

    async def scalar(self, statement: Executable, parameters: Any = None) -> Any:
        """Run a statement and return the first column of its first row, or None."""


class Store(Protocol):
    """The private storage of one owner.

    :ivar name: of the owner; the file, the schema and the roles are named after it.
    :ivar hasher: hashes this owner's secrets with a pepper of its own.
    :ivar sealer: encrypts this owner's secrets with a key of its own.
    """

    name: str
    hasher: Hasher
    sealer: Sealer

    def read(self) -> AbstractAsyncContextManager[Database]:
        """Open a snapshot for reading."""

    def begin(self) -> AbstractAsyncContextManager[Database]:
        """Open a transaction for writing: committed at the end, rolled back by an exception."""

    async def fetch(self, sql: str, *values: Any) -> tuple[Any, ...] | None:
        """Return the first row of a prepared statement, or None: for the hot path.

        Values stand at ``?`` in the order given.
        """

    async def close(self) -> None:
        """Give every connection back."""
