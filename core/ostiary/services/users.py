"""Users: who exists. How they sign in is for the strategies to know."""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace
from sqlalchemy import delete, insert, select

from ostiary import errors
from ostiary.events import UserChanged, UserCreated, UserDeleted, UserProfilesChanged
from ostiary.plugins import Strategies
from ostiary.services.access import end_access
from ostiary.services.changes import Changes
from ostiary.services.events import Events
from ostiary.services.grants import check_reach
from ostiary.services.history import changed_at, check_unchanged
from ostiary.services.journal import Journal
from ostiary.services.kuid import check_kuid, make_kuid
from ostiary.services.profiles import check_known
from ostiary.services.rights import ADMIN
from ostiary.services.user_rows import (
    FIND,
    USERS,
    StoredUser,
    administrator_exists,
    check_size,
    from_joined,
    insert_user,
    keep_an_administrator,
    overwrite_user,
    read_users,
)
from ostiary.services.values import erase_values
from ostiary.storage import Database, Prepared, Store
from ostiary.storage.tables import user_profiles, user_strategies, users
from ostiary.strategies import Call, User

if TYPE_CHECKING:
    from ostiary.services.accounts import Account

HOLD = Prepared(insert(user_strategies))

DRAWS = 20
"""How many kuids of words are drawn before one with a UUID is."""


class Users:
    """Creates, finds and deletes users, together with their credentials."""

    def __init__(
        self,
        store: Store,
        strategies: Strategies,
        journal: Journal,
        changes: Changes,
        events: Events,
        clock: Callable[[], int],
    ) -> None:
        self._store, self._strategies = store, strategies
        self._journal, self._changes, self._clock = journal, changes, clock
        self._events = events

    async def find(self, kuid: str) -> StoredUser | None:
        """Return a user, or None."""
        found = await self.find_with_strategies(kuid)
        return found and found[0]

    async def find_with_strategies(self, kuid: str) -> tuple[StoredUser, tuple[str, ...]] | None:
        """Return a user and the strategies they hold credentials of, or None."""
        rows = await self._store.fetch_all(FIND, kuid)
        return from_joined(kuid, rows) if rows else None

    async def many(self, kuids: Iterable[str]) -> list[StoredUser]:
        """Return the users who exist among some kuids, in their order."""
        async with self._store.read() as db:
            return await read_users(db, kuids)

    async def admin_exists(self) -> bool:
        """Tell whether anybody holds the profile ``admin``."""
        async with self._store.read() as db:
            return await administrator_exists(db)

    async def administrators(self) -> Sequence[str]:
        """Return the kuids of those who hold the profile ``admin``."""
        holders = select(user_profiles.c.kuid).where(user_profiles.c.profile_id == ADMIN)
        async with self._store.read() as db:
            return (await db.execute(holders.order_by(user_profiles.c.kuid))).scalars().all()

    async def create(
        self,
        call: Call,
        profile_ids: Sequence[str],
        content: Mapping[str, Any],
        credentials: Mapping[str, Mapping[str, Any]],
        *,
        kuid: str | None = None,
        form: str | None = None,
        first_admin: bool = False,
        approve: Callable[[str], Awaitable[None]] | None = None,
    ) -> StoredUser:
        """Create a user and their credentials of every strategy named, or nothing at all.

        :param kuid: taken as it is; None draws one, in the given ``form``.
        :param first_admin: succeed only while nobody holds the profile ``admin``.
        :param approve: asked with the kuid at the end; what it raises leaves nothing behind.
        :raises errors.UserAlreadyExists: the kuid is taken.
        """
        await check_known(self._store, profile_ids)
        for strategy in credentials:
            await self._strategies.settle(strategy)
            self._strategies.find(strategy)
        check_size(kuid or "-", content)
        user = User(kuid=kuid or "", profile_ids=tuple(profile_ids), content=content)
        operation, user = await self._reserve(user, list(credentials), form)
        try:
            for strategy, fields in credentials.items():
                await self._strategies.validate(strategy, user, fields, call)
            for strategy, fields in credentials.items():
                await self._strategies.create(strategy, user.kuid, fields, call)
            if approve is not None:
                await approve(user.kuid)
            return await self._insert(user, call.kuid, list(credentials), operation, first_admin)
        except BaseException:
            await asyncio.shield(self._journal.abandon(operation))
            raise

    async def update(
        self,
        kuid: str,
        content: Mapping[str, Any],
        updater: str,
        profile_ids: Sequence[str] | None = None,
        *,
        by: Account | None = None,
        remove: Collection[str] = (),
        since: int | None = None,
    ) -> StoredUser:
        """Merge some properties into a user's, and give them other profiles if any are named.

        :param by: whose account it is who gives them; None is not bounded.
        :param remove: the names of properties that the user has no more.
        :param since: when the user was changed last, as who changes them has read it.
        :raises errors.ChangedMeanwhile: it was at another time.
        :raises errors.TargetTooPowerful: the user may do more than who gives them.
        :raises errors.UserNotFound: there is no such user.
        :raises errors.ProfileNotFound: there is no such profile.
        :raises errors.LastAdministrator: nobody would hold the profile ``admin`` any more.
        """
        async with self._changing(kuid) as (db, old):
            check_unchanged(kuid, old, since)
            kept = {name: value for name, value in old.content.items() if name not in remove}
            new = replace(
                old,
                profile_ids=old.profile_ids if profile_ids is None else tuple(profile_ids),
                content={**kept, **content},
                updater=updater,
                updated_at=changed_at(old, self._clock()),
            )
            await _check_profiles(db, by, old, new)
            await self._overwrite(db, old, new)
        return new

    async def replace(
        self,
        kuid: str,
        content: Mapping[str, Any],
        author: str,
        profile_ids: Sequence[str],
        *,
        by: Account | None = None,
    ) -> StoredUser:
        """Give a user other properties and profiles, as if they had just been created.

        Their credentials and tokens stay. Raises what ``update`` does.
        """
        async with self._changing(kuid) as (db, old):
            now = self._clock()
            at = changed_at(old, now)
            new = replace(
                old,
                profile_ids=tuple(profile_ids),
                content=content,
                author=author,
                # Never yet to come: it is from then on that users see their sign-ins.
                created_at=now,
                updater=None,
                updated_at=None if at == now else at,
            )
            await _check_profiles(db, by, old, new)
            await self._overwrite(db, old, new)
        return new

    async def delete(self, kuid: str, *, by: Account | None = None) -> None:
        """Delete a user; access ends at once, the strategies erase their credentials after.

        :param by: whose account it is who deletes them; None is not bounded.
        :raises errors.TargetTooPowerful: the user may do more than who deletes them.
        :raises errors.UserNotFound: there is no such user.
        :raises errors.LastAdministrator: nobody else holds the profile ``admin``.
        """
        async with self._changing(kuid) as (db, old):
            await check_reach(db, by, kuid, old.profile_ids)
            await keep_an_administrator(db, old)
            await self._journal.delete_all(db, kuid)
            for table in (users, user_profiles, user_strategies):
                await db.execute(delete(table).where(table.c.kuid == kuid))
            await end_access(db, kuid)
            await erase_values(db, USERS, kuid)
            await self._events.record(db, UserDeleted(kuid=kuid))
        await self._journal.settle(kuid)

    @asynccontextmanager
    async def _changing(self, kuid: str) -> AsyncIterator[tuple[Database, StoredUser]]:
        """Change a user, in a transaction that every process hears of."""
        async with self._store.begin() as db:
            await self._changes.record(db, "user", kuid)
            found = await read_users(db, [kuid])
            if not found:
                raise errors.UserNotFound(kuid)
            yield db, found[0]

    async def _overwrite(self, db: Database, old: StoredUser, new: StoredUser) -> None:
        await overwrite_user(db, old, new)
        if new.content != old.content:
            await self._events.record(db, UserChanged(kuid=new.kuid))
        if new.profile_ids != old.profile_ids:
            told = UserProfilesChanged(kuid=new.kuid, profiles=new.profile_ids)
            await self._events.record(db, told)

    async def _reserve(
        self, user: User, strategies: list[str], form: str | None
    ) -> tuple[str, User]:
        if user.kuid:
            return await self._journal.reserve_user(check_kuid(user.kuid), strategies), user
        for draw in range(DRAWS + 1):
            kuid = make_kuid(form if draw < DRAWS else "uuid")
            try:
                operation = await self._journal.reserve_user(kuid, strategies)
            except errors.UserAlreadyExists:
                continue
            return operation, User(kuid=kuid, profile_ids=user.profile_ids, content=user.content)
        raise errors.UserAlreadyExists("-")

    async def _insert(
        self, user: User, author: str, strategies: list[str], operation: str, first_admin: bool
    ) -> StoredUser:
        now = self._clock()
        stored = StoredUser.new(user.kuid, user.profile_ids, user.content, author, now)
        held = [{"kuid": user.kuid, "strategy": one, "created_at": now} for one in strategies]
        told = UserCreated(kuid=user.kuid, profiles=user.profile_ids, strategies=tuple(strategies))

        async def write(db: Database) -> None:
            await self._changes.record(db, "user", user.kuid)
            if first_admin and await administrator_exists(db):
                raise errors.AdminExists
            await self._journal.claim(db, operation)
            await insert_user(db, stored)
            if held:
                await db.execute(HOLD, held)
            await self._events.record(db, told)

        await self._store.write(write)
        return stored


async def _check_profiles(
    db: Database, by: Account | None, old: StoredUser, new: StoredUser
) -> None:
    """Refuse to change what a user may do where the user may do more."""
    if set(new.profile_ids) != set(old.profile_ids):
        await check_reach(db, by, old.kuid, old.profile_ids)
