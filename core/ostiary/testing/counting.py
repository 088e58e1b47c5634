"""A store that counts what a plugin does with it: its work, whatever the clock says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from ostiary.storage import Database, OwnStore
from ostiary.storage.prepared import Statement
from ostiary.storage.store import Rows

T = TypeVar("T")


@dataclass
class Work:
    """What was done with a store.

    :ivar hashes: made or compared by ``store.hasher``; those that a plugin makes itself are
        not counted.
    :ivar statements: sent to the database.
    """

    hashes: int = 0
    statements: int = 0

    def __str__(self) -> str:
        return f"{self.hashes} hashes and {self.statements} statements"


class CountingHasher:
    """The hasher of a store, counted."""

    def __init__(self, hasher: Any, work: Work) -> None:
        self._hasher, self._work = hasher, work

    def __getattr__(self, name: str) -> Any:
        return getattr(self._hasher, name)

    async def hash(self, secret: str) -> Any:
        """Return the hash to store."""
        self._work.hashes += 1
        return await self._hasher.hash(secret)

    async def matches(self, stored: str | None, secret: str) -> Any:
        """Tell whether a secret matches."""
        self._work.hashes += 1
        return await self._hasher.matches(stored, secret)


class CountingDatabase:
    """An open transaction, counted."""

    def __init__(self, db: Database, work: Work) -> None:
        self._db, self._work = db, work

    async def execute(self, statement: Statement, parameters: Any = None) -> Rows:
        """Run a statement."""
        self._work.statements += 1
        return await self._db.execute(statement, parameters)

    async def scalar(self, statement: Statement, parameters: Any = None) -> Any:
        """Run a statement and return the first column of its first row, or None."""
        self._work.statements += 1
        return await self._db.scalar(statement, parameters)

    def after_commit(self, call: Callable[[], None]) -> None:
        """Call a function once this transaction is committed."""
        self._db.after_commit(call)


class CountingStore:
    """The store of a plugin; whatever else it offers is passed through.

    :ivar work: what was done since ``reset``.
    """

    def __init__(self, store: OwnStore) -> None:
        self._store, self.work = store, Work()
        self.hasher: Any = CountingHasher(store.hasher, self.work)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def reset(self) -> None:
        """Begin to count anew."""
        self.work.hashes = self.work.statements = 0

    def read(self, *, apart: bool = False) -> AbstractAsyncContextManager[Database]:
        """Open a snapshot for reading."""
        return self._counted(self._store.read(apart=apart))

    def begin(self) -> AbstractAsyncContextManager[Database]:
        """Open a transaction for writing."""
        return self._counted(self._store.begin())

    async def write(self, work: Callable[[Database], Coroutine[Any, Any, T]]) -> T:
        """Run a piece of work in a transaction."""

        async def counted(db: Database) -> T:
            return await work(CountingDatabase(db, self.work))

        return await self._store.write(counted)

    @asynccontextmanager
    async def _counted(
        self, opening: AbstractAsyncContextManager[Database]
    ) -> AsyncIterator[Database]:
        async with opening as db:
            yield CountingDatabase(db, self.work)
