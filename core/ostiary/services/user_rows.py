"""Users as stored: their properties, their profiles, and the last administrator among them."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from sys import intern
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import delete, insert, select, update

from ostiary import errors
from ostiary.services.existence import rows_with
from ostiary.services.history import history
from ostiary.services.profiles import check_profiles
from ostiary.services.rights import ADMIN
from ostiary.services.values import write_new_values, write_values
from ostiary.storage import Database, Prepared
from ostiary.storage.tables import user_profiles, users
from ostiary.strategies import User

USERS = "users"
"""What the collection of users is called in searches and mappings."""

ENABLED, DISABLED = "enabled", "disabled"
"""The statuses of a user."""

COLUMNS = (
    "u.generation, u.status, u.author, u.created_at, u.updater, u.updated_at, u.content,"
    " p.position, p.profile_id, s.created_at, s.strategy"
)
JOINED = (
    "LEFT JOIN user_profiles p ON p.kuid = u.kuid LEFT JOIN user_strategies s ON s.kuid = u.kuid"
)
"""What is joined to a row ``u`` of ``users``: one statement, which every token costs that is not
remembered."""

FIND = f"SELECT {COLUMNS} FROM users u {JOINED} WHERE u.kuid = ?"  # noqa: S608 - of constants

INSERT, GIVE = Prepared(insert(users)), Prepared(insert(user_profiles))

LARGEST = 2**18
"""Bytes that the properties of a user may take, as JSON."""


class StoredUser(Struct, frozen=True):
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

    @classmethod
    def new(
        cls,
        kuid: str,
        profile_ids: tuple[str, ...],
        content: Mapping[str, Any],
        author: str,
        created_at: int,
    ) -> StoredUser:
        """Return a user whom nobody has changed yet; whatever an earlier one of the kuid had is void."""
        generation = secrets.token_hex(8)
        origin = author, created_at, None, None
        return cls(kuid, generation, ENABLED, profile_ids, content, *origin)

    @property
    def enabled(self) -> bool:
        """Whether the user may sign in and be signed in."""
        return self.status == ENABLED

    def shown(self) -> User:
        """Return the user as strategies see them."""
        return User(
            kuid=self.kuid,
            profile_ids=self.profile_ids,
            content=self.content,
            enabled=self.enabled,
            generation=self.generation,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the user as clients see them."""
        source: dict[str, Any] = {"profileIds": list(self.profile_ids), **self.content}
        if self.created_at is not None:
            source["_kuzzle_info"] = history(self)
            if not self.enabled:
                source["_kuzzle_info"]["status"] = self.status
        return {"_id": self.kuid, "_source": source}


async def read_users(db: Database, kuids: Iterable[str]) -> list[StoredUser]:
    """Return the users who exist among some kuids, in their order."""
    kuids = list(dict.fromkeys(kuids))
    held: dict[str, list[str]] = {}
    wanted = select(user_profiles).order_by(user_profiles.c.position)
    async for row in rows_with(db, wanted, user_profiles.c.kuid, kuids):
        held.setdefault(row.kuid, []).append(row.profile_id)
    known = {
        row.kuid: StoredUser(profile_ids=tuple(held.get(row.kuid, ())), **row._asdict())
        async for row in rows_with(db, select(users), users.c.kuid, kuids)
    }
    return [known[kuid] for kuid in kuids if kuid in known]


def from_joined(kuid: str, rows: Sequence[tuple[Any, ...]]) -> tuple[StoredUser, tuple[str, ...]]:
    """Return a user and the strategies they hold credentials of.

    :param rows: ``COLUMNS`` of a user and of what is ``JOINED``; a row for each profile with each strategy.
    """
    generation, status, author, created_at, updater, updated_at, content, *first = rows[0]
    ends = [first] if len(rows) == 1 else [row[-4:] for row in rows]
    profiles = {place: id for place, id, _, _ in ends if id is not None}
    strategies = {(at, name) for _, _, at, name in ends if name is not None}
    # What many users share is there once.
    user = StoredUser(
        kuid,
        generation,
        intern(status),
        tuple(intern(profiles[place]) for place in sorted(profiles)),
        json.loads(content),
        author and intern(author),
        created_at,
        updater and intern(updater),
        updated_at,
    )
    return user, tuple(intern(name) for _, name in sorted(strategies))


async def insert_user(db: Database, user: StoredUser) -> None:
    """Write a user who was not there.

    :raises errors.ProfileNotFound: a profile of theirs is not there.
    """
    await insert_users(db, [user])


async def insert_users(db: Database, new: Sequence[StoredUser]) -> None:
    """Write users none of whom was there.

    :raises errors.ProfileNotFound: a profile of theirs is not there.
    """
    await check_profiles(db, dict.fromkeys(id for user in new for id in user.profile_ids))
    await db.execute(INSERT, [_row(user) for user in new])
    await write_new_values(db, USERS, {user.kuid: user.content for user in new})
    await _give_profiles(db, *new)


async def overwrite_user(db: Database, old: StoredUser, new: StoredUser) -> None:
    """Write a user over their former self.

    :raises errors.ProfileNotFound: a profile of theirs is not there.
    :raises errors.LastAdministrator: nobody would hold the profile ``admin`` any more.
    """
    check_size(new.kuid, new.content)
    await db.execute(update(users).where(users.c.kuid == new.kuid).values(_row(new)))
    await write_values(db, USERS, new.kuid, new.content)
    if new.profile_ids == old.profile_ids:
        return
    await check_profiles(db, new.profile_ids)
    if ADMIN not in new.profile_ids:
        await keep_an_administrator(db, old)
    await db.execute(delete(user_profiles).where(user_profiles.c.kuid == new.kuid))
    await _give_profiles(db, new)


def check_size(kuid: str, content: Mapping[str, Any]) -> None:
    """Refuse properties that would make a user too large to be kept in memory."""
    if len(msgspec.json.encode(content)) > LARGEST:
        raise errors.UserTooLarge(kuid, LARGEST)


async def keep_an_administrator(db: Database, user: StoredUser) -> None:
    """Refuse to lose the only user who holds the profile ``admin``, and is let in (ADM-10)."""
    if ADMIN not in user.profile_ids:
        return
    other = select(users.c.kuid).join(user_profiles, user_profiles.c.kuid == users.c.kuid)
    other = other.where(user_profiles.c.profile_id == ADMIN, users.c.status == ENABLED)
    if await db.scalar(other.where(users.c.kuid != user.kuid).limit(1)) is None:
        raise errors.LastAdministrator(user.kuid)


async def administrator_exists(db: Database) -> bool:
    """Tell whether anybody holds the profile ``admin``, disabled or not."""
    holder = select(user_profiles.c.kuid).where(user_profiles.c.profile_id == ADMIN)
    return await db.scalar(holder.limit(1)) is not None


async def _give_profiles(db: Database, *holders: StoredUser) -> None:
    rows = [
        {"kuid": user.kuid, "position": position, "profile_id": id}
        for user in holders
        for position, id in enumerate(user.profile_ids)
    ]
    await db.execute(GIVE, rows)


def _row(user: StoredUser) -> dict[str, Any]:
    return {column.name: getattr(user, column.name) for column in users.columns}
