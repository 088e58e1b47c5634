"""Ways out of a plugin's store on PostgreSQL, each tried through what its hooks hold."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import DBAPIError

from ostiary import errors
from ostiary.storage import OwnStore, provision, roles
from ostiary.storage.facade import Facade
from ostiary.storage.listener import CHANNEL
from ostiary.testing.postgresql import ThrowAwayPostgreSQL

from .conftest import STORES, House, notes

pytestmark = pytest.mark.anyio

DENIED = [
    "UPDATE ostiary_other.notes SET text = 'a'",
    "LOCK TABLE ostiary_other.notes",
    "SELECT * FROM ostiary_core.master_keys",
    "SELECT * FROM ostiary_core.signing_keys",
    "SET ROLE ostiary_core",
    "SET SESSION AUTHORIZATION ostiary_core",
    "CREATE TABLE ostiary_notes.more (id INTEGER)",
    "CREATE VIEW ostiary_notes.more AS SELECT 1",
    "CREATE INDEX more ON ostiary_notes.notes (text)",
    "CREATE RULE more AS ON SELECT TO notes DO INSTEAD SELECT 1",
    "COPY notes TO '/tmp/ostiary-notes'",
    "COPY notes FROM '/etc/passwd'",
    "COPY (SELECT 1) TO PROGRAM 'cat'",
    "SELECT lo_export(1, '/tmp/ostiary-notes')",
    "SELECT lo_import('/etc/passwd')",
    "SELECT pg_ls_dir('.')",
    "SELECT pg_reload_conf()",
    "SELECT * FROM pg_hba_file_rules",
    "SELECT * FROM pg_user_mapping",
    "CREATE EXTENSION dblink",
    "ALTER ROLE ostiary_notes SUPERUSER",
    "ALTER ROLE ostiary_notes CONNECTION LIMIT 1000",
    "ALTER ROLE ostiary_core PASSWORD 'mine'",
    "ALTER ROLE ostiary_core SET statement_timeout = 0",
    "ALTER ROLE ostiary_notes SET temp_file_limit = -1",
    "SET temp_file_limit = -1",
    "GRANT ostiary_notes_owner TO ostiary_notes",
    "DROP SCHEMA ostiary_notes",
    "ALTER SYSTEM SET port = 1",
]
ABSENT = ["SELECT * FROM dblink('dbname=postgres', 'SELECT 1') AS t(n int)", "SELECT 1; SELECT 2"]


async def plugin(postgresql: House, name: str = "notes") -> Facade:
    return Facade(await postgresql.store(name))


async def put(store: OwnStore, word: str) -> None:
    async with store.begin() as db:
        await db.execute(insert(notes).values(text=word))


async def ask(store: OwnStore, sql: str) -> Any:
    async with store.begin() as db:
        return await db.scalar(text(sql))


@pytest.mark.parametrize("way", DENIED + ABSENT)
async def test_no_statement_leads_out_of_a_plugins_schema(postgresql: House, way: str) -> None:
    """ISO-06, ISO-16"""
    await postgresql.store("core")
    await put(await plugin(postgresql, "other"), "secret of the other")
    store = await plugin(postgresql)
    await put(store, "mine")
    with pytest.raises(DBAPIError):
        async with store.begin() as db:
            await db.execute(text(way))
    assert await ask(store, "SELECT text FROM notes") == "mine"


async def test_a_plugin_cannot_let_another_in(postgresql: House) -> None:
    """ISO-05: PostgreSQL only warns that there was nothing to pass on."""
    store, other = await plugin(postgresql), await plugin(postgresql, "other")
    await put(store, "mine")
    for grant in ("SELECT ON ostiary_notes.notes", "USAGE ON SCHEMA ostiary_notes"):
        async with store.begin() as db:
            await db.execute(text(f"GRANT {grant} TO ostiary_other"))
    with pytest.raises(DBAPIError):
        await ask(other, "SELECT text FROM ostiary_notes.notes")


@pytest.mark.parametrize(
    "harmless", ["RESET ROLE", "RESET SESSION AUTHORIZATION", "SET search_path = ostiary_other"]
)
async def test_what_a_session_may_change_gives_it_no_rights(
    postgresql: House, harmless: str
) -> None:
    """ISO-04, ISO-06: a role of its own has nothing to go back to."""
    await put(await plugin(postgresql, "other"), "secret of the other")
    store = await plugin(postgresql)
    await put(store, "mine")
    async with store.begin() as db:
        await db.execute(text(harmless))
        assert await db.scalar(text("SELECT current_user")) == "ostiary_notes"
        assert await db.scalar(text("SELECT session_user")) == "ostiary_notes"
    with pytest.raises(DBAPIError):
        await ask(store, "SELECT text FROM ostiary_other.notes")
    async with store.read() as db:
        # Whatever the path: statements for declared tables name the schema.
        assert await db.scalar(select(notes.c.text)) == "mine"


async def test_ending_the_transaction_inside_a_block_gives_no_rights(postgresql: House) -> None:
    """ISO-06"""
    await put(await plugin(postgresql, "other"), "secret of the other")
    store = await plugin(postgresql)
    with pytest.raises((DBAPIError, errors.OstiaryError)):
        async with store.begin() as db:
            await db.execute(text("COMMIT"))
            await db.execute(text("SELECT text FROM ostiary_other.notes"))
    assert await ask(store, "SELECT current_user") == "ostiary_notes"


async def test_a_plugin_that_lifts_its_own_time_limit_is_given_up_all_the_same(
    postgresql: House,
) -> None:
    """ISO-07: a role may change its session; the client that waits has a limit of its own."""
    store = await plugin(postgresql)
    await ask(store, "SELECT set_config('statement_timeout', '0', false)")
    with pytest.raises(errors.StoreUnavailable):
        await ask(store, "SELECT pg_sleep(60)")
    assert await ask(store, "SELECT 1") == 1


async def test_limits_that_a_plugin_takes_off_its_role_are_set_again_by_provisioning(
    postgresql: House, server: ThrowAwayPostgreSQL
) -> None:
    """ISO-07: a role may change its own defaults, as any role of PostgreSQL."""
    store = await plugin(postgresql)
    database = await ask(store, "SELECT current_database()")
    async with store.begin() as db:
        await db.execute(text("ALTER ROLE ostiary_notes SET statement_timeout = 0"))
    await provision.provision(server.admin_url(), STORES, postgresql.master, database)
    again = Facade(await postgresql.open(postgresql.again(), "notes"))
    assert await ask(again, "SHOW statement_timeout") == "3s"


async def test_every_role_has_limits(postgresql: House) -> None:
    """ISO-07"""
    store = await plugin(postgresql)
    shown = {
        name: await ask(store, f"SHOW {name}")
        for name in ("temp_file_limit", "statement_timeout", "lock_timeout", "search_path")
    }
    assert shown == {
        "temp_file_limit": "256MB",
        "statement_timeout": "3s",
        "lock_timeout": "2s",
        "search_path": "ostiary_notes, pg_temp",
    }
    limit = "SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user"
    assert await ask(store, limit) == provision.CONNECTIONS


async def test_a_plugin_that_wakes_the_core_wakes_it_and_no_more(postgresql: House) -> None:
    """ISO-06: who is woken reads the log of changes, where a plugin cannot write."""
    await postgresql.store("core")
    store = await plugin(postgresql)
    watch = await postgresql.backend.watch("core")
    try:
        async with asyncio.timeout(20):
            while not watch.healthy() or watch.changed():
                await asyncio.sleep(0.01)
            await ask(store, f"SELECT pg_notify('{CHANNEL}', 'users')")
            while not watch.changed():
                await asyncio.sleep(0.01)
        assert watch.healthy()
    finally:
        await watch.close()
    with pytest.raises(DBAPIError):
        await ask(store, "INSERT INTO ostiary_core.changes (what, id, at) VALUES ('keys', '', 0)")


async def test_a_plugin_that_holds_the_cores_lock_keeps_no_request_waiting(
    postgresql: House,
) -> None:
    """ISO-06: advisory locks are everybody's, and the core answers without them."""
    core = await postgresql.store("core")
    store = await plugin(postgresql)
    async with store.begin() as db:
        for name in STORES:
            schema = roles.schema(name)
            lock = f"SELECT pg_advisory_xact_lock(hashtextextended('{schema}', 0))"
            await db.execute(text(lock))
        async with core.begin() as other:
            assert await other.scalar(text("SELECT count(*) FROM ostiary_core.users")) == 0
