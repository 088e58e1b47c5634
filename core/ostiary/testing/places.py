"""Where stores for trials are made: on SQLite or PostgreSQL, fresh each time, and thrown away."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from ostiary import operations
from ostiary.startup import establish, opened
from ostiary.storage.store import CORE
from ostiary.testing.trial import Options

if TYPE_CHECKING:
    from ostiary.testing.postgresql import ThrowAwayPostgreSQL

COSTS = {
    # The cheapest hash that OWASP admits, and room for all who come at once.
    "security.hashing.timeCost": 5,
    "security.hashing.memoryCost": 7168,
    "security.hashing.queue": 1000,
    "server.maxRequestsInFlight": 1000,
    "limits.loginFailuresPerAccount": 100,
    "limits.loginFailuresPerAddress": 1000,
    "logging.level": "debug",
}
"""Settings of the server, for every trial."""


class Place(Protocol):
    """A database, or a folder of databases.

    :ivar name: of the database.
    """

    name: str

    async def fresh(self, plugin: str, settings: Mapping[str, Any]) -> Options:
        """Return where stores are that nobody has used, for a plugin with its settings."""


class SQLitePlace:
    """Stores in a folder of their own, which is thrown away at the end."""

    name = "SQLite"

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="ostiary-trial-"))
        self._made: dict[str, Path] = {}
        self._count = 0
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        shutil.rmtree(self._folder)

    async def fresh(self, plugin: str, settings: Mapping[str, Any]) -> Options:
        """Copy stores that were made once: running every revision anew would take long."""
        key = repr((plugin, settings))
        if key not in self._made:
            folder = self._next()
            async with opened(self._options(folder, plugin, settings).load()) as core:
                await establish(core)
            self._made[key] = folder
        folder = self._next()
        shutil.copytree(self._made[key], folder)
        return self._options(folder, plugin, settings)

    def _next(self) -> Path:
        self._count += 1
        return self._folder / str(self._count)

    def _options(self, folder: Path, plugin: str, settings: Mapping[str, Any]) -> Options:
        return Options({**_overrides(plugin, settings), "data.dir": str(folder)})


class PostgreSQLPlace:
    """Databases of a server of its own, which is thrown away at the end.

    :raises ostiary.testing.postgresql.PostgreSQLMissing: on entering, there is none here.
    """

    name = "PostgreSQL"

    def __enter__(self) -> Self:
        from ostiary.testing.postgresql import ThrowAwayPostgreSQL

        self._master = secrets.token_hex(32)
        self._made: dict[str, str] = {}
        self._closing = ExitStack()
        self._server: ThrowAwayPostgreSQL = self._closing.enter_context(ThrowAwayPostgreSQL())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing.close()

    async def fresh(self, plugin: str, settings: Mapping[str, Any]) -> Options:
        """Copy a database that was made once; the roles are the server's, and shared."""
        key = repr((plugin, settings))
        if key not in self._made:
            database = await self._server.create_database()
            made = self._options(database, plugin, settings)
            await self._provision(database, plugin)
            await operations.upgrade(made.load(), None)
            async with opened(made.load()) as core:
                await establish(core)
            self._made[key] = database
        database = f"trial_{secrets.token_hex(6)}"
        await self._server.run(f"CREATE DATABASE {database} TEMPLATE {self._made[key]}")
        await self._provision(database, plugin)
        return self._options(database, plugin, settings)

    async def _provision(self, database: str, plugin: str) -> None:
        from ostiary.keys import MasterKey
        from ostiary.storage.provision import provision

        master = MasterKey(bytes.fromhex(self._master))
        await provision(self._server.admin_url(), [CORE, plugin], master, database)

    def _options(self, database: str, plugin: str, settings: Mapping[str, Any]) -> Options:
        overrides = {**_overrides(plugin, settings), "database.url": self._server.url(database)}
        return Options(overrides, {"OSTIARY_MASTER_KEY": self._master})


def _overrides(plugin: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a server with one plugin."""
    own = {f"plugins.<name>.{plugin}.{key}": value for key, value in settings.items()}
    return {**COSTS, "plugins.allow": [plugin], **own}
