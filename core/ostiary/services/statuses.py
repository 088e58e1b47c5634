"""Disabling users: who is disabled is let in by no door, and keeps everything else."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec.structs import replace

from ostiary import errors
from ostiary.events import UserDisabled, UserEnabled
from ostiary.services.access import end_sessions
from ostiary.services.changes import Changes
from ostiary.services.events import Events
from ostiary.services.grants import check_reach
from ostiary.services.history import changed_at
from ostiary.services.user_rows import (
    DISABLED,
    ENABLED,
    StoredUser,
    keep_an_administrator,
    overwrite_user,
    read_users,
)
from ostiary.storage import Store

if TYPE_CHECKING:
    from ostiary.services.accounts import Account


class Statuses:
    """Disables users and enables them again."""

    def __init__(
        self, store: Store, changes: Changes, events: Events, clock: Callable[[], int]
    ) -> None:
        self._store, self._changes, self._clock = store, changes, clock
        self._events = events

    async def disable(self, kuid: str, updater: str, *, by: Account | None = None) -> StoredUser:
        """End every session of a user, and refuse their credentials and API keys from now on.

        :raises errors.UserNotFound: there is no such user.
        :raises errors.LastAdministrator: no administrator would be left who is let in.
        """
        return await self._set(kuid, DISABLED, updater, by)

    async def enable(self, kuid: str, updater: str, *, by: Account | None = None) -> StoredUser:
        """Let a user in again: their credentials and API keys work as before, no old session does.

        :raises errors.UserNotFound: there is no such user.
        """
        return await self._set(kuid, ENABLED, updater, by)

    async def _set(self, kuid: str, status: str, updater: str, by: Account | None) -> StoredUser:
        async with self._store.begin() as db:
            await self._changes.record(db, "user", kuid)
            found = await read_users(db, [kuid])
            if not found:
                raise errors.UserNotFound(kuid)
            (old,) = found
            await check_reach(db, by, kuid, old.profile_ids)
            if status == DISABLED:
                await keep_an_administrator(db, old)
            at = changed_at(old, self._clock())
            new = replace(old, status=status, updater=updater, updated_at=at)
            await overwrite_user(db, old, new)
            # Also those that were being made while the user was disabled.
            await end_sessions(db, kuid)
            told = UserDisabled if status == DISABLED else UserEnabled
            await self._events.record(db, told(kuid=kuid))
        return new
