"""The credentials of users who exist: made, changed and erased through their strategies."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sqlalchemy import delete, insert, select

from ostiary import errors
from ostiary.events import CredentialsChanged, CredentialsCreated, CredentialsDeleted
from ostiary.plugins import Strategies
from ostiary.services.changes import Changes
from ostiary.services.events import Events
from ostiary.services.journal import Journal
from ostiary.services.search.asking import Asked
from ostiary.services.users import Users
from ostiary.storage import Store
from ostiary.storage.tables import user_strategies
from ostiary.strategies import Call, CredentialField, FoundCredentials, User


class Credentials:
    """What the core does around the hooks of a strategy."""

    def __init__(
        self,
        store: Store,
        strategies: Strategies,
        users: Users,
        journal: Journal,
        changes: Changes,
        events: Events,
        clock: Callable[[], int],
    ) -> None:
        self._store, self._strategies, self._users = store, strategies, users
        self._journal, self._changes, self._clock = journal, changes, clock
        self._events = events

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
        self, strategy: str, kuid: str | None, fields: Mapping[str, Any], call: Call
    ) -> None:
        """Refuse credentials that could not be created; None is a user yet to come."""
        await self._strategies.settle(strategy)
        self._strategies.find(strategy)
        found = await self._users.find(kuid) if kuid else None
        user = User(kuid=kuid or "") if found is None else found.shown()
        await self._strategies.validate(strategy, user, fields, call)

    async def create(
        self, strategy: str, kuid: str, fields: Mapping[str, Any], call: Call
    ) -> dict[str, Any]:
        """Give a user credentials.

        :raises errors.CredentialsExist: there are some; they are never overwritten.
        """
        await self._strategies.settle(strategy)
        self._strategies.find(strategy)
        user = await self._user(kuid)
        operation = await self._journal.reserve_credentials(kuid, strategy)
        try:
            await self._strategies.validate(strategy, user, fields, call)
            seen = await self._strategies.create(strategy, kuid, fields, call)
            async with self._store.begin() as db:
                await self._changes.record(db, "user", kuid)
                await self._journal.claim(db, operation)
                row = {"kuid": kuid, "strategy": strategy, "created_at": self._clock()}
                await db.execute(insert(user_strategies).values(row))
                await self._events.record(db, CredentialsCreated(kuid=kuid, strategy=strategy))
        except BaseException:
            await asyncio.shield(self._journal.abandon(operation))
            raise
        return {**seen, "kuid": kuid}

    async def update(
        self, strategy: str, kuid: str, fields: Mapping[str, Any], call: Call
    ) -> dict[str, Any]:
        """Change some fields of a user's credentials."""
        await self._strategies.settle(strategy)
        known = self._strategies.find(strategy).field_names
        user = await self._user(kuid)
        if not await self.held(strategy, kuid):
            raise errors.NoCredentials(kuid, strategy)
        await self._strategies.validate(strategy, user, fields, call, partial=True)
        seen = await self._strategies.update(strategy, kuid, fields, call)
        changed = CredentialsChanged(kuid=kuid, strategy=strategy, fields=_named(known, fields))
        async with self._store.begin() as db:
            await self._changes.record(db, "user", kuid)
            await self._events.record(db, changed)
        return {**seen, "kuid": kuid}

    async def delete(self, strategy: str, kuid: str) -> None:
        """Take credentials off a user; what the strategy keeps of them is erased right after.

        :raises errors.NoCredentials: there are none.
        """
        await self._strategies.settle(strategy)
        self._strategies.find(strategy)
        held = (user_strategies.c.kuid == kuid) & (user_strategies.c.strategy == strategy)
        async with self._store.begin() as db:
            await self._changes.record(db, "user", kuid)
            if (await db.execute(delete(user_strategies).where(held))).rowcount == 0:
                raise errors.NoCredentials(kuid, strategy)
            await self._journal.delete_one(db, kuid, strategy)
            await self._events.record(db, CredentialsDeleted(kuid=kuid, strategy=strategy))
        await self._journal.settle(kuid)

    async def _user(self, kuid: str) -> User:
        user = await self._users.find(kuid)
        if user is None:
            raise errors.UserNotFound(kuid)
        return user.shown()


def _named(known: Iterable[CredentialField | str], given: Mapping[str, Any]) -> tuple[str, ...]:
    """Return which fields of a strategy are given; any other name may be a secret, misplaced."""
    names = (one if isinstance(one, str) else one.name for one in known)
    return tuple(name for name in names if name in given)
