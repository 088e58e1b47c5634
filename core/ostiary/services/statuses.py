"""Disabling users: who is disabled is let in by no door, and keeps everything else."""

from __future__ import annotations

import logging
from collections.abc import Callable

from sqlalchemy import update

from ostiary import errors
from ostiary.services.access import end_sessions
from ostiary.services.changes import Changes
from ostiary.services.users import DISABLED, ENABLED, keep_an_admin
from ostiary.storage import Store
from ostiary.storage.tables import users

logger = logging.getLogger(__name__)


class Statuses:
    """Disables users and enables them again."""

    def __init__(self, store: Store, changes: Changes, clock: Callable[[], int]) -> None:
        self._store, self._changes, self._clock = store, changes, clock

    async def disable(self, kuid: str, updater: str) -> None:
        """End every session of a user, and refuse their credentials and API keys from now on.

        :raises errors.UserNotFound: there is no such user.
        :raises errors.LastAdministrator: no administrator would be left who can sign in.
        """
        await self._set(kuid, DISABLED, updater)

    async def enable(self, kuid: str, updater: str) -> None:
        """Let a user in again: their credentials and API keys work as before, no old session does.

        :raises errors.UserNotFound: there is no such user.
        """
        await self._set(kuid, ENABLED, updater)

    async def _set(self, kuid: str, status: str, updater: str) -> None:
        change = update(users).where(users.c.kuid == kuid)
        change = change.values(status=status, updater=updater, updated_at=self._clock())
        async with self._store.begin() as db:
            await self._changes.record(db, "user", kuid)
            if status == DISABLED:
                await keep_an_admin(db, kuid, ())
            if (await db.execute(change)).rowcount == 0:
                raise errors.UserNotFound(kuid)
            # Also those that were being made while the user was disabled.
            await end_sessions(db, kuid)
        logger.info("user %r was %s by %r", kuid, status, updater)
