"""The journal that keeps users and credentials whole, though they live in different stores.

Before credentials are made or erased, a row here says so; the transaction that
makes it true in the core removes the row. What a crash leaves is undone from
the rows whose process is gone: credentials that were being made are erased,
those that were being erased are erased again. Further credentials beside others of a strategy
are left as they are: the strategy has written all of them, or none, and cannot erase one alone.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, bindparam, delete, insert, select, true, update
from sqlalchemy.exc import IntegrityError

from ostiary import errors
from ostiary.plugins import Strategies
from ostiary.services.availability import THE_USER, State, look_up
from ostiary.services.changes import take_turn
from ostiary.storage import Database, Prepared, Presence, Store
from ostiary.storage.tables import journal, user_strategies, users

logger = logging.getLogger(__name__)

CREATING, ADDING, DELETING = "creating", "adding", "deleting"

INSERT = Prepared(insert(journal))
KNOWN = Prepared(select(users.c.kuid).where(users.c.kuid == bindparam("wanted")))
CLAIM = Prepared(
    delete(journal).where(journal.c.operation == bindparam("mine"), journal.c.kind != DELETING)
)
PATIENCE = 5.0
PAUSE = 0.02


class Reserved(NamedTuple):
    """Credentials that may be made now.

    :ivar further: they come beside others of the strategy that the user holds.
    """

    operation: str
    further: bool


class Journal:
    """Reserves, claims and settles; one row for each user and strategy in the making."""

    def __init__(
        self,
        store: Store,
        strategies: Strategies,
        presence: Presence,
        instance: str,
        clock: Callable[[], int],
    ) -> None:
        self._store, self._strategies = store, strategies
        self._presence, self._instance, self._clock = presence, instance, clock
        # What is at work in this process: operations, and how many rows each has.
        self._running: dict[str, int] = {}

    async def reserve_user(self, kuid: str, strategies: Sequence[str]) -> str:
        """Reserve a kuid and credentials for it; return the operation.

        :raises errors.UserAlreadyExists: it is taken, or being taken.
        """
        return (await self._reserve(kuid, [THE_USER, *strategies])).operation

    async def reserve_credentials(
        self, kuid: str, strategy: str, *, several: bool = False
    ) -> Reserved:
        """Reserve credentials of a user for a strategy.

        :param several: there may be others of it.
        :raises errors.UserNotFound: there is no such user.
        :raises errors.CredentialsExist: the user has some, and there may be no others.
        """
        return await self._reserve(kuid, [strategy], several=several)

    async def reserve_many(
        self, strategy: str, kuids: Sequence[str], *, join: bool
    ) -> tuple[str, State]:
        """Reserve users, each with credentials of a strategy, in one transaction.

        :param join: where there is such a user, reserve credentials for them.
        :return: the operation, and how it stood: whom it refuses is not reserved.
        """
        await self._settle_left(kuids, (THE_USER, strategy))
        operation = _operation()
        # From here on nobody takes the rows for left ones.
        self._running[operation] = 0
        try:
            async with self._store.begin() as db:
                await take_turn(db)
                state = await look_up(db, strategy, kuids)
                rows = [
                    self._row(kuid, name, CREATING, operation)
                    for kuid in kuids
                    for name in state.reservable(kuid, join=join)
                ]
                if rows:
                    await db.execute(INSERT, rows)
        except BaseException:
            self._running.pop(operation)
            raise
        self._running[operation] = len(rows)
        return operation, state

    async def claim(self, db: Database, operation: str) -> None:
        """End an operation in the transaction that makes its result true.

        :raises errors.ActionLocked: it was given up for dead, or the user is being deleted.
        """
        done = await db.execute(CLAIM, {"mine": operation})
        # What the rows that were taken over name may be erased already.
        if done.rowcount != self._running.pop(operation):
            raise errors.ActionLocked("deletion")

    async def abandon(self, operation: str) -> None:
        """Undo an operation that failed; what cannot be undone now is left to ``sweep``."""
        try:
            for row in await self._rows(journal.c.operation == operation):
                await self._settle_row(row)
        except errors.OstiaryError as error:
            logger.warning("an unfinished creation could not be undone yet: %s", error.id)
        finally:
            self._running.pop(operation, None)

    async def abandon_many(self, operation: str) -> None:
        """Undo what ``reserve_many`` began; what cannot be undone now is left to ``sweep``."""
        try:
            for row in await self._rows(journal.c.operation == operation):
                if row.strategy != THE_USER:
                    await self._strategies.erase(row.strategy, row.kuid)
            async with self._store.begin() as db:
                await db.execute(delete(journal).where(journal.c.operation == operation))
        except errors.OstiaryError as error:
            logger.warning("an unfinished enrolment could not be undone yet: %s", error.id)
        finally:
            self._running.pop(operation, None)

    async def delete_all(self, db: Database, kuid: str) -> None:
        """Note, in the transaction that deletes a user, that their credentials have to go."""
        held = select(user_strategies.c.strategy).where(user_strategies.c.kuid == kuid)
        await db.execute(update(journal).where(journal.c.kuid == kuid).values(kind=DELETING))
        for strategy in (await db.execute(held)).scalars():
            await self.delete_one(db, kuid, strategy)

    async def delete_everybody(self, db: Database) -> None:
        """Note, in the transaction that deletes all users, that all credentials have to go."""
        # Who is just being made is not: the claim of the operation fails.
        await db.execute(update(journal).values(kind=DELETING))
        held = select(user_strategies.c.kuid, user_strategies.c.strategy)
        for row in (await db.execute(held)).all():
            await self.delete_one(db, row.kuid, row.strategy)

    async def delete_one(self, db: Database, kuid: str, strategy: str) -> None:
        """Note, in the transaction that takes credentials off a user, that they have to go."""
        this = (journal.c.kuid == kuid) & (journal.c.strategy == strategy)
        # Who is adding others to them hears of it when the claim fails, and erases them all.
        if (await db.execute(update(journal).where(this).values(kind=DELETING))).rowcount == 0:
            row = self._row(kuid, strategy, DELETING, _operation())
            await db.execute(INSERT, row)

    async def settle(self, kuid: str) -> None:
        """Erase what is noted for a user; what fails is logged, and tried again by ``sweep``."""
        try:
            await self._settle_all((journal.c.kuid == kuid) & (journal.c.kind == DELETING))
        except errors.OstiaryError as error:
            # What was asked for is done already; this is what follows from it.
            logger.warning("what %r has left could not be erased yet: %s", kuid, error.id)

    async def sweep(self) -> None:
        """Settle what ended processes left, and what failed before."""
        await self._settle_all(true())

    async def _settle_all(self, which: ColumnElement[bool]) -> None:
        for row in await self._rows(which):
            # Who is still making credentials erases them when the claim fails.
            known = row.strategy == THE_USER or self._strategies.knows(row.strategy)
            if known and await self._is_left(row):
                await self._settle_row(row)

    async def _reserve(self, kuid: str, names: list[str], *, several: bool = False) -> Reserved:
        operation = _operation()
        self._running[operation] = len(names)
        tried = False
        try:
            async with asyncio.timeout(PATIENCE):
                while (kind := await self._try_reserve(kuid, names, operation, several)) is None:
                    tried = True
                    await self._make_way(kuid, names)
        except TimeoutError:
            self._running.pop(operation)
            if not tried:
                raise errors.StoreUnavailable(retry_after=1) from None
            raise errors.ActionLocked("change of credentials") from None
        except BaseException:
            self._running.pop(operation)
            raise
        return Reserved(operation, kind == ADDING)

    async def _try_reserve(
        self, kuid: str, names: list[str], operation: str, several: bool
    ) -> str | None:
        """Reserve, and return as what; None if somebody else is at work on it."""

        async def write(db: Database) -> str:
            await take_turn(db)
            holds = await self._check_free(db, kuid, names, several=several)
            kind = ADDING if holds else CREATING
            await db.execute(INSERT, [self._row(kuid, name, kind, operation) for name in names])
            return kind

        try:
            return await self._store.write(write)
        except IntegrityError:
            return None

    async def _check_free(
        self, db: Database, kuid: str, names: list[str], *, several: bool
    ) -> bool:
        """Refuse what there is already; tell whether there is some that may have others."""
        exists = await db.scalar(KNOWN, {"wanted": kuid}) is not None
        if THE_USER in names:
            if exists:
                raise errors.UserAlreadyExists(kuid)
            return False
        if not exists:
            raise errors.UserNotFound(kuid)
        held = select(user_strategies.c.strategy).where(
            user_strategies.c.kuid == kuid, user_strategies.c.strategy.in_(names)
        )
        strategy = await db.scalar(held)
        if strategy is not None and not several:
            raise errors.CredentialsExist(kuid, strategy)
        return strategy is not None

    async def _make_way(self, kuid: str, names: list[str]) -> None:
        """Settle what stands in the way if its process is gone; else wait a little."""
        for row in await self._rows((journal.c.kuid == kuid) & journal.c.strategy.in_(names)):
            if await self._is_left(row):
                await self._settle_row(row)
            elif row.strategy == THE_USER and row.kind == CREATING:
                raise errors.UserAlreadyExists(kuid)
        await asyncio.sleep(PAUSE)

    async def _settle_left(self, kuids: Sequence[str], names: Sequence[str]) -> None:
        """Settle what stands in the way of some kuids if its process is gone."""
        for row in await self._rows(journal.c.kuid.in_(kuids) & journal.c.strategy.in_(names)):
            if await self._is_left(row):
                await self._settle_row(row)

    async def _rows(self, which: ColumnElement[bool]) -> Sequence[Any]:
        async with self._store.read() as db:
            return (await db.execute(select(journal).where(which))).all()

    async def _is_left(self, row: Any) -> bool:
        """Tell whether nobody is at work on a row any more."""
        if row.instance == self._instance:
            return row.operation not in self._running
        return await self._presence.gone(row.instance)

    async def _settle_row(self, row: Any) -> None:
        """Take a row over, erase what it names, remove it."""
        if row.kind == ADDING and await self._dropped(row):
            return
        operation = _operation()
        this = (journal.c.kuid == row.kuid) & (journal.c.strategy == row.strategy)
        taken = update(journal).where(this, journal.c.operation == row.operation)
        taken = taken.values(operation=operation, instance=self._instance, kind=DELETING)
        self._running[operation] = 1
        try:
            async with self._store.begin() as db:
                if (await db.execute(taken)).rowcount == 0:
                    return
            if row.strategy != THE_USER:
                await self._strategies.erase(row.strategy, row.kuid)
            async with self._store.begin() as db:
                await db.execute(delete(journal).where(this, journal.c.operation == operation))
        except errors.OstiaryError as error:
            logger.warning(
                "credentials of %r for %s could not be erased yet: %s",
                row.kuid, row.strategy, error.id,
            )  # fmt: skip
        finally:
            self._running.pop(operation)

    async def _dropped(self, row: Any) -> bool:
        """Remove a row that names nothing to erase, unless the user was deleted meanwhile."""
        this = (journal.c.operation == row.operation) & (journal.c.kind == ADDING)
        async with self._store.begin() as db:
            return bool((await db.execute(delete(journal).where(this))).rowcount)

    def _row(self, kuid: str, strategy: str, kind: str, operation: str) -> dict[str, Any]:
        return {
            "kuid": kuid,
            "strategy": strategy,
            "kind": kind,
            "operation": operation,
            "instance": self._instance,
            "created_at": self._clock(),
        }


def _operation() -> str:
    return secrets.token_hex(8)
