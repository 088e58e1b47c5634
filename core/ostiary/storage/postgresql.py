"""Stores on PostgreSQL: a schema, an owner and a login for each."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from asyncpg import ClientConfigurationError
from sqlalchemy import Connection, func, select, text
from sqlalchemy.pool import NullPool

from ostiary.clock import now
from ostiary.storage import roles
from ostiary.storage.access import Access, check_url, names_role
from ostiary.storage.clocks import check_clock
from ostiary.storage.hosts import Hosts
from ostiary.storage.index_builds import build
from ostiary.storage.installation import check_master_key
from ostiary.storage.leases import Leases
from ostiary.storage.listener import CHANNEL, Listener, ReadThrough
from ostiary.storage.postgresql_errors import FAULTS, describe, state
from ostiary.storage.postgresql_store import PostgreSQLStore, telling
from ostiary.storage.reach import Reach
from ostiary.storage.store import CORE, Database, Indexes, StorageError

if TYPE_CHECKING:
    from ostiary.hashing import Hasher
    from ostiary.keys import MasterKey
    from ostiary.sealing import Sealer

T = TypeVar("T")

log = logging.getLogger(__name__)

SHARED_ROLE = (
    "all stores share one role of the database (database.isolation is shared-role): "
    "whoever breaks into one of them reads the others"
)
REFUSED = ("28", "3D", "42501")
UNKNOWN = ("22023", "42704")
"""A parameter of the session has no such value, or there is none of that name."""


class PostgreSQL:
    """A database with a schema for each store.

    :param url: names one or several hosts and a database; a role and its password only when shared.
    :param passwords: of roles, by role; the others are derived from the master key.
    :param isolation: ``shared-role`` uses the role of ``url`` for everything.
    :param listen_url: where to listen when ``url`` leads to a pooler.
    :param migrator_url: where to change tables, and as whom if it names a role.
    :param replica_urls: where searches may be read; each leads to one replica, as ``url``
        leads to the primary.
    :param prepared_statements: off behind a pooler that gives each transaction
        another connection (PgBouncer).
    :param strict: ask for changes all the time, rather than be told.
    :param connections: of each store, for transactions, and as many for ``fetch``.
    """

    def __init__(
        self,
        url: str,
        *,
        master: MasterKey,
        passwords: Mapping[str, str] | None = None,
        isolation: Literal["roles", "shared-role"] = "roles",
        listen_url: str | None = None,
        migrator_url: str | None = None,
        replica_urls: Sequence[str] = (),
        prepared_statements: bool = True,
        strict: bool = False,
        connections: int = 5,
    ) -> None:
        self._shared = isolation == "shared-role"
        for one in (url, *replica_urls):
            check_url(one, shared_role=self._shared, prepared_statements=prepared_statements)
        self._hosts = Hosts(url)
        self._master = master
        self._passwords = roles.Passwords(master, passwords)
        self._listening = Hosts(listen_url) if listen_url else None
        if self._listening is None and prepared_statements:
            self._listening = self._hosts
        self._altered = Hosts(migrator_url) if migrator_url else self._hosts
        self._replicas = [Hosts(one, writes=False) for one in replica_urls]
        self._prepared = prepared_statements
        self._strict = strict
        self._connections = connections
        self._stores: list[PostgreSQLStore] = []
        self.warnings: tuple[str, ...] = (SHARED_ROLE,) if self._shared else ()
        self.presence = Leases(self._core)
        core = self._access(CORE, roles.login(CORE), self._hosts)
        self._reach = Reach(core.connect)

    async def open(self, name: str, *, hasher: Hasher, sealer: Sealer) -> PostgreSQLStore:
        """Open a store with its own login; see ``Backend``."""
        access = self._access(name, roles.login(name), self._hosts)
        (await _connected(name, access)).terminate()
        store = await PostgreSQLStore.open(
            name,
            access,
            self._reach,
            hasher=hasher,
            sealer=sealer,
            connections=self._connections,
            replicas=[self._access(name, roles.login(name), hosts) for hosts in self._replicas],
        )
        self._stores.append(store)
        if name == CORE:
            await check_clock(store, now)
            await check_master_key(store, self._master)
        return store

    async def close(self) -> None:
        """End the lease of this process and close every store that is still open."""
        await self.presence.leave()
        await self._reach.close()
        while self._stores:
            await self._stores.pop().close()

    async def revision(self, name: str) -> str | None:
        """Ask the store for its revision, with the login of the server."""
        access = self._access(name, roles.login(name), self._hosts)
        connection = await _connected(name, access)
        table = f'"{access.schema}".alembic_version'
        try:
            with telling(name):
                if await connection.fetchval("SELECT to_regclass($1)", table) is None:
                    await self._check_schema(connection, name)
                    return None
                query = f"SELECT version_num FROM {table}"  # noqa: S608 - of a checked name
                revision: str | None = await connection.fetchval(query)
        finally:
            connection.terminate()
        return revision

    async def look(self, name: str, sql: str) -> list[tuple[Any, ...]]:
        """Run a query with the login of the server."""
        access = self._access(name, roles.login(name), self._hosts)
        connection = await _connected(name, access)
        try:
            with telling(name):
                return [tuple(row) for row in await connection.fetch(sql)]
        finally:
            connection.terminate()

    async def size(self, name: str) -> int:
        """Add up the tables of the schema, their indexes included."""
        schema = roles.schema(name)
        sizes = (
            "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c "  # noqa: S608 - of a checked name
            f"JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = '{schema}' AND relkind = 'r'"
        )
        # Everybody may ask the catalogue, and a store that is gone has no login.
        return int((await self.look(CORE, sizes))[0][0])

    async def drop(self, name: str) -> None:
        """Drop the schema; the roles are an administrator's to drop."""
        schema = roles.schema(name)
        access = replace(self._access(name, roles.MIGRATOR, self._altered), patient=True)
        connection = await _connected(name, access)
        try:
            with telling(name):
                if await connection.fetchval("SELECT to_regnamespace($1)", f'"{schema}"'):
                    await self.alter(name, lambda it: _run(it, f'DROP SCHEMA "{schema}" CASCADE'))
        finally:
            connection.terminate()

    async def alter(self, name: str, work: Callable[[Connection], T]) -> T:
        """Run ``work`` as the owner of the tables; see ``Backend``."""
        access = replace(self._access(name, roles.MIGRATOR, self._altered), patient=True)
        (await _connected(name, access)).terminate()
        engine = access.engine(poolclass=NullPool)
        try:
            async with engine.begin() as connection:
                return await connection.run_sync(self._alter, name, work)
        finally:
            await engine.dispose()

    async def build(self, name: str, indexes: Indexes) -> None:
        """Build indexes as the owner of the tables, and lock nobody out; see ``Backend``."""
        access = replace(self._access(name, roles.MIGRATOR, self._altered), patient=True)
        settings = {"statement_timeout": "0", "lock_timeout": "0"}
        if access.role is not None:
            settings["role"] = roles.owner(name)
        try:
            connection = await replace(access, settings=settings).connect()
        except FAULTS as fault:
            # A pooler takes no settings, and what is set later would be another's as well.
            log.warning(
                "the store %s: indexes are built while its tables are locked, for here it cannot "
                "be done before (%s)", name, describe(fault),
            )  # fmt: skip
            return
        try:
            with telling(name):
                await build(connection, access.schema, indexes)
        finally:
            connection.terminate()

    def backup(self, _name: str, _revision: str, /) -> str | None:
        """Do nothing: backups of the database are the operator's."""
        return None

    async def watch(self, name: str) -> Listener | ReadThrough:
        """Listen, if there is a way to and it is wanted; else there is always something to look for."""
        if self._strict or self._listening is None:
            return ReadThrough()
        return Listener(self._access(name, roles.login(name), self._listening).connect)

    async def announce(self, db: Database) -> None:
        """Notify those who listen, once this transaction is committed."""
        await db.execute(select(func.pg_notify(CHANNEL, "")))

    def _core(self) -> PostgreSQLStore:
        for store in self._stores:
            if store.name == CORE:
                return store
        raise RuntimeError("the core's store is not open")

    def _access(self, name: str, role: str, hosts: Hosts) -> Access:
        of_url = self._shared or names_role(hosts.url)
        return Access(
            hosts=hosts,
            schema=roles.schema(name),
            role=None if of_url else role,
            passwords=None if of_url else self._passwords,
            prepared_statements=self._prepared,
            era=lambda: self._reach.era,
        )

    async def _check_schema(self, connection: Any, name: str) -> None:
        """Roles are there for every database, so that one that was never provisioned lets them in.

        One role for all makes the schemas itself.
        """
        schema = f'"{roles.schema(name)}"'
        if not self._shared and not await connection.fetchval("SELECT to_regnamespace($1)", schema):
            raise StorageError(
                f"the store {name}: the database has no schema {schema}; run `ostiary db provision`"
            )

    def _alter(self, connection: Connection, name: str, work: Callable[[Connection], T]) -> T:
        """Do the work as the owner of the store, in its schema."""
        schema = roles.schema(name)
        # Everything is for this transaction only: a pooler may stand before the database.
        _run(connection, "SET LOCAL statement_timeout = 0", "SET LOCAL lock_timeout = '120s'")
        lock = text("SELECT pg_advisory_xact_lock(hashtextextended(:schema, 0))")
        connection.execute(lock, {"schema": schema})
        # Running servers would wait behind a lock that is waited for.
        _run(connection, "SET LOCAL lock_timeout = '10s'")
        if self._shared:
            _run(connection, f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
        else:
            _run(connection, f'SET LOCAL ROLE "{roles.owner(name)}"')
        _run(connection, f'SET LOCAL search_path = "{schema}"')
        connection.dialect.default_schema_name = schema
        result = work(connection)
        if not self._shared:
            _protect_revision(connection, schema, roles.login(name))
        return result


def _run(connection: Connection, *statements: str) -> None:
    for statement in statements:
        connection.exec_driver_sql(statement)


def _protect_revision(connection: Connection, schema: str, login: str) -> None:
    """Let the running server read its revision, and not change it."""
    table = f'"{schema}".alembic_version'
    if connection.scalar(select(func.to_regclass(table))) is not None:
        _run(connection, f'REVOKE INSERT, UPDATE, DELETE ON {table} FROM "{login}"')


async def _connected(name: str, access: Access) -> Any:
    """Open a connection, and say what to do if the role is not known."""
    try:
        return await access.connect()
    except FAULTS as fault:
        if state(fault).startswith(REFUSED):
            raise StorageError(
                f"the store {name}: the database refuses the role {access.role or 'of the URL'} "
                f"({describe(fault)}); run `ostiary db provision` with the same master key"
            ) from None
        if isinstance(fault, ClientConfigurationError) or state(fault).startswith(UNKNOWN):
            raise StorageError(
                f"the store {name}: what stands behind `?` in the URL of the database is not known "
                f"to the driver or the database ({describe(fault)})"
            ) from None
        raise StorageError(
            f"the store {name}: the database cannot be reached ({describe(fault)})"
        ) from None
