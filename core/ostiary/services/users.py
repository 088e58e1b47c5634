"""Users: who exists. How they sign in is for the strategies to know."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import delete, insert, select, update

from ostiary import errors
from ostiary.plugins import Strategies
from ostiary.services.access import end_access
from ostiary.services.changes import Changes
from ostiary.services.history import history
from ostiary.services.journal import Journal
from ostiary.services.kuid import check_id, make_kuid
from ostiary.services.profiles import Profiles
from ostiary.services.roles import ADMIN
from ostiary.services.values import erase_values, write_values
from ostiary.storage import Database, Store
from ostiary.storage.tables import user_profiles, user_strategies, users
from ostiary.strategies import Call, User

logger = logging.getLogger(__name__)

USERS = "users"
"""What the collection of users is called in searches and mappings."""

LARGEST = 2**18
"""Bytes that the properties of a user may take, as JSON."""

DRAWS = 20
"""How many kuids of words are drawn before one with a UUID is."""

ENABLED, DISABLED = "enabled", "disabled"
"""The statuses of a user."""


@dataclass(frozen=True, slots=True)
class StoredUser:
    """A user as stored; instants are milliseconds since the epoch."""

    kuid: str
    generation: str
    status: str
    profile_ids: tuple[str, ...]
    content: Mapping[str, Any]
    author: str | None
    created_at: int | None
    updater: str | None
    updated_at: int | None

    @property
    def enabled(self) -> bool:
        """Whether the user may sign in and be signed in."""
        return self.status == ENABLED

    def shown(self) -> User:
        """Return the user as strategies see them."""
        return User(kuid=self.kuid, profile_ids=self.profile_ids, content=self.content)

    def to_json(self) -> dict[str, Any]:
        """Return the user as clients see them."""
        source: dict[str, Any] = {"profileIds": list(self.profile_ids), **self.content}
        if self.created_at is not None:
            source["_kuzzle_info"] = history(self)
            if not self.enabled:
                source["_kuzzle_info"]["status"] = self.status
        return {"_id": self.kuid, "_source": source}


class Users:
    """Creates, finds and deletes users, together with their credentials."""

    def __init__(
        self,
        store: Store,
        profiles: Profiles,
        strategies: Strategies,
        journal: Journal,
        changes: Changes,
        clock: Callable[[], int],
    ) -> None:
        self._store, self._profiles, self._strategies = store, profiles, strategies
        self._journal, self._changes, self._clock = journal, changes, clock

    async def find(self, kuid: str) -> StoredUser | None:
        """Return a user, or None."""
        found = await self.find_with_strategies(kuid)
        return found and found[0]

    async def find_with_strategies(self, kuid: str) -> tuple[StoredUser, tuple[str, ...]] | None:
        """Return a user and the strategies they hold credentials of, or None."""
        async with self._store.read() as db:
            row = (await db.execute(select(users).where(users.c.kuid == kuid))).one_or_none()
            if row is None:
                return None
            profile_ids = await db.execute(
                select(user_profiles.c.profile_id)
                .where(user_profiles.c.kuid == kuid)
                .order_by(user_profiles.c.position)
            )
            strategies = await db.execute(
                select(user_strategies.c.strategy)
                .where(user_strategies.c.kuid == kuid)
                .order_by(user_strategies.c.created_at, user_strategies.c.strategy)
            )
            user = StoredUser(profile_ids=tuple(profile_ids.scalars()), **row._asdict())
            return user, tuple(strategies.scalars())

    async def admin_exists(self) -> bool:
        """Tell whether anybody holds the profile ``admin``."""
        async with self._store.read() as db:
            return await _admin_exists(db)

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
    ) -> StoredUser:
        """Create a user and their credentials of every strategy named, or nothing at all.

        :param kuid: taken as it is; None draws one, in the given ``form``.
        :param first_admin: succeed only while nobody holds the profile ``admin``.
        :raises errors.UserAlreadyExists: the kuid is taken.
        """
        if unknown := await self._profiles.missing(profile_ids):
            raise errors.ProfileNotFound(unknown)
        for strategy in credentials:
            self._strategies.find(strategy)
        _bounded(kuid or "-", content)
        user = User(kuid=kuid or "", profile_ids=tuple(profile_ids), content=content)
        operation, user = await self._reserve(user, list(credentials), form)
        try:
            for strategy, fields in credentials.items():
                await self._strategies.validate(strategy, user, fields, call)
            for strategy, fields in credentials.items():
                await self._strategies.create(strategy, user.kuid, fields, call)
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
    ) -> StoredUser:
        """Merge some properties into a user's, and give them other profiles if any are named.

        :raises errors.UserNotFound: there is no such user.
        :raises errors.LastAdministrator: nobody would hold the profile ``admin`` any more.
        """
        if profile_ids is not None and (unknown := await self._profiles.missing(profile_ids)):
            raise errors.ProfileNotFound(unknown)
        async with self._store.begin() as db:
            await self._changes.record(db, "user", kuid)
            this = users.c.kuid == kuid
            old = await db.scalar(select(users.c.content).where(this))
            if old is None:
                raise errors.UserNotFound(kuid)
            merged = _bounded(kuid, {**old, **content})
            change = update(users).where(this).values(content=merged, updater=updater)
            await db.execute(change.values(updated_at=self._clock()))
            await write_values(db, USERS, kuid, merged)
            if profile_ids is not None:
                await keep_an_admin(db, kuid, profile_ids)
                await db.execute(delete(user_profiles).where(user_profiles.c.kuid == kuid))
                await _give_profiles(db, kuid, profile_ids)
        user = await self.find(kuid)
        if user is None:
            raise errors.UserNotFound(kuid)
        return user

    async def delete(self, kuid: str) -> None:
        """Delete a user; access ends at once, the strategies erase their credentials after.

        :raises errors.UserNotFound: there is no such user.
        :raises errors.LastAdministrator: nobody else holds the profile ``admin``.
        """
        async with self._store.begin() as db:
            await self._changes.record(db, "user", kuid)
            await keep_an_admin(db, kuid, ())
            if (await db.execute(delete(users).where(users.c.kuid == kuid))).rowcount == 0:
                raise errors.UserNotFound(kuid)
            await self._journal.delete_all(db, kuid)
            for table in (user_profiles, user_strategies):
                await db.execute(delete(table).where(table.c.kuid == kuid))
            await end_access(db, kuid)
            await erase_values(db, USERS, kuid)
        logger.info("user %r was deleted", kuid)
        await self._journal.settle(kuid)

    async def _reserve(
        self, user: User, strategies: list[str], form: str | None
    ) -> tuple[str, User]:
        if user.kuid:
            return await self._journal.reserve_user(check_id(user.kuid), strategies), user
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
        stored = StoredUser(
            kuid=user.kuid,
            generation=secrets.token_hex(8),
            status=ENABLED,
            profile_ids=user.profile_ids,
            content=user.content,
            author=author,
            created_at=now,
            updater=None,
            updated_at=None,
        )
        async with self._store.begin() as db:
            await self._changes.record(db, "user", user.kuid)
            if first_admin and await _admin_exists(db):
                raise errors.AdminExists
            await self._journal.claim(db, operation)
            row = {column.name: getattr(stored, column.name) for column in users.columns}
            await db.execute(insert(users).values(row))
            await write_values(db, USERS, user.kuid, user.content, new=True)
            await _give_profiles(db, user.kuid, user.profile_ids)
            for strategy in strategies:
                held = {"kuid": user.kuid, "strategy": strategy, "created_at": now}
                await db.execute(insert(user_strategies).values(held))
        logger.info("user %r was created by %r", user.kuid, author)
        return stored


def _bounded(kuid: str, content: Mapping[str, Any]) -> Mapping[str, Any]:
    """Refuse properties that would make a user too large to be kept in memory."""
    if len(msgspec.json.encode(content)) > LARGEST:
        raise errors.UserTooLarge(kuid, LARGEST)
    return content


async def _give_profiles(db: Database, kuid: str, profile_ids: Sequence[str]) -> None:
    for position, id in enumerate(profile_ids):
        row = {"kuid": kuid, "position": position, "profile_id": id}
        await db.execute(insert(user_profiles).values(row))


async def keep_an_admin(db: Database, kuid: str, profile_ids: Sequence[str]) -> None:
    """Refuse to take the profile ``admin`` off the only user who holds it and can use it (ADM-10).

    :param profile_ids: those that the user is to have.
    """
    held = select(user_profiles.c.profile_id).where(user_profiles.c.kuid == kuid)
    if ADMIN in profile_ids or ADMIN not in (await db.execute(held)).scalars().all():
        return
    holder = select(users.c.kuid).join(user_profiles, user_profiles.c.kuid == users.c.kuid)
    holder = holder.where(user_profiles.c.profile_id == ADMIN, users.c.status == ENABLED)
    if await db.scalar(holder.where(users.c.kuid != kuid).limit(1)) is None:
        raise errors.LastAdministrator(kuid)


async def _admin_exists(db: Database) -> bool:
    holder = select(user_profiles.c.kuid).where(user_profiles.c.profile_id == ADMIN)
    return await db.scalar(holder.limit(1)) is not None
