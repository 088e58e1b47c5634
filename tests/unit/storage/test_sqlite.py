"""What stores on SQLite promise besides: private files, no way out, many processes."""

from __future__ import annotations

import asyncio
import os
import resource
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select, text
from sqlalchemy.exc import DBAPIError

from ostiary import errors
from ostiary.storage import Database, Storage, StorageError, Store, migrate, sqlite_files
from ostiary.storage.apart import MOST_WAITING, THREADS
from ostiary.storage.sqlite import SQLite
from ostiary.storage.sqlite_guard import Guard

from .conftest import House, notes

pytestmark = pytest.mark.anyio

WAYS_OUT = [
    "ATTACH DATABASE '{other}' AS other",
    "DETACH DATABASE main",
    "VACUUM",
    "VACUUM INTO '{copy}'",
    "PRAGMA writable_schema = ON",
    "PRAGMA journal_mode = DELETE",
    "PRAGMA foreign_keys = OFF",
    "PRAGMA database_list",
    "SELECT * FROM pragma_database_list",
    "SELECT load_extension('{other}')",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT mine",
    "CREATE TABLE more (id INTEGER)",
    "CREATE TEMP TABLE more (id INTEGER)",
    "CREATE TRIGGER evil AFTER INSERT ON notes BEGIN SELECT 1; END",
    "CREATE VIRTUAL TABLE more USING fts5(text)",
    "DROP TABLE notes",
    "ALTER TABLE notes RENAME TO others",
]

WRITER = """
import asyncio, sys
from pathlib import Path
from sqlalchemy import text
from ostiary.storage.sqlite import SQLite

async def main(folder, name):
    backend = SQLite(Path(folder))
    store = await backend.open("notes", hasher=None, sealer=None)
    async def put(number):
        async with store.begin() as db:
            await db.execute(text("INSERT INTO notes (text) VALUES (:text)"), {"text": f"{name}{number}"})
    for start in range(0, 96, 16):
        await asyncio.gather(*(put(number) for number in range(start, start + 16)))
    await backend.close()

asyncio.run(main(*sys.argv[1:]))
"""

MIGRATOR = """
import asyncio, sys
from pathlib import Path
from ostiary.storage import migrate
from ostiary.storage.sqlite import SQLite

asyncio.run(migrate.upgrade(SQLite(Path(sys.argv[1])), "core", migrate.CORE_STORAGE))
"""

JOINED = """
import asyncio, sys
from pathlib import Path
from ostiary.storage.sqlite import SQLite

async def main():
    print(await SQLite(Path(sys.argv[1])).presence.join(), flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


def python(program: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def put(store: Store, word: str) -> None:
    async with store.begin() as db:
        await db.execute(insert(notes).values(text=word))


async def test_files_belong_to_the_server_alone(sqlite: House, tmp_path: Path) -> None:
    mask = os.umask(0)
    try:
        store = await sqlite.store()
        await put(store, "a")
        await sqlite.backend.presence.join()
    finally:
        os.umask(mask)
    folder = tmp_path / "data"
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {path.name for path in files} > {"notes.db", "notes.db-wal", "notes.db-shm"}
    assert {mode(path) for path in files} == {0o600}
    assert {mode(folder), mode(folder / "instances")} == {0o700}


async def test_files_that_others_could_read_are_closed_to_them(
    sqlite: House, tmp_path: Path
) -> None:
    await put(await sqlite.store(), "a")
    folder = tmp_path / "data"
    for path in folder.glob("notes.db*"):
        path.chmod(0o666)
    folder.chmod(0o755)
    await sqlite.open(sqlite.again(), "notes")
    assert {mode(path) for path in folder.glob("notes.db*")} == {0o600}
    assert mode(folder) == 0o700


async def test_a_file_that_is_a_link_is_refused(sqlite: House, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"")
    (tmp_path / "data" / "notes.db").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageError, match="ordinary file"):
        await sqlite.open(sqlite.backend, "notes")


async def test_every_commit_is_on_the_disk(sqlite: House, tmp_path: Path) -> None:
    await sqlite.store()
    guard = Guard(frozenset())
    with (
        closing(sqlite_files.connect(tmp_path / "data" / "notes.db", guard)) as file,
        guard.opened(),
    ):
        settings = {
            name: file.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "foreign_keys", "trusted_schema")
        }
    full = 2
    assert settings == {
        "journal_mode": "wal",
        "synchronous": full,
        "foreign_keys": 1,
        "trusted_schema": 0,
    }


@pytest.mark.parametrize("way", WAYS_OUT)
async def test_an_owner_cannot_leave_its_tables(sqlite: House, tmp_path: Path, way: str) -> None:
    store = await sqlite.store()
    await put(await sqlite.store("other"), "secret of the other")
    statement = way.format(other=tmp_path / "data" / "other.db", copy=tmp_path / "copy.db")
    for block in (store.begin, store.read):
        with pytest.raises(DBAPIError):
            async with block() as db:
                await db.execute(text(statement))
    with pytest.raises(sqlite3.DatabaseError):
        await store.fetch(statement)
    assert not (tmp_path / "copy.db").exists()
    await put(store, "still there")
    assert await store.fetch("SELECT text FROM notes") == ("still there",)


@pytest.mark.parametrize(
    "statement",
    ["ATTACH DATABASE ':memory:' AS other", "PRAGMA writable_schema = ON", "COMMIT"],
)
async def test_a_revision_cannot_leave_its_file(sqlite: House, statement: str) -> None:
    await sqlite.store()
    with pytest.raises(DBAPIError, match="not authorized"):
        await sqlite.backend.alter("notes", lambda db: db.exec_driver_sql(statement))


async def test_a_query_cannot_write(sqlite: House) -> None:
    store = await sqlite.store()
    with pytest.raises(sqlite3.DatabaseError, match="not authorized"):
        await store.fetch("INSERT INTO notes (text) VALUES (?) RETURNING id", "a")


async def test_processes_write_to_one_file_without_errors(sqlite: House, tmp_path: Path) -> None:
    store = await sqlite.store()
    writers = [python(WRITER, tmp_path / "data", name) for name in ("a", "b")]
    for number in range(48):
        await put(store, f"c{number}")
        await asyncio.sleep(0)
    for writer in writers:
        told = await asyncio.to_thread(writer.communicate)
        assert (writer.returncode, told) == (0, ("", ""))
    assert await store.fetch("SELECT count(*) FROM notes") == (2 * 96 + 48,)


async def test_processes_that_start_at_once_all_find_the_tables(tmp_path: Path) -> None:
    starting = [python(MIGRATOR, tmp_path / "data") for _ in range(3)]
    for process in starting:
        told = await asyncio.to_thread(process.communicate)
        assert (process.returncode, told) == (0, ("", ""))
    assert await SQLite(tmp_path / "data").revision("core") == migrate.head(migrate.CORE_STORAGE)


async def test_a_process_that_is_killed_is_gone(sqlite: House, tmp_path: Path) -> None:
    process = python(JOINED, tmp_path / "data")
    assert process.stdout is not None
    instance = (await asyncio.to_thread(process.stdout.readline)).strip()
    presence = sqlite.backend.presence
    assert not await presence.gone(instance)
    process.kill()
    await asyncio.to_thread(process.communicate)
    assert await presence.gone(instance)
    assert await presence.gone(instance)


async def test_a_full_disk_makes_the_store_unavailable_until_there_is_room(
    sqlite: House, tmp_path: Path
) -> None:
    store = await sqlite.store()
    await put(store, "a")
    with full_disk(tmp_path / "data" / "notes.db-wal"), pytest.raises(errors.StoreUnavailable):
        async with store.begin() as db:
            for number in range(64):
                await db.execute(insert(notes).values(text=f"{number}" * 10_000))
    await put(store, "b")
    async with store.read() as db:
        assert await db.scalar(select(func.count()).select_from(notes)) == 2


async def test_where_the_disk_is_full_none_of_those_who_commit_together_is_told_it_is_done(
    sqlite: House, tmp_path: Path
) -> None:
    store = await sqlite.store()
    await put(store, "a")

    async def much(db: Database, name: str) -> None:
        for number in range(64):
            await db.execute(insert(notes).values(text=f"{name}{number}" * 10_000))

    with full_disk(tmp_path / "data" / "notes.db-wal"):
        works = (store.write(partial(much, name=name)) for name in "bcd")
        told = await asyncio.gather(*works, return_exceptions=True)
    assert [type(one) for one in told] == [errors.StoreUnavailable] * 3
    await put(store, "e")
    async with store.read() as db:
        assert await db.scalar(select(func.count()).select_from(notes)) == 2


async def test_a_file_that_is_locked_makes_the_store_unavailable(
    sqlite: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_files, "BUSY_SECONDS", 0.05)
    store = await sqlite.store()
    with closing(sqlite3.connect(tmp_path / "data" / "notes.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(errors.StoreUnavailable) as refused:
            await put(store, "a")
        assert refused.value.retry_after == 1
        other.execute("ROLLBACK")
    await put(store, "b")
    assert await store.fetch("SELECT text FROM notes") == ("b",)


async def test_a_file_that_is_no_database_makes_the_store_unavailable(
    sqlite: House, tmp_path: Path
) -> None:
    (tmp_path / "data" / "notes.db").write_bytes(b"no database at all, " * 100)
    with pytest.raises(errors.StoreUnavailable):
        await sqlite.open(sqlite.backend, "notes")


async def test_a_wrong_statement_is_not_taken_for_a_fault_of_the_disk(sqlite: House) -> None:
    store = await sqlite.store()
    with pytest.raises(DBAPIError, match="no such table"):
        async with store.read() as db:
            await db.execute(text("SELECT * FROM nowhere"))
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        await store.fetch("SELECT * FROM nowhere")


async def test_the_server_starts_without_the_orm_and_without_alembic(
    tmp_path: Path, storage: Storage
) -> None:
    program = """
import asyncio, sys
from pathlib import Path
from ostiary.storage import migrate
from ostiary.storage.sqlite import SQLite

async def main():
    backend = SQLite(Path(sys.argv[1]))
    store = await backend.open("core", hasher=None, sealer=None)
    async with store.begin(), store.read():
        pass
    print(await migrate.status(backend, "core", migrate.CORE_STORAGE))
    await backend.close()

asyncio.run(main())
heavy = ("sqlalchemy.orm", "sqlalchemy.ext.asyncio", "alembic", "asyncpg", "mako")
print([name for name in sys.modules if name.startswith(heavy)])
"""
    process = python(program, tmp_path / "data")
    out, err = await asyncio.to_thread(process.communicate)
    assert err == ""
    assert out.splitlines()[-1] == "[]"


@contextmanager
def full_disk(growing: Path) -> Iterator[None]:
    """Let no file of this process grow much beyond the size that one of them has."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    room = max(growing.stat().st_size, 64 * 1024) + 64 * 1024
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


COUNTING = text(
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :most) "
    "SELECT max(i) FROM n"
)
FOREVER = 10**12


async def test_nobody_waits_for_what_is_read_apart(sqlite: House) -> None:
    store = await sqlite.store()
    turns = 0

    async def read() -> None:
        async with store.read(apart=True) as db:
            assert await db.scalar(COUNTING, {"most": 1_000_000}) == 1_000_000

    reading = asyncio.ensure_future(read())
    while not reading.done():
        await asyncio.sleep(0.001)
        turns += 1
    await reading
    assert turns > 5


async def test_what_is_read_apart_and_takes_too_long_is_given_up(
    sqlite: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """INP-15"""
    monkeypatch.setattr("ostiary.storage.apart.LONGEST_SECONDS", 0.1)
    store = await sqlite.store()
    with pytest.raises(errors.StoreUnavailable):
        async with store.read(apart=True) as db:
            await db.execute(COUNTING, {"most": FOREVER})
    async with store.read(apart=True) as db:
        assert await db.scalar(COUNTING, {"most": 10}) == 10


async def test_the_statements_of_a_block_that_is_read_apart_have_one_deadline(
    sqlite: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """INP-15"""
    monkeypatch.setattr("ostiary.storage.apart.LONGEST_SECONDS", 0.3)
    store = await sqlite.store()
    start, done = time.monotonic(), 0
    with pytest.raises(errors.StoreUnavailable):
        async with store.read(apart=True) as db:
            while True:
                await db.execute(COUNTING, {"most": 10_000})
                done += 1
    assert done > 1
    assert time.monotonic() - start < 2


async def test_costly_steps_do_not_hide_the_clock(
    sqlite: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """INP-15, INP-18: comparing with a pattern is one step, however long it takes."""
    monkeypatch.setattr("ostiary.storage.apart.LONGEST_SECONDS", 0.1)
    store = await sqlite.store()
    costly = text(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
        "SELECT count(*) FROM n WHERE :text || i GLOB :pattern"
    )
    start = time.monotonic()
    with pytest.raises(errors.StoreUnavailable):
        async with store.read(apart=True) as db:
            await db.execute(costly, {"text": "a" * 256, "pattern": "*aaaaaaaaaa" * 8 + "b"})
    assert time.monotonic() - start < 1


async def test_no_more_than_a_few_wait_to_read_apart(
    sqlite: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """INP-15"""
    monkeypatch.setattr("ostiary.storage.apart.LONGEST_SECONDS", 0.2)
    store = await sqlite.store()

    async def read() -> None:
        async with store.read(apart=True) as db:
            await db.execute(COUNTING, {"most": FOREVER})

    many = await asyncio.gather(*(read() for _ in range(40)), return_exceptions=True)
    refused = [one for one in many if isinstance(one, errors.Overloaded)]
    # Broken off, or still waiting when its time was over.
    late = [one for one in many if isinstance(one, errors.StoreUnavailable)]
    assert len(refused) == 40 - THREADS - MOST_WAITING
    assert len(late) == THREADS + MOST_WAITING
    async with store.read(apart=True) as db:
        assert await db.scalar(COUNTING, {"most": 10}) == 10


async def test_what_is_read_apart_ends_when_nobody_waits_for_it(sqlite: House) -> None:
    store = await sqlite.store()

    async def read() -> None:
        async with store.read(apart=True) as db:
            await db.execute(COUNTING, {"most": FOREVER})

    # More than there are threads: some wait for their turn.
    for task in [asyncio.ensure_future(read()) for _ in range(5)]:
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    async with asyncio.timeout(2):
        async with store.read(apart=True) as db:
            assert await db.scalar(COUNTING, {"most": 10}) == 10
