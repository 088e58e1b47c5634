"""Transactions on PostgreSQL that share a commit.

Writers of the core take turns, on all machines together, and a turn ends with a commit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from sqlalchemy import text

from ostiary import errors
from ostiary.storage import budget
from ostiary.storage.together import Execute, Piece, Together

Transact = Callable[[Callable[[Execute], Awaitable[None]]], Awaitable[None]]

MARK, UNDO = text("SAVEPOINT one_of_many"), text("ROLLBACK TO one_of_many")
"""Each mark hides the one before, until the commit forgets them all."""


class PostgreSQLTogether(Together):
    """Runs pieces of work one after the other in a transaction.

    :param transact: begins a transaction, has it filled, and commits it.
    """

    most = 16

    def __init__(self, transact: Transact) -> None:
        super().__init__()
        self._transact = transact

    async def _commit_some(self) -> None:
        # Its time is not that of the request which happened to be the first.
        budget.begin()
        pieces = self._taken()
        try:
            await self._transact(_filling(pieces))
        except BaseException as fault:  # noqa: BLE001 - whoever waits is told
            self._fail(pieces, fault)
        for piece in pieces:
            piece.tell()

    def _fail(self, pieces: list[Piece], fault: BaseException) -> None:
        """Note why nothing of it was done; where the database is gone, nobody else tries."""
        if isinstance(fault, errors.StoreUnavailable):
            pieces += self._waiting
            self._waiting.clear()
        for piece in pieces:
            piece.error = piece.error or fault


async def _run(piece: Piece, execute: Execute) -> None:
    """Do a piece of work, in the context of who waits for it, but for the time, which is that of all."""
    budget.share(piece.context)
    with piece.transaction(execute) as db:
        piece.result = await asyncio.create_task(piece.work(db), context=piece.context)


def _filling(pieces: Sequence[Piece]) -> Callable[[Execute], Awaitable[None]]:
    """Return what does several pieces of work in a transaction, each undone if it fails."""

    async def fill(execute: Execute) -> None:
        for piece in pieces:
            if len(pieces) == 1:
                await _run(piece, execute)
                return
            await execute(MARK, None)
            try:
                await _run(piece, execute)
            except errors.StoreUnavailable:
                raise
            except Exception as error:  # noqa: BLE001 - whoever waits is told
                piece.error = error
                await execute(UNDO, None)

    return fill
