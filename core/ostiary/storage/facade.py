"""What a plugin holds of its store: enough to read and write its rows, and nothing beyond.

No public attribute leads on from here to a connection, an engine, a key or
another store. That keeps honest code in its own rooms; code that means harm
runs in the same process and goes around.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from ostiary.storage.prepared import Statement
from ostiary.storage.store import Database, Rows, Store

if TYPE_CHECKING:
    from ostiary.hashing import Hasher
    from ostiary.sealing import Sealer

T = TypeVar("T")


class Facade:
    """The store of one plugin, as its hooks get it."""

    __slots__ = ("_store",)

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def name(self) -> str:
        """The name of the plugin."""
        return self._store.name

    @property
    def hasher(self) -> Hasher:
        """What hashes the secrets of this plugin."""
        return self._store.hasher

    @property
    def sealer(self) -> Sealer:
        """What encrypts the secrets of this plugin."""
        return self._store.sealer

    def read(self, *, apart: bool = False) -> AbstractAsyncContextManager[Database]:
        """Open a snapshot for reading; see ``OwnStore``."""
        return _Opening(self._store.read(apart=apart))

    async def search(self, work: Callable[[Database], Awaitable[T]]) -> T:
        """Run queries that list or count; see ``OwnStore``."""

        async def enclosed(db: Database) -> T:
            return await work(_Block(db))

        return await self._store.search(enclosed)

    def begin(self) -> AbstractAsyncContextManager[Database]:
        """Open a transaction for writing; see ``OwnStore``."""
        return _Opening(self._store.begin())

    async def write(self, work: Callable[[Database], Coroutine[Any, Any, T]]) -> T:
        """Run a piece of work in a transaction; see ``OwnStore``."""

        async def enclosed(db: Database) -> T:
            return await work(_Block(db))

        return await self._store.write(enclosed)

    def __repr__(self) -> str:
        return f"<Store of {self.name}>"

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        raise TypeError("a store is neither copied nor pickled")


class _Opening(AbstractAsyncContextManager[Database]):
    """What ``async with`` is given; the one of contextlib would show what it was made of."""

    __slots__ = ("_opening",)

    def __init__(self, opening: AbstractAsyncContextManager[Database]) -> None:
        self._opening = opening

    async def __aenter__(self) -> Database:
        return _Block(await self._opening.__aenter__())

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        return await self._opening.__aexit__(kind, error, trace)


class _Block:
    """A transaction as a plugin gets it: it cannot end it."""

    __slots__ = ("_db",)

    def __init__(self, db: Database) -> None:
        self._db = db

    async def execute(self, statement: Statement, parameters: Any = None) -> Rows:
        try:
            return await self._db.execute(statement, parameters)
        except Exception as error:  # noqa: BLE001 - it is raised again
            raise _bare(error) from None

    async def scalar(self, statement: Statement, parameters: Any = None) -> Any:
        return (await self.execute(statement, parameters)).scalar()

    def after_commit(self, call: Callable[[], None]) -> None:
        self._db.after_commit(call)


def _bare(error: Exception) -> Exception:
    """Cut an error off from its way through the core: frames hold connections."""
    for one in (error, getattr(error, "orig", None)):
        if isinstance(one, BaseException):
            one.__traceback__ = one.__cause__ = one.__context__ = None
    return error
