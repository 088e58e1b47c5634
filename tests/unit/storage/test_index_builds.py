"""Indexes of a large table are built before the revision that asks for them, and lock nobody out."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import Connection, insert
from sqlalchemy.exc import ProgrammingError

from ostiary.storage import index_builds, migrate

from .conftest import House, notes

pytestmark = pytest.mark.anyio

INDEXED = '''"""Find notes by their text, in order."""

from alembic import op

revision = "0002"
down_revision = "0001"
oldest = "0001"
beforehand = {"notes_by_text": ("notes", ["text", "id"])}


def upgrade():
    op.create_index("notes_by_text", "notes", ["text", "id"], if_not_exists=True)
'''
FAILING = f'{INDEXED}    op.execute("INSERT INTO nowhere VALUES (1)")\n'
VALID = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('notes_by_text')"
MADE = "SELECT to_regclass('ostiary_notes.notes_by_text')::oid"
CAME = """
SELECT EXISTS (
  SELECT FROM pg_stat_activity WHERE usename = 'ostiary_migrator' AND datname = current_database()
    AND (query LIKE '%pg_locks%' OR query LIKE 'DROP%')
)
"""
"""Whether a second one has found what the first has not finished."""


def ship(house: House, revision: str) -> None:
    (Path(str(house.storage.revisions)) / "0002_indexed.py").write_text(revision)


async def upgrade(house: House, backend: Any = None) -> None:
    await migrate.upgrade(backend or house.backend, "notes", house.storage)


async def test_an_index_is_there_before_its_revision_is(postgresql: House) -> None:
    """REL-09: it is no part of the transaction for which requests wait."""
    store = await postgresql.store()
    async with store.begin() as db:
        await db.execute(insert(notes), [{"text": "a"}])
    ship(postgresql, FAILING)
    with pytest.raises(ProgrammingError, match="nowhere"):
        await upgrade(postgresql)
    assert await postgresql.backend.revision("notes") == "0001"
    assert await store.fetch(VALID) == (True,)
    ship(postgresql, INDEXED)
    await upgrade(postgresql)
    assert await postgresql.backend.revision("notes") == "0002"
    assert await store.fetch(VALID) == (True,)


async def leave_half_built(house: House, server: Any) -> Any:
    """Leave an index as somebody does who is interrupted; return the store."""
    store = await house.store()
    (name,) = await store.fetch("SELECT current_database()") or ("",)
    admin = await asyncpg.connect(server.admin_url(name))
    await admin.execute("CREATE INDEX notes_by_text ON ostiary_notes.notes (text, id)")
    spoil = "UPDATE pg_index SET indisvalid = false WHERE indexrelid = to_regclass($1)"
    await admin.execute(spoil, "ostiary_notes.notes_by_text")
    await admin.close()
    assert await store.fetch(VALID) == (False,)
    return store


async def test_what_is_left_of_a_build_is_built_anew(postgresql: House, server: Any) -> None:
    store = await leave_half_built(postgresql, server)
    ship(postgresql, INDEXED)
    await upgrade(postgresql)
    assert await store.fetch(VALID) == (True,)


async def test_where_nothing_is_built_before_it_is_built_anew_with_the_revision(
    postgresql: House, server: Any
) -> None:
    """As behind a pooler: the revision would take what is half built for an index."""
    store = await leave_half_built(postgresql, server)

    def work(connection: Connection) -> None:
        index_builds.remove_half_built(connection, ["notes_by_text", "notes_by_nothing"])

    await postgresql.backend.alter("notes", work)
    assert await store.fetch(VALID) is None


async def test_two_that_upgrade_at_once_build_it_once(postgresql: House) -> None:
    store = await postgresql.store()
    ship(postgresql, INDEXED)
    await asyncio.gather(*(upgrade(postgresql, postgresql.again()) for _ in range(2)))
    assert await postgresql.backend.revision("notes") == "0002"
    assert await store.fetch(VALID) == (True,)


async def test_who_comes_while_another_builds_waits_for_that(
    postgresql: House, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And drops nothing: the revision of the first would find no index, with its tables locked."""
    monkeypatch.setattr(index_builds, "PAUSE", 0.01)
    store = await postgresql.store()
    (name,) = await store.fetch("SELECT current_database()") or ("",)
    wanted = {"notes_by_text": ("notes", ["text", "id"])}
    writer, onlooker = [await asyncpg.connect(server.admin_url(name)) for _ in range(2)]
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks, writer.transaction():
        # Whoever builds waits for its end.
        await writer.execute("INSERT INTO ostiary_notes.notes (id, text) VALUES (1, 'a')")
        tasks.create_task(postgresql.backend.build("notes", wanted))
        while not (made := await onlooker.fetchval(MADE)):
            await asyncio.sleep(0.01)
        tasks.create_task(postgresql.again().build("notes", wanted))
        while not await onlooker.fetchval(CAME):
            await asyncio.sleep(0.01)
    assert await store.fetch(VALID) == (True,)
    assert await onlooker.fetchval(MADE) == made
    await writer.close()
    await onlooker.close()


async def test_of_tables_that_are_not_there_yet_the_revision_builds_it(postgresql: House) -> None:
    ship(postgresql, INDEXED.replace('["text", "id"])}', '["text", "later"])}'))
    store = await postgresql.store()
    assert await store.fetch(VALID) == (True,)


async def test_where_nothing_can_be_built_before_the_revision_does_it(
    postgresql: House, server: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """As through a pooler, which takes no settings of sessions."""
    store = await postgresql.store()
    admin = await asyncpg.connect(server.admin_url())
    await admin.execute("REVOKE ostiary_notes_owner FROM ostiary_migrator")
    try:
        await postgresql.backend.build("notes", {"notes_by_text": ("notes", ["text"])})
    finally:
        await admin.execute("GRANT ostiary_notes_owner TO ostiary_migrator")
        await admin.close()
    assert "while its tables are locked" in caplog.text
    assert await store.fetch(VALID) is None
    ship(postgresql, INDEXED)
    await upgrade(postgresql)
    assert await store.fetch(VALID) == (True,)
