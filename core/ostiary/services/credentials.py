"""The credentials of users who exist: made, changed and erased through their strategies."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from sqlalchemy import delete, insert, select

from ostiary import errors
from ostiary.events import (
    CredentialsChanged,
    CredentialsCreated,
    CredentialsDeleted,
    SessionsEnded,
)
from ostiary.plugins import Strategies
from ostiary.services.access import end_sessions
from ostiary.services.changes import Changes, take_turn
from ostiary.services.events import Events
from ostiary.services.journal import Journal
from ostiary.services.knowledge import Knowledge
from ostiary.services.search.asking import Asked
from ostiary.services.users import Users
from ostiary.storage import Database, Store
from ostiary.storage.tables import user_strategies
from ostiary.strategies import Call, FoundCredentials, User

Approve = Callable[[Database], Awaitable[None]]

DOUBTFUL = (errors.PluginImplementationError, errors.PluginTimeoutError, errors.StoreUnavailable)
"""Where a hook ends with one of these, it may have written before."""


class Credentials:
    """What the core does around the hooks of a strategy.

    :param ends_sessions: a change of what opens an account ends the sessions of its user.
    """

    def __init__(
        self,
        store: Store,
        strategies: Strategies,
        users: Users,
        journal: Journal,
        changes: Changes,
        events: Events,
        clock: Callable[[], int],
        *,
        ends_sessions: bool = True,
    ) -> None:
        self._store, self._strategies, self._users = store, strategies, users
        self._journal, self._changes, self._clock = journal, changes, clock
        self._events, self._ends_sessions = events, ends_sessions

    async def held(self, strategy: str, kuid: str) -> bool:
        """Tell whether a user holds credentials."""
        await self._strategies.settle(strategy)
        self._strategies.find(strategy)
        found = await self._users.find_with_strategies(kuid)
        return found is not None and strategy in found[1]

    async def view(self, strategy: str, kuid: str) -> dict[str, Any]:
        """Return what may be seen of a user's credentials, and the kuid.

        :raises errors.NoCredentials: there are none.
        """
        seen = await self._strategies.get(strategy, kuid)
        if seen is None or not await self.held(strategy, kuid):
            raise errors.NoCredentials(kuid, strategy)
        return {**seen, "kuid": kuid}

    async def by_id(self, strategy: str, id: str) -> dict[str, Any]:
        """Return what may be seen of the credentials that an id of the strategy's own names.

        Nothing, if the strategy has no such ids; nor if their user is gone and they are not yet.
        """
        seen = await self._strategies.get_by_id(strategy, id)
        kuid = seen.get("kuid")
        if isinstance(kuid, str) and not await self.held(strategy, kuid):
            raise errors.NoCredentials(kuid, strategy)
        return seen

    async def search(
        self, strategy: str, asked: Asked, *, offset: int, limit: int
    ) -> FoundCredentials:
        """Return a page of credentials; those whose user does not hold them are left out."""
        found = await self._strategies.search(
            strategy, asked.filter, asked.orders, offset=offset, limit=limit
        )
        kuids = [hit["kuid"] for hit in found.hits]
        held = select(user_strategies.c.kuid).where(
            user_strategies.c.strategy == strategy, user_strategies.c.kuid.in_(kuids)
        )
        async with self._store.read() as db:
            holders = set((await db.execute(held)).scalars())
        hits = [dict(hit) for hit in found.hits if hit["kuid"] in holders]
        return FoundCredentials(hits, found.total - len(found.hits) + len(hits))

    async def validate(
        self,
        strategy: str,
        kuid: str | None,
        fields: Mapping[str, Any],
        call: Call,
        *,
        partial: bool = False,
    ) -> None:
        """Refuse credentials that could not be created; None is a user yet to come.

        :param partial: they would update existing ones, and may leave fields out.
        """
        await self._strategies.settle(strategy)
        self._strategies.find(strategy)
        found = await self._users.find(kuid) if kuid else None
        user = User(kuid=kuid or "") if found is None else found.shown()
        await self._strategies.validate(strategy, user, fields, call, partial=partial)

    async def create(
        self,
        strategy: str,
        kuid: str,
        fields: Mapping[str, Any],
        call: Call,
        *,
        approve: Approve | None = None,
        known: Knowledge | None = None,
        action: str | None = None,
    ) -> dict[str, Any]:
        """Give a user credentials, or further ones where the strategy has several.

        :param approve: refuses before anything is written, and again in the transaction that
            makes them the user's; nobody else changes anything of the user after it.
        :param known: refuse if more has changed of the user, and know of this change, too.
        :param action: see ``update``.
        :raises errors.CredentialsExist: there are some; they are never overwritten.
        """
        await self._strategies.settle(strategy)
        several = self._strategies.find(strategy).several
        user = await self._user(kuid)
        reserved = await self._journal.reserve_credentials(kuid, strategy, several=several)
        further = reserved.further
        try:
            await self._strategies.validate(strategy, user, fields, call)
            # What is written beside others cannot be erased alone: who is put out while plugins
            # talk with a provider must have nothing written any more.
            async with self._store.read() as db:
                await self._check_approved(db, kuid, approve, known)
            seen = await self._strategies.create(strategy, kuid, fields, call, further=further)
            async with self._store.begin() as db:
                await take_turn(db)
                await self._check_approved(db, kuid, approve, known)
                await self._changes.record(db, "user", kuid)
                if known is not None:
                    db.after_commit(partial(known.learn, kuid, await self._changes.last(db)))
                await self._journal.claim(db, reserved.operation)
                if not further:
                    row = {"kuid": kuid, "strategy": strategy, "created_at": self._clock()}
                    await db.execute(insert(user_strategies).values(row))
                told = CredentialsCreated(kuid=kuid, strategy=strategy, action=action)
                await self._events.record(db, told)
        except BaseException:
            await asyncio.shield(self._journal.abandon(reserved.operation))
            raise
        return {**seen, "kuid": kuid}

    async def update(
        self,
        strategy: str,
        kuid: str,
        fields: Mapping[str, Any],
        call: Call,
        *,
        keep: str | None = None,
        since: int | None = None,
        action: str | None = None,
    ) -> dict[str, Any]:
        """Change some fields of a user's credentials; what they opened before ends (ASVS 7.4.3).

        :param keep: the id of the session that asks, and goes on.
        :param since: the last change that the user's proof of who they are can know of.
        :param action: of the plugin, where it is a plugin's own that changes them.
        :raises errors.ActionLocked: the user has changed since, or their credentials.
        """
        await self._strategies.settle(strategy)
        declared = self._strategies.find(strategy)
        user = await self._user(kuid)
        if not await self.held(strategy, kuid):
            raise errors.NoCredentials(kuid, strategy)
        await self._strategies.validate(strategy, user, fields, call, partial=True)
        if since is not None:
            async with self._store.read() as db:
                await self._check_unchanged(db, kuid, since)
        replaces = not declared.opening.isdisjoint(fields)
        try:
            seen = await self._strategies.update(strategy, kuid, fields, call)
        except DOUBTFUL:
            await self._record(kuid, keep, None, ends=replaces)
            raise
        names = tuple(name for name in declared.field_names if name in fields)
        changed = CredentialsChanged(kuid=kuid, strategy=strategy, fields=names, action=action)
        await self._record(kuid, keep, changed, ends=replaces)
        return {**seen, "kuid": kuid}

    async def delete(
        self,
        strategy: str,
        kuid: str,
        *,
        keep: str | None = None,
        since: int | None = None,
        force: bool = False,
        action: str | None = None,
    ) -> None:
        """Take credentials off a user; what the strategy keeps of them is erased right after.

        :param keep: see ``update``, also for ``since`` and ``action``.
        :param force: also the last ones of a strategy that keeps those.
        :raises errors.NoCredentials: there are none.
        :raises errors.LastWayIn: nothing else would let the user in.
        """
        await self._strategies.settle(strategy)
        if kept := self._strategies.find(strategy).keeps_last and not force:
            await self._strategies.settle()
        held = (user_strategies.c.kuid == kuid) & (user_strategies.c.strategy == strategy)
        async with self._store.begin() as db:
            await take_turn(db)
            await self._check_unchanged(db, kuid, since)
            if kept:
                await self._check_another_way_in(db, kuid, strategy)
            await self._changes.record(db, "user", kuid)
            if (await db.execute(delete(user_strategies).where(held))).rowcount == 0:
                raise errors.NoCredentials(kuid, strategy)
            await self._journal.delete_one(db, kuid, strategy)
            told = CredentialsDeleted(kuid=kuid, strategy=strategy, action=action)
            await self._events.record(db, told)
            await self._end_sessions(db, kuid, keep)
        await self._journal.settle(kuid)

    async def _record(
        self, kuid: str, keep: str | None, told: CredentialsChanged | None, *, ends: bool
    ) -> None:
        """Tell every process of a change; logins under way by what was before come to nothing.

        :param ends: the sessions end, too.
        """
        async with self._store.begin() as db:
            await self._changes.record(db, "user", kuid)
            if told is not None:
                await self._events.record(db, told)
            if ends:
                await self._end_sessions(db, kuid, keep)

    async def _end_sessions(self, db: Database, kuid: str, keep: str | None) -> None:
        if self._ends_sessions and await end_sessions(db, kuid, but=keep):
            await self._events.record(db, SessionsEnded(kuid=kuid, kept=keep))

    async def _check_approved(
        self, db: Database, kuid: str, approve: Approve | None, known: Knowledge | None
    ) -> None:
        if approve is not None:
            await approve(db)
        await self._check_unchanged(db, kuid, None if known is None else known.of(kuid))

    async def _check_unchanged(self, db: Database, kuid: str, since: int | None) -> None:
        if since is not None and await self._changes.since(db, since, ("user", kuid)):
            raise errors.ActionLocked("change of credentials")

    async def _check_another_way_in(self, db: Database, kuid: str, strategy: str) -> None:
        """Refuse to take the last credentials of a user; a strategy that is missing lets nobody in.

        :raises errors.LastWayIn: they are.
        """
        held = select(user_strategies.c.strategy).where(user_strategies.c.kuid == kuid)
        names = set((await db.execute(held)).scalars())
        if strategy in names and not any(map(self._strategies.knows, names - {strategy})):
            raise errors.LastWayIn(kuid, strategy)

    async def _user(self, kuid: str) -> User:
        user = await self._users.find(kuid)
        if user is None:
            raise errors.UserNotFound(kuid)
        return user.shown()
