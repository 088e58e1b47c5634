"""Each store has a history of its own, and loses nothing when it moves on."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, insert, select

from ostiary.storage import Storage, StorageError, migrate, sqlite_files

from .conftest import House, notes

pytestmark = pytest.mark.anyio

COLOURS = '''"""Give notes a colour, and make room for remarks."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade():
    with op.batch_alter_table("notes") as table:
        table.add_column(sa.Column("colour", sa.String))
        table.alter_column("text", type_=sa.String(500))
'''

CHILDREN = '''"""Add remarks, which refer to notes."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade():
    op.create_table(
        "remarks",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("note", sa.Integer, sa.ForeignKey("notes.id", ondelete="CASCADE"), nullable=False),
    )
    op.execute("INSERT INTO remarks (id, note) SELECT id, id FROM notes")
'''

REBUILD = COLOURS.replace('"0001"', '"0002"', 1).replace(
    'revision = "0002"', 'revision = "0003"', 1
)

BROKEN = (
    COLOURS
    + """    op.execute("INSERT INTO nowhere VALUES (1)")
"""
)


def ship(storage: Storage, name: str, revision: str) -> None:
    (Path(str(storage.revisions)) / name).write_text(revision)


async def fill(house: House, *words: str) -> None:
    store = await house.store()
    async with store.begin() as db:
        await db.execute(insert(notes), [{"text": word} for word in words])


async def words(house: House) -> list[str]:
    store = await house.open(house.again(), "notes")
    async with store.read() as db:
        return list((await db.execute(select(notes.c.text).order_by(notes.c.id))).scalars())


async def test_the_revisions_of_the_core_build_its_tables(house: House) -> None:
    await house.store("core")
    assert await migrate.drift(house.backend, "core", migrate.CORE_STORAGE) == []


async def test_a_table_without_revision_is_drift(house: House) -> None:
    await house.store()
    tables = MetaData()
    Table("notes", tables, Column("id", Integer, primary_key=True), Column("text", Integer))
    Table("more", tables, Column("id", Integer, primary_key=True))
    drift = await migrate.drift(house.backend, "notes", Storage(tables, house.storage.revisions))
    assert "add_table" in [change[0] for change in drift if isinstance(change, tuple)]
    assert await migrate.drift(house.backend, "notes", house.storage) == []


async def test_a_store_has_a_revision_once_it_is_upgraded(house: House) -> None:
    assert await house.backend.revision("notes") is None
    before = await migrate.status(house.backend, "notes", house.storage)
    assert (before.current, before.newest, before.behind) == (None, "0001", True)
    await migrate.upgrade(house.backend, "notes", house.storage)
    after = await migrate.status(house.backend, "notes", house.storage)
    assert (after.current, after.behind, after.ahead) == ("0001", False, False)


async def test_every_store_has_a_history_of_its_own(house: House) -> None:
    await house.store("notes")
    ship(house.storage, "0002_colours.py", COLOURS)
    await house.store("other")
    assert await house.backend.revision("notes") == "0001"
    assert await house.backend.revision("other") == "0002"
    assert await house.backend.revision("core") is None


async def test_no_row_is_lost_in_an_upgrade(house: House) -> None:
    await fill(house, "a", "b")
    ship(house.storage, "0002_remarks.py", CHILDREN)
    ship(house.storage, "0003_colours.py", REBUILD)
    await migrate.upgrade(house.backend, "notes", house.storage)
    assert await words(house) == ["a", "b"]
    store = await house.open(house.again(), "notes")
    assert await store.fetch("SELECT count(*) FROM remarks WHERE note > 0") == (2,)
    assert await store.fetch("SELECT count(*) FROM notes WHERE colour IS NULL") == (2,)


async def test_an_upgrade_that_fails_changes_nothing(house: House) -> None:
    await fill(house, "a")
    ship(house.storage, "0002_broken.py", BROKEN)
    with pytest.raises(Exception, match=r"nowhere|UndefinedTable"):
        await migrate.upgrade(house.backend, "notes", house.storage)
    assert await house.backend.revision("notes") == "0001"
    assert await migrate.drift(house.backend, "notes", house.storage) == []
    assert await words(house) == ["a"]


async def test_two_that_upgrade_at_once_do_it_once(house: House) -> None:
    await fill(house, "a")
    ship(house.storage, "0002_colours.py", COLOURS)
    one, two = house.again(), house.again()
    await asyncio.gather(
        migrate.upgrade(one, "notes", house.storage), migrate.upgrade(two, "notes", house.storage)
    )
    assert await house.backend.revision("notes") == "0002"
    assert await words(house) == ["a"]


async def test_those_that_waited_for_an_upgrade_do_not_repeat_it(
    sqlite: House, tmp_path: Path
) -> None:
    await fill(sqlite, "a")
    ship(sqlite.storage, "0002_colours.py", COLOURS)
    async with sqlite_files.alone(tmp_path / "data" / "notes.lock"):
        upgrades = [
            asyncio.create_task(migrate.upgrade(sqlite.again(), "notes", sqlite.storage))
            for _ in range(3)
        ]
        await asyncio.sleep(0.05)
        assert await sqlite.backend.revision("notes") == "0001"
    copies = await asyncio.gather(*upgrades)
    assert len([copy for copy in copies if copy]) == 1
    assert await sqlite.backend.revision("notes") == "0002"


async def test_a_store_of_a_newer_version_is_refused(house: House) -> None:
    ship(house.storage, "0002_colours.py", COLOURS)
    await house.store()
    (Path(str(house.storage.revisions)) / "0002_colours.py").unlink()
    for refused in (migrate.status, migrate.upgrade):
        with pytest.raises(StorageError, match="0002"):
            await refused(house.backend, "notes", house.storage)


async def test_a_folder_without_revisions_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.py").write_text("")
    with pytest.raises(StorageError, match="NNNN_words"):
        migrate.head(Storage(MetaData(), tmp_path))


async def test_a_revision_that_is_written_ends_the_drift(house: House) -> None:
    await house.store()
    tables = MetaData()
    Table(
        "notes",
        tables,
        Column("id", Integer, primary_key=True),
        Column("text", String, nullable=False, unique=True),
        Column("colour", String, index=True),
    )
    storage = Storage(tables, house.storage.revisions)
    path = await migrate.write(house.backend, "notes", storage, "Add colours")
    assert path.name == "0002_add_colours.py"
    await migrate.upgrade(house.backend, "notes", storage)
    assert await migrate.drift(house.backend, "notes", storage) == []


async def test_a_file_is_copied_before_it_is_upgraded(sqlite: House, tmp_path: Path) -> None:
    await fill(sqlite, "a", "b")
    assert list((tmp_path / "data").glob("*.bak")) == []
    ship(sqlite.storage, "0002_colours.py", COLOURS)
    told = await migrate.upgrade(sqlite.backend, "notes", sqlite.storage)
    (copy,) = (tmp_path / "data").glob("*.bak*")
    assert told == str(copy)
    assert copy.name.startswith("notes.db.0001.2")
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    with closing(sqlite3.connect(copy)) as file:
        assert file.execute("SELECT text FROM notes ORDER BY id").fetchall() == [("a",), ("b",)]
        assert file.execute("SELECT version_num FROM alembic_version").fetchall() == [("0001",)]


async def test_a_path_may_hold_any_character(sqlite: House, tmp_path: Path) -> None:
    revisions = tmp_path / "100%(here)s : a, b; c"
    Path(str(sqlite.storage.revisions)).rename(revisions)
    await migrate.upgrade(sqlite.backend, "notes", Storage(notes.metadata, revisions))
    assert await sqlite.backend.revision("notes") == "0001"
