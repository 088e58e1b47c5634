"""Each store has a history of its own, and loses nothing when it moves on."""

from __future__ import annotations

import asyncio
import re
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, String, Table, insert, select

import ostiary_local
import ostiary_oauth
from ostiary.storage import Storage, StorageError, migrate, sqlite_files
from ostiary.testing.expanding import breaches

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


EXPANDING = '''"""Give notes a shape, and make room for more."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
oldest = "{oldest}"


def upgrade():
    op.add_column("notes", sa.Column("shapes", sa.String, server_default="", nullable=False))
    op.create_index("notes_by_shapes", "notes", ["shapes"])
'''

LATER = 'down_revision = "0002"'

NOTES_OF_A_KIND = '''"""Create the notes."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade():
    op.create_table(
        "notes",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("text", sa.String, nullable=False, unique=True),
        sa.Column("kind", sa.String),
        sa.Column("shape", sa.String, server_default="round"),
    )
'''

LESS = '''"""Take something away."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
oldest = "0001"


def upgrade():
    {step}
'''

STORAGES = {
    "core": migrate.CORE_STORAGE,
    "local": ostiary_local.ostiary_storage(),
    "oauth": ostiary_oauth.ostiary_storage(),
}


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


def tagged(oldest: str) -> str:
    """Return a revision that only adds, and says who may go on."""
    return EXPANDING.format(oldest=oldest)


async def newer(house: House, *revisions: str) -> migrate.Status:
    """Have a newer version upgrade the store; return how this version finds it."""
    for number, revision in enumerate(revisions, start=2):
        ship(house.storage, f"{number:04}_more.py", revision)
    await house.store()
    for number, _revision in enumerate(revisions, start=2):
        (Path(str(house.storage.revisions)) / f"{number:04}_more.py").unlink()
    return await migrate.compare(house.backend, "notes", house.storage)


async def test_a_store_of_a_newer_version_that_is_compatible_is_used(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    """REL-09: and an older upgrade leaves it as it is."""
    found = await newer(house, tagged("0001"))
    assert (found.current, found.newest, found.oldest) == ("0002", "0001", "0001")
    assert (found.compatible, found.ahead, found.behind) == (True, False, False)
    assert found.state == "newer, compatible"
    with caplog.at_level("INFO"):
        assert await migrate.status(house.backend, "notes", house.storage) == found
    assert "the store notes is at revision 0002, newer than 0001" in caplog.text
    assert await migrate.upgrade(house.backend, "notes", house.storage) is None
    assert await house.backend.revision("notes") == "0002"


async def test_what_one_revision_has_broken_no_later_one_makes_whole(house: House) -> None:
    """REL-09."""
    last = tagged("0001").replace('"0002"', '"0003"').replace('down_revision = "0001"', LATER)
    found = await newer(house, COLOURS, last.replace("shapes", "sizes"))
    assert (found.current, found.oldest, found.ahead) == ("0003", "0002", True)


async def test_a_store_that_was_upgraded_before_this_was_noted_is_refused(house: House) -> None:
    ship(house.storage, "0002_colours.py", tagged("0001"))
    await house.store()

    def forget(connection: Connection) -> None:
        connection.exec_driver_sql("ALTER TABLE alembic_version DROP COLUMN oldest")

    await house.backend.alter("notes", forget)
    (Path(str(house.storage.revisions)) / "0002_colours.py").unlink()
    assert (await migrate.compare(house.backend, "notes", house.storage)).ahead


@pytest.mark.parametrize("oldest", ["0003", "1", ""])
async def test_a_revision_that_names_none_before_it_is_refused(sqlite: House, oldest: str) -> None:
    ship(sqlite.storage, "0002_shapes.py", tagged(oldest))
    with pytest.raises(StorageError, match="0002: oldest"):
        await sqlite.store()


@pytest.mark.parametrize("name, released", [("core", "0004"), ("local", "0002"), ("oauth", "0001")])
async def test_every_revision_says_who_may_go_on_and_only_adds_for_them(
    house: House, name: str, released: str
) -> None:
    """REL-09: of what was released without it nobody older goes on."""
    storage = STORAGES[name]
    for file in storage.revisions.iterdir():
        match = migrate.REVISION.fullmatch(file.name)
        if match and match["revision"] > released:
            assert re.search(r"^oldest = ", file.read_text(), re.MULTILINE), file.name
    assert await breaches(house.backend, "notes", storage) == []


@pytest.mark.parametrize(
    "step, told",
    [
        ('op.drop_table("notes")', "drops notes"),
        ('table.drop_column("text")', "drops notes.text"),
        ('table.alter_column("text", type_=sa.String(9))', "makes notes.text VARCHAR(9)"),
        ('table.alter_column("kind", nullable=False)', "no longer lets notes.kind be null"),
        ('table.alter_column("shape", server_default=None)', "takes the default of notes.shape"),
        ('table.add_column(sa.Column("x", sa.Integer, nullable=False))', "wants notes.x"),
        ('table.create_unique_constraint("u", ["kind"])', "wants kind of notes to be unique"),
        ('table.create_foreign_key("f", "notes", ["kind"], ["text"])', "has kind of notes refer"),
    ],
)
async def test_a_revision_that_takes_something_away_is_found(
    house: House, step: str, told: str
) -> None:
    """REL-09: whatever it says of itself."""
    if step.startswith("table"):
        step = f'with op.batch_alter_table("notes") as table:\n        {step}'
    ship(house.storage, "0001_notes.py", NOTES_OF_A_KIND)
    ship(house.storage, "0002_less.py", LESS.format(step=step))
    (found,) = await breaches(house.backend, "notes", house.storage)
    assert found.startswith(f"0002 {told}")


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
