"""Profiles: which roles, within which restrictions, and how many requests a second."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import case, delete, func, insert, select, update

from ostiary import errors
from ostiary.events import ProfileChanged, ProfileDeleted
from ostiary.services.changes import Changes
from ostiary.services.definitions import (
    check_size,
    read_content,
    read_policies,
    read_rate_limit,
    restrictions,
)
from ostiary.services.events import Events
from ostiary.services.existence import first_missing, rows_with
from ostiary.services.grants import changing_rights, check_within, grants_of
from ostiary.services.history import changed_at, check_unchanged, history
from ostiary.services.kuid import check_id
from ostiary.services.places import check_places
from ostiary.services.rights import ANONYMOUS, BASE
from ostiary.services.roles import check_roles
from ostiary.services.values import erase_values, write_values
from ostiary.storage import Database, Store
from ostiary.storage.tables import profiles, user_profiles, users

if TYPE_CHECKING:
    from ostiary.services.accounts import Account

PROFILES = "profiles"
"""What the collection of profiles is called in searches and mappings."""

# Most users have one, and every sign-up asks for it.
FIND = "SELECT id FROM profiles WHERE id = ?"


class Profile(Struct, frozen=True):
    """A profile as stored; instants are milliseconds since the epoch.

    :param content: the members that are none of those below, tags among them.
    """

    id: str
    policies: Sequence[Mapping[str, Any]]
    rate_limit: int
    content: Mapping[str, Any]
    author: str | None
    created_at: int
    updater: str | None = None
    updated_at: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the profile as clients see it."""
        return {"_id": self.id, "_source": {**self.body(), "_kuzzle_info": history(self)}}

    def body(self) -> dict[str, Any]:
        """Return the members that a client writes."""
        return {**self.content, "policies": self.policies, "rateLimit": self.rate_limit}


class Profiles:
    """Reads and writes profiles.

    What is written is the body of a request: ``{"policies": …, "rateLimit": …}`` and any other
    members. ``by`` is the account of who writes: the profile may grant no more than that
    account holds (AZ-20), and tells its kuid. None is the system, which is not bounded.
    ``strict`` wants every index and collection of ``restrictedTo`` to be known. ``since`` is when
    what is written over was changed last, as who writes has read it. Every write is checked as
    the contract says (6.3), and effective when it returns.
    """

    def __init__(
        self, store: Store, changes: Changes, events: Events, clock: Callable[[], int]
    ) -> None:
        self._store, self._changes, self._clock = store, changes, clock
        self._events = events

    async def find(self, id: str) -> Profile | None:
        """Return a profile, or None."""
        return next(iter(await self.many([id])), None)

    async def many(self, ids: Sequence[str]) -> list[Profile]:
        """Return the profiles that exist among some ids, in their order."""
        async with self._store.read() as db:
            found = rows_with(db, select(profiles), profiles.c.id, ids)
            known = {row.id: Profile(**row._asdict()) async for row in found}
        return [known[id] for id in dict.fromkeys(ids) if id in known]

    async def check(self, ids: Iterable[str]) -> None:
        """Refuse ids that no profile has.

        :raises errors.ProfileNotFound: the first of them.
        """
        await check_known(self._store, ids)

    def read(self, id: str, body: Mapping[str, Any], by: Account | None) -> Profile:
        """Return what ``put`` would write, if its roles are there, without writing it."""
        return self._read(check_id(id), body, by)

    async def create(
        self, id: str, body: Mapping[str, Any], by: Account | None, *, strict: bool = False
    ) -> Profile:
        """Create a profile.

        :raises errors.DocumentExists: there is one of that id.
        """
        profile = self.read(id, body, by)
        async with changing_rights(self._store, self._changes) as db:
            if await find_profile(db, id) is not None:
                raise errors.DocumentExists
            await _write(db, profile, by, strict=strict)
            await self._events.record(db, ProfileChanged(id=id))
        return profile

    async def put(
        self,
        id: str,
        body: Mapping[str, Any],
        by: Account | None,
        *,
        strict: bool = False,
        since: int | None = None,
    ) -> Profile:
        """Create a profile, or replace whatever stands there."""
        profile = self.read(id, body, by)
        async with changing_rights(self._store, self._changes) as db:
            old = await find_profile(db, id)
            check_unchanged(id, old, since)
            await check_former(db, by, old)
            profile = replace(profile, created_at=changed_at(old, profile.created_at))
            await _write(db, profile, by, strict=strict)
            await self._events.record(db, ProfileChanged(id=id))
        return profile

    async def update(
        self,
        id: str,
        body: Mapping[str, Any],
        by: Account | None,
        *,
        strict: bool = False,
        since: int | None = None,
    ) -> Profile:
        """Change the members that are given; the others stay.

        :raises errors.ProfileNotFound: there is none of that id.
        """
        async with changing_rights(self._store, self._changes) as db:
            old = await find_profile(db, id)
            if old is None:
                raise errors.ProfileNotFound(id)
            check_unchanged(id, old, since)
            await check_former(db, by, old)
            new = self._read(id, {**old.body(), **body}, by)
            author, made, now = old.author, old.created_at, changed_at(old, self._clock())
            profile = replace(
                new, author=author, created_at=made, updater=new.author, updated_at=now
            )
            await _write(db, profile, by, strict=strict)
            await self._events.record(db, ProfileChanged(id=id))
        return profile

    async def delete(self, id: str, by: Account | None = None, *, take_off: bool = False) -> None:
        """Delete a profile.

        :param by: the account of who does; it may take nothing off others that it does not hold.
        :param take_off: take it off the users who hold it. Whom it leaves without any gets the
            profile ``anonymous``.
        :raises errors.ProfileInUse: a user holds it, and is to keep it.
        """
        if id in BASE:
            raise errors.ProfileNotDeletable
        async with changing_rights(self._store, self._changes) as db:
            profile = await find_profile(db, id)
            if profile is None:
                raise errors.ProfileNotFound(id)
            held = select(user_profiles.c.kuid).where(user_profiles.c.profile_id == id)
            if take_off:
                await check_former(db, by, profile)
                await _take_off(db, id, None if by is None else by.kuid, self._clock())
            elif await db.scalar(held.limit(1)) is not None:
                raise errors.ProfileInUse(id)
            await db.execute(delete(profiles).where(profiles.c.id == id))
            await erase_values(db, PROFILES, id)
            await self._events.record(db, ProfileDeleted(id=id))

    def _read(self, id: str, body: Mapping[str, Any], by: Account | None) -> Profile:
        policies, limit = read_policies(id, body), read_rate_limit(id, body)
        content = read_content(body, "policies", "rateLimit")
        check_size(id, policies, content)
        author = None if by is None else by.kuid
        return Profile(id, policies, limit, content, author=author, created_at=self._clock())


async def check_known(store: Store, ids: Iterable[str]) -> None:
    """Refuse ids that no profile has, as ``check_profiles`` does, outside of a transaction."""
    ids = tuple(ids)
    if len(ids) != 1:
        async with store.read() as db:
            await check_profiles(db, ids)
    elif await store.fetch(FIND, *ids) is None:
        raise errors.ProfileNotFound(*ids)


async def check_profiles(db: Database, ids: Iterable[str]) -> None:
    """Refuse ids that no profile has.

    :raises errors.ProfileNotFound: the first of them.
    """
    if (missing := await first_missing(db, profiles.c.id, ids)) is not None:
        raise errors.ProfileNotFound(missing)


async def check_named(db: Database, profile: Profile, *, strict: bool) -> None:
    """Refuse a profile that names what is not there.

    :raises errors.RoleNotFound: a role.
    """
    await check_roles(db, (policy["roleId"] for policy in profile.policies))
    if strict:
        await check_places(db, restrictions(profile.policies))


async def write_profile(db: Database, profile: Profile) -> None:
    """Write a profile over whatever stands there, without asking whether it may be."""
    await db.execute(delete(profiles).where(profiles.c.id == profile.id))
    row = {column.name: getattr(profile, column.name) for column in profiles.columns}
    await db.execute(insert(profiles).values(row))
    content = {"policies": profile.policies, **profile.content}
    await write_values(db, PROFILES, profile.id, content)


async def find_profile(db: Database, id: str) -> Profile | None:
    """Return a profile as it stands in the store, or None."""
    row = (await db.execute(select(profiles).where(profiles.c.id == id))).one_or_none()
    return None if row is None else Profile(**row._asdict())


async def check_former(db: Database, by: Account | None, profile: Profile | None) -> None:
    """Refuse to take from others what one does not hold: they would be within reach then."""
    if profile is not None:
        check_within(by, await grants_of(db, profile.policies), profile.id)


async def _write(db: Database, profile: Profile, by: Account | None, *, strict: bool) -> None:
    await check_named(db, profile, strict=strict)
    check_within(by, await grants_of(db, profile.policies), profile.id)
    await write_profile(db, profile)


async def _take_off(db: Database, id: str, updater: str | None, now: int) -> None:
    held = user_profiles.c.profile_id == id
    other = user_profiles.alias()
    others = select(other.c.kuid).where(
        other.c.kuid == user_profiles.c.kuid, other.c.profile_id != id
    )
    holders = select(user_profiles.c.kuid).where(held)
    changed = update(users).where(users.c.kuid.in_(holders))
    # As ``changed_at`` has it.
    last = func.coalesce(users.c.updated_at, users.c.created_at)
    at = case((last >= now, last + 1), else_=now)
    await db.execute(changed.values(updater=updater, updated_at=at))
    bare = update(user_profiles).where(held, ~others.correlate(user_profiles).exists())
    await db.execute(bare.values(profile_id=ANONYMOUS))
    await db.execute(delete(user_profiles).where(held))
