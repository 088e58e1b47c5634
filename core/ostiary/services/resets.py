"""Emptying the stores, for the tests of an application: on a server that runs with ``--dev``."""

from __future__ import annotations

import logging

from sqlalchemy import Table, delete, func, select

from ostiary import errors
from ostiary.events import SecurityReset
from ostiary.services.changes import EVERY, Changes
from ostiary.services.defaults import Defaults
from ostiary.services.events import Events
from ostiary.services.journal import Journal
from ostiary.services.locks import Locks
from ostiary.services.rights import BASE
from ostiary.storage import Database, Store
from ostiary.storage.tables import (
    api_keys,
    places,
    profiles,
    roles,
    scrolls,
    search_values,
    tokens,
    user_profiles,
    user_strategies,
    users,
)

logger = logging.getLogger(__name__)

OF_USERS = (user_profiles, user_strategies, tokens, api_keys, search_values, scrolls)


class Resets:
    """Deletes everybody and everything; one process at a time.

    :param allowed: the server runs with ``--dev``.
    """

    def __init__(
        self,
        store: Store,
        changes: Changes,
        events: Events,
        journal: Journal,
        defaults: Defaults,
        locks: Locks,
        *,
        allowed: bool,
    ) -> None:
        self._store, self._changes, self._journal = store, changes, journal
        self._events = events
        self._defaults, self._locks, self._allowed = defaults, locks, allowed

    async def security(self) -> dict[str, int]:
        """Delete all users, profiles and roles; return how many, without the base ones.

        The base roles and profiles have all rights again, as on a new server of ``--dev``.

        :raises errors.DevOnly: the server does not run with ``--dev``.
        :raises errors.ActionLocked: this is being done already.
        """
        self._check()
        async with self._locks.hold("resetSecurity"):
            async with self._store.begin() as db:
                await self._changes.record(db, "rights")
                await self._changes.record(db, "token", EVERY)
                await self._journal.delete_everybody(db)
                deleted = {
                    "deletedUsers": await _empty(db, users),
                    "deletedProfiles": await _empty(db, profiles),
                    "deletedRoles": await _empty(db, roles),
                }
                for table in OF_USERS:
                    await db.execute(delete(table))
                await self._defaults.reopen(db)
                await self._events.record(db, SecurityReset())
            logger.warning("all users, profiles and roles were deleted")
            # Names of accounts are free again when this is answered.
            await self._journal.sweep()
        return deleted

    async def database(self) -> None:
        """Forget the indexes and collections that were declared.

        :raises errors.DevOnly: the server does not run with ``--dev``.
        :raises errors.ActionLocked: this is being done already.
        """
        self._check()
        async with self._locks.hold("resetDatabase"), self._store.begin() as db:
            await db.execute(delete(places))

    def _check(self) -> None:
        if not self._allowed:
            raise errors.DevOnly


async def _empty(db: Database, table: Table) -> int:
    """Delete all rows of a table, and count those that are none of the base ones."""
    counted = select(func.count()).select_from(table)
    if table is not users:
        counted = counted.where(table.c.id.not_in(BASE))
    number: int = await db.scalar(counted)
    await db.execute(delete(table))
    return number
