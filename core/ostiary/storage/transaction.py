"""What an owner holds inside ``read()`` and ``begin()``, on either database."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from ostiary.storage.prepared import Statement
from ostiary.storage.store import Rows


class Transaction:
    """The Database of one block; worthless after it, or after an error in it.

    PostgreSQL drops everything after an error, and SQLite after some of them:
    here a broken transaction stays broken on both.
    """

    def __init__(self, run: Callable[[Statement, Any], Awaitable[Rows]]) -> None:
        self._run = run
        self._over = False
        self._broken = False
        self._afterwards: list[Callable[[], None]] = []

    async def execute(self, statement: Statement, parameters: Any = None) -> Rows:
        """Run a statement; see ``Database``."""
        if self._over:
            raise RuntimeError("the transaction is over")
        self.check()
        try:
            return await self._run(statement, parameters)
        except BaseException:
            self._broken = True
            raise

    async def scalar(self, statement: Statement, parameters: Any = None) -> Any:
        """Run a statement and return the first column of its first row, or None."""
        return (await self.execute(statement, parameters)).scalar()

    def after_commit(self, call: Callable[[], None]) -> None:
        """Call a function once the transaction is committed; see ``Database``."""
        self._afterwards.append(call)

    def committed(self) -> None:
        """Tell those who wanted to know."""
        for call in self._afterwards:
            call()

    def check(self) -> None:
        """Refuse to go on after an error that the block has swallowed."""
        if self._broken:
            raise RuntimeError("a statement failed before: the transaction is rolled back")

    def end(self) -> None:
        """Let nothing more be done."""
        self._over = True
