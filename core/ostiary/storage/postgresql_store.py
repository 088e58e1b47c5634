"""One store on PostgreSQL: transactions through SQLAlchemy, single queries through asyncpg."""

from __future__ import annotations

import itertools
import logging
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Self

from ostiary import errors
from ostiary.storage.access import POOL_SECONDS, Access
from ostiary.storage.postgresql_errors import FAULTS, describe, verdict
from ostiary.storage.store import Database, Rows
from ostiary.storage.transaction import Transaction

if TYPE_CHECKING:
    from sqlalchemy import Executable
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from ostiary.hashing import Hasher
    from ostiary.sealing import Sealer

PIECE = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|\?")
"""A text, a quoted name, or the place of a value."""

log = logging.getLogger(__name__)


class PostgreSQLStore:
    """One schema, reached by a login that can read and write its rows and nothing else."""

    def __init__(
        self, name: str, engine: AsyncEngine, pool: Any, *, hasher: Hasher, sealer: Sealer
    ) -> None:
        self.name = name
        self.hasher = hasher
        self.sealer = sealer
        self._writing = engine
        self._reading = engine.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        self._hot = pool

    @classmethod
    async def open(
        cls, name: str, access: Access, *, hasher: Hasher, sealer: Sealer, connections: int
    ) -> Self:
        """Make the two pools; neither connects before it is used."""
        engine = access.engine(pool_size=connections, max_overflow=0, pool_timeout=POOL_SECONDS)
        pool = await access.pool(connections)
        return cls(name, engine, pool, hasher=hasher, sealer=sealer)

    @asynccontextmanager
    async def read(self, *, apart: bool = False) -> AsyncIterator[Database]:  # noqa: ARG002 - it is
        """Open a snapshot (REPEATABLE READ, READ ONLY); every one is read apart."""
        async with self._transaction(self._reading) as (_, db):
            yield db

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Database]:
        """Open a transaction (READ COMMITTED); see ``Store``."""
        async with self._transaction(self._writing) as (connection, db):
            yield db
            db.end()
            # PostgreSQL would take the commit of a broken transaction, and roll it back.
            db.check()
            with telling(self.name):
                await connection.commit()
            db.committed()

    async def fetch(self, sql: str, *values: Any) -> tuple[Any, ...] | None:
        """Return the first row of a query, which asyncpg keeps prepared."""
        with telling(self.name):
            async with self._hot.acquire(timeout=POOL_SECONDS) as connection:
                row = await connection.fetchrow(numbered(sql), *values)
        return None if row is None else tuple(row)

    async def fetch_all(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return every row of a query, which asyncpg keeps prepared."""
        with telling(self.name):
            async with self._hot.acquire(timeout=POOL_SECONDS) as connection:
                return [tuple(row) for row in await connection.fetch(numbered(sql), *values)]

    async def close(self) -> None:
        """Give every connection back."""
        await self._writing.dispose()
        await self._hot.close()

    def __repr__(self) -> str:
        return f"<PostgreSQLStore {self.name}>"

    @asynccontextmanager
    async def _transaction(
        self, engine: AsyncEngine
    ) -> AsyncIterator[tuple[AsyncConnection, Transaction]]:
        """Borrow a connection; what is not committed when it goes back is rolled back."""
        async with AsyncExitStack() as stack:
            with telling(self.name):
                connection = await stack.enter_async_context(engine.connect())
            db = Transaction(partial(self._execute, connection))
            stack.callback(db.end)
            yield connection, db

    async def _execute(
        self, connection: AsyncConnection, statement: Executable, parameters: Any
    ) -> Rows:
        with telling(self.name):
            return Rows.of(await connection.execute(statement, parameters))


@lru_cache(maxsize=512)
def numbered(sql: str) -> str:
    """Return a query with ``$1``, ``$2``… where it has ``?`` outside of texts."""
    numbers = itertools.count(1)
    return PIECE.sub(lambda piece: f"${next(numbers)}" if piece[0] == "?" else piece[0], sql)


@contextmanager
def telling(name: str) -> Iterator[None]:
    """Tell faults of the database from faults of the statement, and both without values."""
    try:
        yield
    except FAULTS as fault:
        error = verdict(fault)
        if isinstance(error, errors.StoreUnavailable):
            log.error("store %s: %s", name, describe(fault))  # noqa: TRY400 - holds values
        raise error from None
