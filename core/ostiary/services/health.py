"""Whether what the server depends on works, and what it is."""

from __future__ import annotations

from typing import Literal

from sqlalchemy import func, select

from ostiary import errors
from ostiary.storage import Store

DatabaseName = Literal["sqlite", "postgresql"]

GREEN, RED = "green", "red"
STORAGE = "storageEngine"
WITHIN = ("internalCache", "memoryStorage")
"""What Kuzzle keeps in a service of its own, and this server in its memory: they answer if it does."""

VERSIONS = {
    "sqlite": select(func.sqlite_version()),
    "postgresql": select(func.current_setting("server_version")),
}


class Health:
    """Asks the database that holds the core's store."""

    def __init__(self, store: Store, database: DatabaseName) -> None:
        self._store, self.database = store, database

    async def services(self) -> dict[str, str]:
        """Return ``green`` or ``red`` for each service that clients of Kuzzle know."""
        try:
            await self.version()
        except errors.StoreUnavailable:
            storage = RED
        else:
            storage = GREEN
        return {**dict.fromkeys(WITHIN, GREEN), STORAGE: storage}

    async def version(self) -> str:
        """Return the version of the database.

        :raises errors.StoreUnavailable: it does not answer.
        """
        async with self._store.read() as db:
            return str(await db.scalar(VERSIONS[self.database]))
