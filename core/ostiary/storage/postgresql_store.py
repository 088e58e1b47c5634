"""One store on PostgreSQL: transactions through SQLAlchemy, single queries through asyncpg."""

from __future__ import annotations

import asyncio
import itertools
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Self, TypeVar

from sqlalchemy.dialects.postgresql import insert

from ostiary import errors
from ostiary.storage.access import COMMAND_SECONDS, CONNECT_SECONDS, POOL_SECONDS, Access
from ostiary.storage.budget import Waiting
from ostiary.storage.postgresql_errors import FAULTS, absent, describe, verdict
from ostiary.storage.postgresql_together import PostgreSQLTogether
from ostiary.storage.prepared import Statement, plain
from ostiary.storage.replicas import Replica, Replicas
from ostiary.storage.store import CORE, Database, Rows
from ostiary.storage.together import Execute, Work
from ostiary.storage.transaction import Transaction

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from ostiary.hashing import Hasher
    from ostiary.sealing import Sealer
    from ostiary.storage.reach import Reach

OPERATION_SECONDS = 4.0
"""Longest wait for a statement, with what it takes to begin the transaction."""

FAREWELL_SECONDS = 1.0

SILENCE_SECONDS = 2.0
"""A connection that has not answered for as long may have nobody at its other end."""

T = TypeVar("T")

PIECE = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|\?")
"""A text, a quoted name, or the place of a value."""

log = logging.getLogger(__name__)


class PostgreSQLStore:
    """One schema, reached by a login that can read and write its rows and nothing else.

    :param reach: knows whether the database is there.
    """

    insert = staticmethod(insert)

    def __init__(
        self,
        name: str,
        engine: AsyncEngine,
        pool: Any,
        reach: Reach,
        replicas: Replicas,
        *,
        hasher: Hasher,
        sealer: Sealer,
    ) -> None:
        self.name = name
        self.hasher = hasher
        self.sealer = sealer
        self._writing = engine
        self._reading = engine.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        self._hot = pool
        self._reach = reach
        self._leaving: set[asyncio.Task[None]] = set()
        self._replicas = replicas
        self._together = PostgreSQLTogether(self._transact)

    @classmethod
    async def open(
        cls,
        name: str,
        access: Access,
        reach: Reach,
        *,
        hasher: Hasher,
        sealer: Sealer,
        connections: int,
        replicas: Sequence[Access] = (),
    ) -> Self:
        """Make the pools; none connects before it is used."""
        engine = access.engine(pool_size=connections, max_overflow=0, pool_timeout=POOL_SECONDS)
        pool = await access.pool(connections)
        searched = Replicas([Replica(one, connections) for one in replicas])
        return cls(name, engine, pool, reach, searched, hasher=hasher, sealer=sealer)

    @asynccontextmanager
    async def read(self, *, apart: bool = False) -> AsyncIterator[Database]:  # noqa: ARG002 - it is
        """Open a snapshot (REPEATABLE READ, READ ONLY); every one is read apart."""
        async with self._transaction(self._reading, writes=False) as (_, db):
            yield db

    async def search(self, work: Callable[[Database], Awaitable[T]]) -> T:
        """Run a search on a replica that is up to date, or here; see ``OwnStore``."""

        async def here() -> T:
            async with self.read(apart=True) as db:
                return await work(db)

        return await self._replicas.search(self, work, here)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Database]:
        """Open a transaction (READ COMMITTED); see ``Store``."""
        async with self._transaction(self._writing, writes=True) as (loan, db):
            yield db
            db.end()
            # PostgreSQL would take the commit of a broken transaction, and roll it back.
            db.check()
            await self._commit(loan)
            db.committed()

    async def write(self, work: Work[T]) -> T:
        """Run a piece of work, and commit that of the core together; see ``OwnStore``."""
        if self.name == CORE:
            return await self._together.write(work)
        # Plugins take no turns: pieces in one transaction could wait for others', and those for them.
        async with self.begin() as db:
            return await work(db)

    async def _transact(self, fill: Callable[[Execute], Awaitable[None]]) -> None:
        async with self._transaction(self._writing, writes=True) as (loan, _):
            await fill(partial(self._execute, loan))
            await self._commit(loan)

    async def _commit(self, loan: Loan) -> None:
        with self._telling(loan.lost, writes=True), loan.used():
            await loan.commit()

    async def fetch(self, sql: str, *values: Any) -> tuple[Any, ...] | None:
        """Return the first row of a query, which asyncpg keeps prepared."""
        row = await self._ask("fetchrow", sql, values)
        return None if row is None else tuple(row)

    async def fetch_all(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return every row of a query, which asyncpg keeps prepared."""
        return [tuple(row) for row in await self._ask("fetch", sql, values)]

    async def _ask(self, method: str, sql: str, values: tuple[Any, ...]) -> Any:
        """Run a query on one of the connections for single ones, by a method of theirs."""
        with self._telling():
            connection = await self._borrow_hot()
        era = None
        with self._telling(lambda: era):
            try:
                with Waiting(COMMAND_SECONDS) as seconds:
                    era = _doubtful(connection, seconds)
                    ask = getattr(connection, method)
                    return await ask(numbered(sql), *values, timeout=seconds)
            except TimeoutError:
                # Given back as it is, it would wait for the end of what it was asked.
                connection.terminate()
                raise
            finally:
                await self._hot.release(connection)

    async def close(self) -> None:
        """Give every connection back."""
        await self._together.finish()
        if self._leaving:
            await asyncio.wait(self._leaving)
        await self._writing.dispose()
        await self._hot.close()
        await self._replicas.close()

    def __repr__(self) -> str:
        return f"<PostgreSQLStore {self.name}>"

    @asynccontextmanager
    async def _transaction(
        self, engine: AsyncEngine, *, writes: bool
    ) -> AsyncIterator[tuple[Loan, Transaction]]:
        """Borrow a connection; what is not committed when it goes back is rolled back."""
        with self._telling(), Waiting(POOL_SECONDS + CONNECT_SECONDS) as seconds:
            async with asyncio.timeout(seconds):
                loan = Loan(await engine.connect(), writes=writes)
        db = Transaction(partial(self._execute, loan))
        try:
            yield loan, db
        finally:
            db.end()
            if loan.hung:
                self._leave(loan)
            else:
                await loan.give_back()

    async def _execute(self, loan: Loan, statement: Statement, parameters: Any) -> Rows:
        with self._telling(loan.lost, writes=loan.writes), loan.used():
            return Rows.of(await loan.connection.execute(plain(statement), parameters))

    async def _borrow_hot(self) -> Any:
        """Borrow a connection for a single query, of this era."""
        while True:
            with Waiting(POOL_SECONDS) as seconds:
                connection = await self._hot.acquire(timeout=seconds)
            if connection.era == self._reach.era:
                return connection
            connection.terminate()
            await self._hot.release(connection)

    def _leave(self, loan: Loan) -> None:
        """Let nobody wait until a connection that does not answer is closed."""
        task = asyncio.create_task(loan.give_up())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    @contextmanager
    def _telling(
        self, lost: Callable[[], int | None] = lambda: None, *, writes: bool = False
    ) -> Iterator[None]:
        """Ask nothing of a database that is gone, and look when it may be.

        :param lost: returns the era of the connection, if it has failed by itself.
        :param writes: it may write.
        """
        self._reach.check()
        with telling(self.name, lambda: self._reach.doubt(lost()), writes=writes):
            yield


class Loan:
    """A connection as long as a transaction has it.

    :ivar hung: it has not answered in time: nothing more can be asked of it.
    :ivar writes: the transaction may write.
    """

    __slots__ = ("_era", "_raw", "connection", "hung", "writes")

    def __init__(self, connection: AsyncConnection, *, writes: bool) -> None:
        self.connection, self.writes = connection, writes
        self._raw: Any = _raw_of(connection)
        self._era: int | None = None
        self.hung = False

    @contextmanager
    def used(self) -> Iterator[None]:
        """Wait for the server as long as the request may, then cut the connection."""
        with Waiting(OPERATION_SECONDS) as seconds:
            self._era = _doubtful(self._raw, seconds)
            cut = asyncio.get_running_loop().call_later(seconds, self._raw.terminate)
            try:
                yield
            except TimeoutError:
                self.hung = True
                raise
            finally:
                cut.cancel()

    def lost(self) -> int | None:
        """Return the era of a connection that has failed by itself; see ``Reach.doubt``."""
        return self._era

    async def commit(self) -> None:
        """Commit, and believe it only without a warning.

        Whoever cancels a commit that waits for the standby gets it done, with a warning: by
        this server alone, and a failover would lose it.

        :raises errors.StoreUnavailable: nobody knows whether it will last.
        """
        self._raw.warnings.clear()
        await self.connection.commit()
        if self._raw.warnings:
            log.error("a commit is not confirmed by the standby: %s", *self._raw.warnings[:1])
            raise errors.StoreUnavailable(retry_after=1)

    async def give_back(self) -> None:
        """Roll back what is not committed."""
        cut = asyncio.get_running_loop().call_later(FAREWELL_SECONDS, self._raw.terminate)
        try:
            await self.connection.close()
        except FAULTS:
            # What was read is read, and what the server had not committed went with it.
            if not self.connection.closed:
                await self.give_up()
        finally:
            cut.cancel()

    async def give_up(self) -> None:
        """Close the connection itself, for which asyncpg first ends what it was asked."""
        await self.connection.invalidate()
        await self.connection.close()


def _doubtful(raw: Any, seconds: float) -> int | None:
    """Return the era of a connection, all of which is in doubt if it does not answer in that time.

    Of a server that was hardly asked nothing is known.
    """
    era: int = raw.era
    return era if seconds > SILENCE_SECONDS else None


def _raw_of(connection: AsyncConnection) -> Any:
    borrowed = connection.sync_connection
    assert borrowed is not None
    return borrowed.connection.driver_connection


@lru_cache(maxsize=512)
def numbered(sql: str) -> str:
    """Return a query with ``$1``, ``$2``… where it has ``?`` outside of texts."""
    numbers = itertools.count(1)
    return PIECE.sub(lambda piece: f"${next(numbers)}" if piece[0] == "?" else piece[0], sql)


@contextmanager
def telling(
    name: str, doubt: Callable[[], None] = lambda: None, *, writes: bool = False
) -> Iterator[None]:
    """Tell faults of the database from faults of the statement, and both without values.

    :param doubt: is called when the database may not be there.
    :param writes: a server that takes no writes is no longer the one that is wanted.
    """
    try:
        yield
    except FAULTS as fault:
        error = verdict(fault, writes=writes)
        if absent(fault, writes=writes):
            doubt()
        if isinstance(error, errors.StoreUnavailable):
            log.error("store %s: %s", name, describe(fault))  # noqa: TRY400 - holds values
        raise error from None
