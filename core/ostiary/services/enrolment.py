"""Enrolling users in batches, for operators who bring many: three transactions for hundreds.

Each batch is made as one user is (``journal``): its kuids are reserved, the strategy writes its
credentials, and what makes all of them users removes the reservations.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct
from sqlalchemy import insert, select

from ostiary import errors
from ostiary.commands import Enrolled, Recruit, Write
from ostiary.events import CredentialsCreated, Event, UserCreated
from ostiary.plugins import Strategies
from ostiary.services.availability import State, look_up
from ostiary.services.changes import Changes
from ostiary.services.events import Events
from ostiary.services.existence import rows_with
from ostiary.services.journal import Journal
from ostiary.services.kuid import check_kuid, make_kuid
from ostiary.services.user_rows import StoredUser, check_size, insert_users
from ostiary.storage import Store
from ostiary.storage.tables import profiles, user_strategies
from ostiary.strategies import Call

MOST = 1000
"""Users of a batch: it holds the turn of everybody else who writes."""


class _Batch(Struct, frozen=True):
    """Some recruits as they were looked at.

    :ivar kuids: of each, given or made.
    :ivar refused: why some are refused, by their place.
    """

    recruits: Sequence[Recruit]
    kuids: Sequence[str]
    refused: dict[int, errors.OstiaryError]

    def accepted(self) -> dict[str, Recruit]:
        """Return those who are not refused, by kuid."""
        return {
            kuid: recruit
            for place, (kuid, recruit) in enumerate(zip(self.kuids, self.recruits, strict=True))
            if place not in self.refused
        }

    def refuse(self, state: State, *, join: bool) -> None:
        """Refuse those whose kuid is not free."""
        for place, kuid in enumerate(self.kuids):
            why = state.refusal(kuid, join=join)
            if why is not None:
                self.refused.setdefault(place, why)

    def result(self) -> Enrolled:
        """Return what became of each."""
        return [self.refused.get(place, kuid) for place, kuid in enumerate(self.kuids)]


class Enrolment:
    """Makes users with credentials of one strategy.

    :param profile_ids: of those who bring none.
    """

    def __init__(
        self,
        store: Store,
        strategies: Strategies,
        journal: Journal,
        changes: Changes,
        events: Events,
        clock: Callable[[], int],
        profile_ids: Sequence[str],
    ) -> None:
        self._store, self._strategies, self._journal = store, strategies, journal
        self._changes, self._events, self._clock = changes, events, clock
        self._profile_ids = tuple(profile_ids)

    async def examine(self, strategy: str, recruits: Sequence[Recruit], *, join: bool) -> Enrolled:
        """Tell what would become of each, and write nothing; see ``Workplace``."""
        batch, state = await self._look_at(strategy, recruits)
        batch.refuse(state, join=join)
        shown = zip(batch.result(), recruits, strict=True)
        return [
            "" if recruit.kuid is None and isinstance(end, str) else end for end, recruit in shown
        ]

    async def enrol(
        self, strategy: str, recruits: Sequence[Recruit], write: Write, *, join: bool
    ) -> Enrolled:
        """Make users; see ``Workplace``. What has begun is finished even if the caller is cancelled."""
        task = asyncio.create_task(self._enrol(strategy, recruits, write, join=join))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            # It takes less than undoing it, and nobody may close the stores meanwhile.
            await asyncio.wait({task})
            raise

    async def _enrol(
        self, strategy: str, recruits: Sequence[Recruit], write: Write, *, join: bool
    ) -> Enrolled:
        await self._strategies.settle(strategy)
        self._strategies.find(strategy)
        batch, _ = await self._look_at(strategy, recruits)
        asked = list(batch.accepted())
        operation, state = await self._journal.reserve_many(strategy, asked, join=join)
        batch.refuse(state, join=join)
        try:
            if accepted := batch.accepted():
                await write(batch.result())
                await self._insert(strategy, accepted, state, operation)
            else:
                await self._journal.abandon_many(operation)
        except BaseException:
            await self._journal.abandon_many(operation)
            raise
        return batch.result()

    async def _look_at(self, strategy: str, recruits: Sequence[Recruit]) -> tuple[_Batch, State]:
        """Look at recruits one by one, and up what there is of their kuids."""
        if len(recruits) > MOST:
            raise ValueError(f"a batch has at most {MOST} recruits")
        drawn = [make_kuid() if one.kuid is None else one.kuid for one in recruits]
        named = {id for one in recruits for id in self._profiles_of(one)}
        async with self._store.read() as db:
            found = rows_with(db, select(profiles.c.id), profiles.c.id, named)
            known = {row.id async for row in found}
            state = await look_up(db, strategy, drawn)
        taken, kuids = {*state.existing, *state.busy}, []
        for one, kuid in zip(recruits, drawn, strict=True):
            free = one.kuid is not None or kuid not in taken
            kuids.append(kuid if free else make_kuid("uuid"))
            taken.add(kuid)
        batch = _Batch(recruits, kuids, {})
        seen: set[str] = set()
        for place, (kuid, recruit) in enumerate(zip(kuids, recruits, strict=True)):
            try:
                self._check(kuid, recruit, known, seen)
            except errors.OstiaryError as error:
                batch.refused[place] = error
            seen.add(kuid)
        return batch, state

    def _check(self, kuid: str, recruit: Recruit, known: set[str], seen: set[str]) -> None:
        check_kuid(kuid)
        if kuid in seen:
            raise errors.UserAlreadyExists(kuid)
        check_size(kuid, recruit.content)
        for id in self._profiles_of(recruit):
            if id not in known:
                raise errors.ProfileNotFound(id)

    async def _insert(
        self, strategy: str, accepted: Mapping[str, Recruit], state: State, operation: str
    ) -> None:
        """Make true what was reserved and written."""
        now = self._clock()
        new = [
            StoredUser.new(kuid, self._profiles_of(recruit), recruit.content, Call().kuid, now)
            for kuid, recruit in accepted.items()
            if kuid not in state.existing
        ]
        told: list[Event] = [
            UserCreated(kuid=user.kuid, profiles=user.profile_ids, strategies=(strategy,))
            for user in new
        ]
        told += [
            CredentialsCreated(kuid=kuid, strategy=strategy)
            for kuid in accepted
            if kuid in state.existing
        ]
        held = [{"kuid": kuid, "strategy": strategy, "created_at": now} for kuid in accepted]
        async with self._store.begin() as db:
            await self._changes.record_many(db, "user", list(accepted))
            await self._journal.claim(db, operation)
            if new:
                await insert_users(db, new)
            await db.execute(insert(user_strategies), held)
            await self._events.record_many(db, told)

    def _profiles_of(self, recruit: Recruit) -> tuple[str, ...]:
        return tuple(recruit.profile_ids) or self._profile_ids
