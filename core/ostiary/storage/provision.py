"""The schemas and roles of stores on PostgreSQL, made by an administrator of the database.

The server never gets the administrator's login. Ostiary wants a database of its
own: nobody else keeps a right in it.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import asyncpg

from ostiary.storage import roles
from ostiary.storage.access import SESSION
from ostiary.storage.store import StorageError

if TYPE_CHECKING:
    from ostiary.keys import MasterKey

CONNECTIONS = 64
"""How many connections the login of one store may have, from all processes together, unless told."""

MIGRATIONS = 8

LOCK = 0x6F73_7469_6172_7900

ROLE = """
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN
    CREATE ROLE "{role}";
  ELSIF EXISTS (
    SELECT FROM pg_roles
    WHERE rolname = '{role}' AND (rolsuper OR rolbypassrls OR rolreplication)
  ) THEN
    RAISE EXCEPTION 'the role {role} exists and may do everything: drop it first';
  END IF;
END $$
"""

# An administrator who is not a superuser must be a member of the owner to give it anything.
JOIN = """
DO $$ BEGIN
  IF NOT pg_has_role(current_user, '{owner}', 'MEMBER') THEN
    GRANT "{owner}" TO CURRENT_USER;
  END IF;
END $$
"""

NO_MEMBER = """
DO $$ DECLARE held text; BEGIN
  FOR held IN
    SELECT roleid::regrole::text FROM pg_auth_members WHERE member = '{role}'::regrole
  LOOP
    EXECUTE format('REVOKE %s FROM "{role}"', held);
  END LOOP;
END $$
"""

# Privileges go first, in this database; a role that another one still needs cannot be dropped.
FAREWELL = """
DO $$ BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN
    IF NOT pg_has_role(current_user, '{role}', 'MEMBER') THEN
      GRANT "{role}" TO CURRENT_USER;
    END IF;
    DROP OWNED BY "{role}";
    DROP ROLE "{role}";
  END IF;
END $$
"""

FAULTS = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)


# Only a superuser may set it; the role itself cannot raise it.
TEMP_FILES = """
DO $$ BEGIN
  IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
    ALTER ROLE "{role}" SET temp_file_limit = '256MB';
  END IF;
END $$
"""


def statements(
    stores: Iterable[str],
    master: MasterKey,
    database: str,
    *,
    passwords: Mapping[str, str] | None = None,
    connections: int = CONNECTIONS,
) -> list[str]:
    """Return the SQL that makes the roles and schemas of stores, or makes them right again.

    No password stands in it, only what PostgreSQL needs to check one.

    :param passwords: of roles, by role; the others are derived from the master key.
    :param connections: that the login of each store may have, from all processes together.
    :raises StorageError: that is none at all.
    """
    if connections < 1:
        raise StorageError("a login needs a connection at least")
    known = roles.Passwords(master, passwords)
    parts = [_database(database), _migrator(known, database)]
    for name in sorted(stores):
        parts += [_owner(name), _login(name, known, database, connections)]
    return [statement.strip() for part in parts for statement in part]


async def provision(
    admin_url: str,
    stores: Iterable[str],
    master: MasterKey,
    database: str,
    *,
    passwords: Mapping[str, str] | None = None,
    connections: int = CONNECTIONS,
) -> None:
    """Run ``statements`` in a database, with the login of an administrator's URL.

    :raises StorageError: the database refuses, or cannot be reached.
    """
    try:
        wanted = statements(stores, master, database, passwords=passwords, connections=connections)
        await _run(admin_url, database, wanted)
    except FAULTS as error:
        raise StorageError(f"the database cannot be provisioned: {error}") from None


def farewell(name: str) -> list[str]:
    """Return the SQL that drops the roles of a store whose schema is dropped already."""
    return [FAREWELL.format(role=role).strip() for role in (roles.login(name), roles.owner(name))]


async def dismiss(admin_url: str, name: str, database: str) -> None:
    """Run ``farewell`` in a database, with the login of an administrator's URL.

    :raises StorageError: the database refuses, or cannot be reached.
    """
    try:
        await _run(admin_url, database, farewell(name))
    except FAULTS as error:
        raise StorageError(
            f"the store {name} is removed, and its roles could not be dropped: {error}"
        ) from None


async def _run(admin_url: str, database: str, wanted: Iterable[str]) -> None:
    connection = await asyncpg.connect(admin_url, database=database, timeout=10)
    try:
        async with connection.transaction():
            # Two at once would change the same rows of the catalogue.
            await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
            for statement in wanted:
                await connection.execute(statement)
    finally:
        await connection.close()


def _database(database: str) -> list[str]:
    return [
        f"REVOKE ALL ON DATABASE {_quoted(database)} FROM PUBLIC",
        "REVOKE ALL ON SCHEMA public FROM PUBLIC",
    ]


def _migrator(passwords: roles.Passwords, database: str) -> list[str]:
    role = roles.MIGRATOR
    return [
        ROLE.format(role=role),
        _may_log_in(role, passwords, connections=MIGRATIONS),
        f'GRANT CONNECT ON DATABASE {_quoted(database)} TO "{role}"',
    ]


def _owner(name: str) -> list[str]:
    owner, schema = roles.owner(name), roles.schema(name)
    return [
        ROLE.format(role=owner),
        f'ALTER ROLE "{owner}" NOLOGIN NOINHERIT NOCREATEDB NOCREATEROLE',
        JOIN.format(owner=owner),
        f'GRANT "{owner}" TO "{roles.MIGRATOR}"',
        f'CREATE SCHEMA IF NOT EXISTS "{schema}" AUTHORIZATION "{owner}"',
        f'REVOKE ALL ON SCHEMA "{schema}" FROM PUBLIC',
        f'ALTER DEFAULT PRIVILEGES FOR ROLE "{owner}" REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC',
    ]


def _login(name: str, passwords: roles.Passwords, database: str, connections: int) -> list[str]:
    role, owner, schema = roles.login(name), roles.owner(name), roles.schema(name)
    default = f'ALTER DEFAULT PRIVILEGES FOR ROLE "{owner}" IN SCHEMA "{schema}"'
    return [
        ROLE.format(role=role),
        _may_log_in(role, passwords, connections=connections),
        NO_MEMBER.format(role=role),
        f'ALTER ROLE "{role}" SET search_path = "{schema}", pg_temp',
        *(f"ALTER ROLE \"{role}\" SET {name} = '{value}'" for name, value in SESSION.items()),
        TEMP_FILES.format(role=role),
        f'GRANT CONNECT ON DATABASE {_quoted(database)} TO "{role}"',
        f'GRANT USAGE ON SCHEMA "{schema}" TO "{role}"',
        f'{default} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO "{role}"',
        f'{default} GRANT USAGE ON SEQUENCES TO "{role}"',
    ]


def _may_log_in(role: str, passwords: roles.Passwords, *, connections: int) -> str:
    verifier = roles.verifier(passwords.of(role), secrets.token_bytes(16))
    return (
        f'ALTER ROLE "{role}" LOGIN NOINHERIT NOCREATEDB NOCREATEROLE '
        f"CONNECTION LIMIT {connections} PASSWORD '{verifier}'"
    )


def _quoted(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'
