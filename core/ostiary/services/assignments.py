"""Profiles that a strategy gives to who signs in, such as by the groups that a provider tells."""

from __future__ import annotations

import logging
from collections.abc import Callable

from msgspec.structs import replace

from ostiary import errors
from ostiary.events import UserProfilesChanged
from ostiary.services.changes import Changes, take_turn
from ostiary.services.events import Events
from ostiary.services.history import changed_at
from ostiary.services.user_rows import overwrite_user, read_users
from ostiary.storage import Store

logger = logging.getLogger(__name__)


class Assignments:
    """Gives users other profiles, unless what asks for it is outdated."""

    def __init__(
        self, store: Store, changes: Changes, events: Events, clock: Callable[[], int]
    ) -> None:
        self._store, self._changes, self._clock = store, changes, clock
        self._events = events

    async def assign(
        self, strategy: str, kuid: str, profile_ids: tuple[str, ...], since: int
    ) -> int | None:
        """Give a user the profiles that a strategy says.

        :param since: the last change that the strategy can know of.
        :returns: the number of this change; None if the user has changed meanwhile.
        :raises errors.LastAdministrator: nobody would hold the profile ``admin`` any more.
        :raises errors.PluginUnexpectedError: there is no such profile.
        """
        try:
            return await self._assign(strategy, kuid, profile_ids, since)
        except errors.ProfileNotFound as error:
            logger.error("strategy %s gave %r: %s", strategy, kuid, error)  # noqa: TRY400
            raise errors.PluginUnexpectedError(f"strategy {strategy} gave no profile") from None

    async def _assign(
        self, strategy: str, kuid: str, profile_ids: tuple[str, ...], since: int
    ) -> int | None:
        async with self._store.begin() as db:
            await take_turn(db)
            found = await read_users(db, [kuid])
            if not found or await self._changes.since(db, since, ("user", kuid)):
                return None
            await self._changes.record(db, "user", kuid)
            (old,) = found
            at = changed_at(old, self._clock())
            new = replace(old, profile_ids=profile_ids, updater=kuid, updated_at=at)
            await overwrite_user(db, old, new)
            told = UserProfilesChanged(kuid=kuid, profiles=profile_ids, strategy=strategy)
            await self._events.record(db, told)
            return await self._changes.last(db)
