"""What the core holds of a plugin's users, when the plugin's store goes and when it comes back."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Sequence

from msgspec import Struct
from sqlalchemy import delete, insert, select, update

from ostiary.services.changes import Changes
from ostiary.services.journal import DELETING
from ostiary.services.plugin_records import Unfinished, finish, note
from ostiary.storage import Database, Store
from ostiary.storage.archive import Holder
from ostiary.storage.tables import (
    journal,
    login_flows,
    plugins,
    tokens,
    user_strategies,
    users,
)


class Return(Struct, frozen=True):
    """What came of restoring: who has a way in again, and whose credentials are erased."""

    given: int
    erased: int


class Departures:
    """Takes the strategies of a plugin off its users, and gives them back."""

    def __init__(self, store: Store, changes: Changes, clock: Callable[[], int]) -> None:
        self._store, self._changes, self._clock = store, changes, clock

    async def holders(self, strategies: Collection[str]) -> Sequence[Holder]:
        """Return who holds credentials of some strategies."""
        held = select(
            user_strategies.c.kuid,
            users.c.generation,
            user_strategies.c.strategy,
            user_strategies.c.created_at,
        ).join(users, users.c.kuid == user_strategies.c.kuid)
        held = held.where(user_strategies.c.strategy.in_(strategies))
        async with self._store.read() as db:
            return [Holder(**row._asdict()) for row in (await db.execute(held)).all()]

    async def erasing(self, strategies: Collection[str]) -> Sequence[tuple[str, str]]:
        """Return kuid and strategy of credentials that have to be erased."""
        of_these = select(journal.c.kuid, journal.c.strategy)
        of_these = of_these.where(journal.c.strategy.in_(strategies))
        async with self._store.read() as db:
            return [(row.kuid, row.strategy) for row in (await db.execute(of_these)).all()]

    async def take(self, name: str, strategies: Collection[str], unfinished: Unfinished) -> int:
        """Take some strategies off every user and end the sessions that began with them.

        In the same transaction it is noted that the plugin's store has to go.

        :returns: how many sessions have ended.
        """
        async with self._store.begin() as db:
            ended = await self._end_sessions(db, strategies)
            for table in (user_strategies, journal, login_flows):
                await db.execute(delete(table).where(table.c.strategy.in_(strategies)))
            await note(db, name, unfinished)
        return ended

    async def give_back(
        self, name: str, holders: Sequence[Holder], erasing: Sequence[tuple[str, str]]
    ) -> Return:
        """Give users their strategies back, note whose credentials have to go, enable the plugin.

        Nothing comes back to a kuid that was deleted since, or belongs to somebody else now.
        """
        gone = set(erasing)
        given = 0
        async with self._store.begin() as db:
            await self._changes.record(db, "rights")
            known = await _generations(db)
            held = await _held(db)
            for holder in holders:
                if known.get(holder.kuid) != holder.generation:
                    gone.add((holder.kuid, holder.strategy))
                elif (holder.kuid, holder.strategy) not in held:
                    given += 1
                    await db.execute(insert(user_strategies).values(_pair(holder)))
            for kuid, strategy in gone:
                await self._erase_later(db, kuid, strategy)
            await db.execute(update(plugins).where(plugins.c.name == name).values(disabled_at=None))
            await finish(db, name)
        return Return(given, len(gone))

    async def _end_sessions(self, db: Database, strategies: Collection[str]) -> int:
        these = tokens.c.strategy.in_(strategies)
        found = (await db.execute(select(tokens.c.fingerprint).where(these))).scalars().all()
        # Who has them in memory looks again; so does who knows a user by their strategies.
        await self._changes.record(db, "rights")
        for fingerprint in found:
            await self._changes.record(db, "token", fingerprint.hex())
        await db.execute(delete(tokens).where(these))
        return len(found)

    async def _erase_later(self, db: Database, kuid: str, strategy: str) -> None:
        """Note it as if a process that is gone had begun it: the next start finishes it."""
        this = (journal.c.kuid == kuid) & (journal.c.strategy == strategy)
        await db.execute(delete(journal).where(this))
        row = {
            "kuid": kuid,
            "strategy": strategy,
            "kind": DELETING,
            "operation": secrets.token_hex(8),
            "instance": secrets.token_hex(8),
            "created_at": self._clock(),
        }
        await db.execute(insert(journal).values(row))


async def _generations(db: Database) -> dict[str, str]:
    rows = (await db.execute(select(users.c.kuid, users.c.generation))).all()
    return {row.kuid: row.generation for row in rows}


async def _held(db: Database) -> set[tuple[str, str]]:
    pairs = select(user_strategies.c.kuid, user_strategies.c.strategy)
    return {(row.kuid, row.strategy) for row in (await db.execute(pairs)).all()}


def _pair(holder: Holder) -> dict[str, object]:
    return {
        "kuid": holder.kuid,
        "strategy": holder.strategy,
        "created_at": holder.created_at,
    }
