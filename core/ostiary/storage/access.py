"""How a role reaches a database of PostgreSQL: who it is, and how long it waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import unquote, urlsplit

import asyncpg
from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from ostiary.database_urls import alternatives
from ostiary.storage.hosts import Hosts, discard
from ostiary.storage.roles import Passwords
from ostiary.storage.store import StorageError

CONNECT_SECONDS = 2
POOL_SECONDS = 2
STATEMENT_SECONDS = 3
# The client gives up after the server should have.
COMMAND_SECONDS = 3.5

# What `provision` fixes for the roles of stores.
SESSION = {
    "statement_timeout": f"{STATEMENT_SECONDS}s",
    "lock_timeout": "2s",
    "idle_in_transaction_session_timeout": "10s",
}

# A name might be one that another client of the pooler has given to a statement.
UNPREPARED: dict[str, Any] = {
    "prepared_statement_cache_size": 0,
    "prepared_statement_name_func": str,
}


class Connection(asyncpg.Connection):  # type: ignore[misc]
    """A connection, and what is noted of it.

    :ivar era: when it was opened; see ``Access.era``.
    :ivar warnings: codes of what the server has warned of, which ``hear`` begins to note.
    """

    era = 0

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.warnings: list[str] = []

    def hear(self) -> None:
        """Note warnings from now on."""
        self.add_log_listener(self._note)

    def _note(self, _: object, message: Any) -> None:
        if message.severity_en == "WARNING":
            self.warnings.append(message.sqlstate)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """One role's way to one schema.

    :ivar role: None for the role that the URL names; a server's session is then set
        up at each connection.
    :ivar passwords: of roles; while the master key is replaced a role may have either of two.
    :ivar patient: wait for a statement as long as it takes.
    :ivar settings: of the session, for who is patient; no pooler takes them.
    :ivar era: a pool replaces connections that were opened in another one.
    """

    hosts: Hosts
    schema: str
    role: str | None
    passwords: Passwords | None = field(repr=False)
    prepared_statements: bool
    patient: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)
    era: Callable[[], int] = int

    @property
    def options(self) -> dict[str, Any]:
        """What asyncpg is told."""
        options: dict[str, Any] = {
            "timeout": CONNECT_SECONDS,
            "command_timeout": None if self.patient else COMMAND_SECONDS,
            "statement_cache_size": 256 if self.prepared_statements else 0,
            "connection_class": Connection,
            "server_settings": dict(self.settings) or None,
        }
        if self.role is not None:
            return options | {"user": self.role}
        if not self.patient:
            path = {"search_path": f'"{self.schema}", pg_temp'}
            options["server_settings"] = path | SESSION
        return options

    async def connect(self) -> Any:
        """Open a connection of asyncpg.

        Asyncpg takes it ill to be cancelled here, so it is let finish, for nobody.
        """
        era = self.era()
        opening = asyncio.ensure_future(self._open())
        try:
            connection = await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(discard)
            raise
        connection.era = era
        return connection

    async def _open(self) -> Any:
        if self.role is None or self.passwords is None:
            return await self.hosts.connect(**self.options)
        *others, last = self.passwords.candidates(self.role)
        for password in others:
            with suppress(asyncpg.InvalidPasswordError):
                return await self._enter(self.role, password)
        return await self._enter(self.role, last)

    async def _enter(self, role: str, password: str) -> Any:
        connection = await self.hosts.connect(**self.options, password=password)
        if self.passwords is not None:
            self.passwords.worked(role, password)
        return connection

    def pool(self, size: int) -> Any:
        """Return a pool of asyncpg, to be awaited."""
        return asyncpg.create_pool(
            connect=lambda *_, **__: self.connect(),
            min_size=0,
            max_size=size,
            # Only queries run here: there is nothing to reset, and no trip to pay for it.
            reset=_leave_as_is,
        )

    def engine(self, **pooling: Any) -> AsyncEngine:
        """Return an engine whose statements name the schema."""
        cache = {} if self.prepared_statements else UNPREPARED
        engine = create_async_engine(
            "postgresql+asyncpg://",
            connect_args={"async_creator_fn": self.connect, **cache},
            hide_parameters=True,
            **pooling,
        )
        event.listen(engine.sync_engine, "connect", _hear)
        event.listen(engine.sync_engine, "checkout", partial(_refuse_outdated, self.era))
        return engine.execution_options(schema_translate_map={None: self.schema})


def check_url(url: str, *, shared_role: bool, prepared_statements: bool) -> None:
    """Refuse a URL that does not fit the way the roles are used.

    :raises StorageError: it does not; the message holds no password.
    """
    database_of(url)
    if shared_role and not names_role(url):
        raise StorageError("database.isolation is shared-role: database.url must name the role")
    if not shared_role and names_role(url):
        raise StorageError(
            "database.url names a role, but each store logs in with its own: leave it out, "
            "or set database.isolation to shared-role"
        )
    if shared_role and not prepared_statements:
        # A pooler forgets which schema the one role wants.
        raise StorageError("shared-role does not work behind a pooler of transactions")


def database_of(url: str) -> str:
    """Return the name of the database that a URL leads to.

    :raises StorageError: it leads to none.
    """
    parts = urlsplit(alternatives(url)[0])
    if parts.scheme not in ("postgresql", "postgres") or not parts.path.strip("/"):
        raise StorageError("database.url must look like postgresql://host:port/database")
    return unquote(parts.path.strip("/"))


def names_role(url: str) -> bool:
    """Tell whether a URL names the role to log in with."""
    return urlsplit(alternatives(url)[0]).username is not None


async def _leave_as_is(_connection: object) -> None:
    pass


def _hear(adapted: Any, _record: object) -> None:
    adapted.driver_connection.hear()


def _refuse_outdated(era: Callable[[], int], adapted: Any, _record: object, _proxy: object) -> None:
    """Have a connection replaced that the server has closed, or may have; costs no trip."""
    connection = adapted.driver_connection
    if connection.is_closed() or connection.era != era():
        # Not closed with a farewell, which could wait for a server that is gone.
        connection.terminate()
        raise DisconnectionError
