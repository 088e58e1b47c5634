"""The roles and profiles that every server begins with, and closing what ``--dev`` opened."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from ostiary.events import RightsRestricted
from ostiary.services.changes import Changes
from ostiary.services.events import Events
from ostiary.services.profiles import Profile, write_profile
from ostiary.services.rights import BASE, EVERYTHING, Controllers
from ostiary.services.roles import Role, write_role
from ostiary.storage import Database, Store
from ostiary.storage.tables import MODE, installation

INTRODUCED = "introduced"
"""The key of the row that is there when a server has told of the setup secret."""

OPEN, CLOSED = "open", "closed"


class Defaults:
    """Writes the base roles and profiles.

    :param roles: the restricted roles by id, each with its controllers.
    :param rate_limits: the requests a second of each restricted profile; 0 is no limit.
    """

    def __init__(
        self,
        store: Store,
        changes: Changes,
        events: Events,
        clock: Callable[[], int],
        roles: Mapping[str, Controllers],
        rate_limits: Mapping[str, int],
    ) -> None:
        self._store, self._changes, self._clock = store, changes, clock
        self._events = events
        self._roles, self._rate_limits = roles, rate_limits

    async def establish(self, *, opened: bool) -> bool:
        """Write the base roles and profiles into an empty store; tell whether it was empty."""
        mode = select(installation.c.value).where(installation.c.key == MODE)
        made = insert(installation).values(key=MODE, value=OPEN if opened else CLOSED)
        try:
            async with self._store.begin() as db:
                if await db.scalar(mode) is not None:
                    return False
                await db.execute(made)
                await self._write(db, opened=opened)
        except IntegrityError:
            return False  # Another machine was faster.
        return True

    async def introduce(self) -> bool:
        """Tell whether nobody was told yet how the first administrator is made; now they are.

        A command that opens a new store tells nobody: it is left to the first server.
        """
        try:
            async with self._store.begin() as db:
                await db.execute(insert(installation).values(key=INTRODUCED, value="yes"))
        except IntegrityError:
            return False
        return True

    async def is_open(self) -> bool:
        """Tell whether the store was made by ``--dev`` and has not been closed since."""
        mode = select(installation.c.value).where(installation.c.key == MODE)
        async with self._store.read() as db:
            return bool(await db.scalar(mode) == OPEN)

    async def restrict(self, *, close: bool = False) -> None:
        """Give the base roles and profiles their restricted rights.

        :param close: the store counts as made for production from now on.
        """
        async with self._store.begin() as db:
            await self._changes.record(db, "rights")
            await self._write(db, opened=False)
            await self._events.record(db, RightsRestricted())
            if close:
                mode = update(installation).where(installation.c.key == MODE)
                await db.execute(mode.values(value=CLOSED))

    async def reopen(self, db: Database) -> None:
        """Give them all rights, as ``--dev`` does; the store counts as made by it from now on."""
        await self._write(db, opened=True)
        mode = update(installation).where(installation.c.key == MODE)
        await db.execute(mode.values(value=OPEN))

    async def _write(self, db: Database, *, opened: bool) -> None:
        now = self._clock()
        for id in BASE:
            controllers = EVERYTHING if opened else self._roles[id]
            await write_role(db, Role(id, controllers, {}, author=None, created_at=now))
            limit = 0 if opened else self._rate_limits[id]
            policies = [{"roleId": id}]
            profile = Profile(id, policies, limit, {}, author=None, created_at=now)
            await write_profile(db, profile)
