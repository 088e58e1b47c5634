"""Replicas of a database of PostgreSQL, where searches are read that need not burden the primary.

What a replica gives is never older than what was committed when the search began: it is asked
whether it has come so far. One that has not, or that cannot be reached, is left alone for a while.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from urllib.parse import urlsplit

from sqlalchemy import text

from ostiary.storage.access import POOL_SECONDS, STATEMENT_SECONDS, Access
from ostiary.storage.budget import Waiting
from ostiary.storage.postgresql_errors import CANCELLED, FAULTS, describe, state, verdict
from ostiary.storage.prepared import Statement, plain
from ostiary.storage.store import Database, Rows
from ostiary.storage.transaction import Transaction

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

T = TypeVar("T")

PLACE = (
    "SELECT CAST(pg_current_wal_flush_lsn() AS text), CAST(system_identifier AS text),"
    " CAST(current_database() AS text), substr(pg_walfile_name(pg_current_wal_flush_lsn()), 1, 8)"
    " FROM pg_control_system()"
)
"""Where the primary is, and which one it is: its timeline changes whenever a standby takes over."""

# Of one's own snapshot a replica says nothing: it is asked in a transaction before. What it says
# of its timeline was true a while ago, and it never goes back to an older one.
REACHED = text(
    "SELECT system_identifier = CAST(CAST(:system AS text) AS bigint)"
    " AND current_database() = CAST(:database AS text) AND pg_is_in_recovery(),"
    " lpad(to_hex(greatest(timeline_id, min_recovery_end_timeline)), 8, '0')"
    " = lower(CAST(:timeline AS text)),"
    " pg_last_wal_replay_lsn() >= CAST(CAST(:place AS text) AS pg_lsn)"
    " FROM pg_control_system(), pg_control_checkpoint(), pg_control_recovery()"
)

WAIT_SECONDS = 0.1
"""How long a search waits for a replica that has not come so far."""

LOOK_SECONDS = 0.01
ANSWER_SECONDS = 1.0
"""How long a replica may take to say how far it is, from connecting to it on."""

SEARCH_SECONDS = STATEMENT_SECONDS + 0.5
"""How long a search may take in all: a replica that is there ends what takes long before."""

BEHIND_SECONDS, GONE_SECONDS = 1.0, 5.0
"""How long a replica is left alone that was behind, or could not be used."""

log = logging.getLogger(__name__)


class NotUsable(Exception):
    """A replica cannot answer this search; the message says why."""

    def __init__(self, reason: str, rest: float) -> None:
        super().__init__(reason)
        self.rest = rest


@dataclass(frozen=True, slots=True)
class Place:
    """How far a primary has come with what it promises to keep, and which one it is."""

    place: str
    system: str
    database: str
    timeline: str


class Primary(Protocol):
    """What asks the primary."""

    async def fetch(self, sql: str, *values: Any) -> tuple[Any, ...] | None:
        """Return the first row of a query."""


class Replica:
    """One of them, as one store uses it.

    :param access: of the store's login, at the replica.
    """

    def __init__(self, access: Access, connections: int) -> None:
        engine = access.engine(pool_size=connections, max_overflow=0, pool_timeout=POOL_SECONDS)
        self._name = urlsplit(access.hosts.url).netloc.rpartition("@")[2]
        self._engine: AsyncEngine = engine.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        self._rests_until = 0.0
        self._resting = False

    def usable(self) -> bool:
        """Tell whether it is worth a try."""
        return asyncio.get_running_loop().time() >= self._rests_until

    async def run(self, place: Place, work: Callable[[Database], Awaitable[T]]) -> T:
        """Run a search here, on a snapshot that holds at least what the primary had.

        :raises NotUsable: that is not possible, and the search has to be run elsewhere.
        """
        faults: list[Exception] = []
        try:
            async with _in_time(), self._connected(place) as connection:
                db = Transaction(partial(_execute, connection, faults))
                with _blaming(faults):
                    found = await work(db)
                    db.end()
        except NotUsable as error:
            self._leave_alone(error)
            raise
        self._note_use()
        return found

    async def close(self) -> None:
        """Give every connection back."""
        await self._engine.dispose()

    @asynccontextmanager
    async def _connected(self, place: Place) -> AsyncIterator[AsyncConnection]:
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    connection = await stack.enter_async_context(self._engine.connect())
                    await _await_place(connection, place)
            except FAULTS as fault:
                raise NotUsable(describe(fault), GONE_SECONDS) from None
            yield connection

    def _leave_alone(self, error: NotUsable) -> None:
        self._rests_until = asyncio.get_running_loop().time() + error.rest
        if not self._resting:
            log.warning("searches go past the replica %s: %s", self._name, error)
        self._resting = True

    def _note_use(self) -> None:
        if self._resting:
            log.warning("searches are read from the replica %s again", self._name)
        self._resting = False


class Replicas:
    """Those of one store, which take turns."""

    def __init__(self, replicas: Sequence[Replica]) -> None:
        self._replicas = replicas
        self._turns = itertools.count()

    async def search(
        self,
        primary: Primary,
        work: Callable[[Database], Awaitable[T]],
        otherwise: Callable[[], Awaitable[T]],
    ) -> T:
        """Run a search on a replica, or otherwise if none can be used.

        :raises errors.StoreUnavailable: the primary cannot be reached.
        """
        usable = list(self._usable())
        row = await primary.fetch(PLACE) if usable else None
        if row is not None:
            for replica in usable:
                with suppress(NotUsable):
                    return await replica.run(Place(*row), work)
        return await otherwise()

    async def close(self) -> None:
        """Give every connection back."""
        for replica in self._replicas:
            await replica.close()

    def _usable(self) -> Iterator[Replica]:
        first = next(self._turns)
        for at in range(len(self._replicas)):
            replica = self._replicas[(first + at) % len(self._replicas)]
            if replica.usable():
                yield replica


@asynccontextmanager
async def _in_time() -> AsyncIterator[None]:
    """Leave of a request's time what the primary needs to answer instead.

    :raises NotUsable: it takes longer.
    """
    with Waiting(SEARCH_SECONDS) as seconds:
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError:
            raise NotUsable("it does not answer", GONE_SECONDS) from None


@contextmanager
def _blaming(faults: Sequence[Exception]) -> Iterator[None]:
    """Blame a replica for its faults, whatever the work has made of them.

    :raises NotUsable: there were some.
    """
    try:
        yield
    except Exception:
        if not faults:
            raise
    if faults:
        raise NotUsable(describe(faults[0]), GONE_SECONDS)


async def _await_place(connection: AsyncConnection, place: Place) -> None:
    """Wait until a replica has come as far as the primary had.

    :raises NotUsable: it takes too long; or this is another database.
    """
    asked = asdict(place)
    until = asyncio.get_running_loop().time() + WAIT_SECONDS
    while True:
        same, followed, reached = (await connection.execute(REACHED, asked)).one()
        # The next statement sees what is there now.
        await connection.rollback()
        if not same:
            raise NotUsable("it is no replica of the database", GONE_SECONDS)
        if not followed:
            raise NotUsable("it does not follow this primary, or not since long", GONE_SECONDS)
        if reached:
            return
        if asyncio.get_running_loop().time() >= until:
            raise NotUsable("it is behind", BEHIND_SECONDS)
        await asyncio.sleep(LOOK_SECONDS)


async def _execute(
    connection: AsyncConnection, faults: list[Exception], statement: Statement, parameters: Any
) -> Rows:
    try:
        return Rows.of(await connection.execute(plain(statement), parameters))
    except FAULTS as fault:
        # What took too long would on the primary as well.
        if state(fault) != CANCELLED:
            faults.append(fault)
        raise verdict(fault) from None
