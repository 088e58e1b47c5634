"""A store keeps these promises on either database."""

from __future__ import annotations

import asyncio
import inspect
import os
import sqlite3
from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest
from sqlalchemy import Engine, func, insert, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from ostiary import errors
from ostiary.keys import MasterKey
from ostiary.storage import StorageError, Store
from ostiary.storage.store import checked_name

from .conftest import House, notes

pytestmark = pytest.mark.anyio

SECRET = "argon2id-of-somebody"


async def texts(store: Store) -> list[str]:
    async with store.read() as db:
        return list((await db.execute(select(notes.c.text).order_by(notes.c.id))).scalars())


async def put(store: Store, *words: str) -> None:
    async with store.begin() as db:
        for word in words:
            await db.execute(insert(notes).values(text=word))


async def test_what_a_block_writes_is_there_after_it(house: House) -> None:
    store = await house.store()
    await put(store, "a", "b")
    assert await texts(store) == ["a", "b"]


async def test_an_exception_undoes_the_whole_block(house: House) -> None:
    store = await house.store()
    with pytest.raises(ZeroDivisionError):
        async with store.begin() as db:
            await db.execute(insert(notes).values(text="a"))
            await db.execute(insert(notes).values(text="b"))
            raise ZeroDivisionError
    assert await texts(store) == []


async def test_what_is_committed_outlives_the_backend(house: House) -> None:
    await put(await house.store(), "a")
    await house.backend.close()
    assert await texts(await house.open(house.again(), "notes")) == ["a"]


async def test_a_reader_sees_one_instant(house: House) -> None:
    store = await house.store()
    await put(store, "a")
    count = select(func.count()).select_from(notes)
    async with store.read() as db:
        before = await db.scalar(count)
        await put(store, "b")
        assert await db.scalar(count) == before == 1
    assert await texts(store) == ["a", "b"]


async def test_a_reader_writes_nothing(house: House) -> None:
    store = await house.store()
    with pytest.raises(DBAPIError):
        async with store.read() as db:
            await db.execute(insert(notes).values(text="a"))
    assert await texts(store) == []


async def test_a_broken_constraint_is_told_without_the_values(house: House) -> None:
    store = await house.store()
    await put(store, SECRET)
    with pytest.raises(IntegrityError) as taken:
        await put(store, SECRET)
    assert "notes" in str(taken.value)
    assert SECRET not in str(taken.value) + repr(taken.value)


async def test_an_error_that_is_swallowed_undoes_the_block(house: House) -> None:
    store = await house.store()
    await put(store, "a")
    with pytest.raises(RuntimeError, match="rolled back"):
        async with store.begin() as db:
            await db.execute(insert(notes).values(text="b"))
            with pytest.raises(IntegrityError):
                await db.execute(insert(notes).values(text="a"))
    with pytest.raises(RuntimeError, match="rolled back"):
        async with store.begin() as db:
            with pytest.raises(IntegrityError):
                await db.execute(insert(notes).values(text="a"))
            await db.execute(insert(notes).values(text="b"))
    assert await texts(store) == ["a"]


async def test_a_transaction_is_over_after_its_block(house: House) -> None:
    store = await house.store()
    async with store.begin() as writing:
        pass
    async with store.read() as reading:
        pass
    for db in (writing, reading):
        with pytest.raises(RuntimeError, match="over"):
            await db.execute(select(notes))


async def test_rows_are_fetched_before_the_block_ends(house: House) -> None:
    store = await house.store()
    async with store.begin() as db:
        made = await db.execute(
            insert(notes).returning(notes.c.id, notes.c.text), [{"text": "a"}, {"text": "b"}]
        )
    assert [row.text for row in made] == ["a", "b"]
    async with store.read() as db:
        found = await db.execute(select(notes).where(notes.c.text == "a"))
    assert found.one()._mapping[notes.c.text] == "a"


async def test_rows_say_how_many_were_touched(house: House) -> None:
    store = await house.store()
    await put(store, "a", "b")
    async with store.begin() as db:
        raised = update(notes).values(id=notes.c.id + 10)
        assert (await db.execute(raised)).rowcount == 2
        assert (await db.execute(raised.where(notes.c.text == "c"))).rowcount == 0
        assert (await db.execute(raised.returning(notes.c.id))).rowcount == 2
        assert (await db.execute(raised.where(notes.c.text == "c"))).all() == []


async def test_fetch_gives_the_first_row_or_none(house: House) -> None:
    store = await house.store()
    await put(store, "a", "b", "?")
    query = "SELECT text FROM notes WHERE text >= ? AND text <> ? ORDER BY id"
    assert await store.fetch(query, "a", "a") == ("b",)
    assert await store.fetch(query, "z", "a") is None
    assert await store.fetch("SELECT text FROM notes WHERE text = '?' AND id = ?", 3) == ("?",)


async def test_writers_lose_no_update(house: House) -> None:
    store = await house.store()
    await put(store, "a")
    start = (await store.fetch("SELECT id FROM notes") or (0,))[0]

    async def raise_it() -> None:
        async with store.begin() as db:
            await db.execute(update(notes).values(id=notes.c.id + 1))

    await asyncio.gather(*(raise_it() for _ in range(30)))
    assert await store.fetch("SELECT id FROM notes") == (start + 30,)


async def test_a_writer_cancelled_at_any_point_leaves_all_or_nothing(house: House) -> None:
    store = await house.store()
    for turns in range(60):
        task = asyncio.create_task(put(store, f"{turns} first", f"{turns} second"))
        for _ in range(turns):
            await asyncio.sleep(0.0002)
            if task.done():
                break
        task.cancel()
        await asyncio.wait([task])
    # The next writer has its turn, and comes after all that was begun.
    await put(store, "end")
    *kept, end = await texts(store)
    assert end == "end"
    assert [word.split()[1] for word in kept] == ["first", "second"] * (len(kept) // 2)


async def test_a_writer_that_gives_up_waiting_disturbs_nobody(house: House) -> None:
    store = await house.store()
    async with store.begin() as db:
        await db.execute(insert(notes).values(text="a"))
        waiting = asyncio.create_task(put(store, "b"))
        await asyncio.sleep(0.01)
        waiting.cancel()
        await asyncio.wait([waiting])
    await put(store, "c")
    assert [word for word in await texts(store) if word != "b"] == ["a", "c"]


async def test_no_connection_can_be_had_from_what_an_owner_holds(house: House) -> None:
    store = await house.store()
    await put(store, "a")
    async with store.begin() as db:
        rows = await db.execute(select(notes))
        done = await db.execute(update(notes).values(text="b"))
        assert await db.scalar(select(notes.c.text)) == "b"
    await store.fetch("SELECT 1")
    forbidden = (sqlite3.Connection, sqlite3.Cursor, Engine, AsyncEngine, asyncpg.Connection)
    for held in (store, db, rows, done):
        assert not [thing for thing in reachable(held) if isinstance(thing, forbidden)]


async def test_a_process_sees_what_others_commit(house: House) -> None:
    store = await house.store("core")
    watch = await house.backend.watch("core")
    await until(watch.healthy)
    watch.changed()
    assert not watch.changed()
    other = house.again()
    async with (await house.open(other, "core")).begin() as db:
        await db.execute(text("INSERT INTO installation (key, value) VALUES ('a', 'b')"))
        await other.announce(db)
        assert not watch.changed()
    await until(watch.changed)
    assert await store.fetch("SELECT value FROM installation WHERE key = 'a'") == ("b",)
    await watch.close()


async def test_a_process_is_alive_until_it_leaves(house: House) -> None:
    await house.store("core")
    here = house.backend.presence
    other = house.again()
    await house.open(other, "core")
    mine, theirs = await here.join(), await other.presence.join()
    assert mine != theirs
    assert mine == await here.join()
    assert not await here.gone(mine)
    assert not await here.gone(theirs)
    await other.presence.leave()
    assert await here.gone(theirs)
    assert not await other.presence.gone(mine)
    assert await here.gone("0123456789abcdef")
    await here.leave()


async def test_another_master_key_is_refused(house: House) -> None:
    await house.store("core")
    await house.open(house.again(), "core")
    with pytest.raises(StorageError, match="master key"):
        await house.open(house.again(MasterKey(os.urandom(32))), "core")


async def test_a_core_without_tables_is_refused(house: House) -> None:
    with pytest.raises(StorageError, match="db upgrade"):
        await house.open(house.backend, "core")


@pytest.mark.parametrize(
    "name", ["", "1a", "A", "a-b", "a/b", "../core", 'a"b', "a" * 32, "migrator", "core_owner"]
)
async def test_a_name_that_is_not_safe_is_refused(house: House, name: str) -> None:
    with pytest.raises(StorageError, match="cannot name a store"):
        checked_name(name)
    with pytest.raises(StorageError, match="cannot name a store"):
        await house.backend.revision(name)


async def test_a_store_shows_no_secret(house: House) -> None:
    store = await house.store()
    assert repr(store) in ("<SQLiteStore notes>", "<PostgreSQLStore notes>")
    assert issubclass(errors.StoreUnavailable, errors.OstiaryError)


async def until(true: Any) -> None:
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.005)


DEPRECATED = ("t", "tuples")


def reachable(thing: object, depth: int = 4) -> Iterator[object]:
    """Yield what the public attributes of an object lead to."""
    yield thing
    if depth == 0 or inspect.isroutine(thing) or isinstance(thing, str | int | bytes | type):
        return
    for name in dir(thing):
        if not name.startswith("_") and name not in DEPRECATED:
            yield from reachable(getattr(thing, name, None), depth - 1)


@pytest.mark.parametrize("apart", [False, True])
async def test_a_block_reads_one_snapshot(house: House, apart: bool) -> None:
    store = await house.store()
    await put(store, "a")
    async with store.read(apart=apart) as db:
        assert await db.scalar(select(func.count()).select_from(notes)) == 1
        await put(store, "b")
        assert await db.scalar(select(func.count()).select_from(notes)) == 1
    assert await texts(store) == ["a", "b"]


async def test_a_statement_that_is_read_apart_may_not_write(house: House) -> None:
    store = await house.store()
    with pytest.raises((DBAPIError, errors.OstiaryError)):
        async with store.read(apart=True) as db:
            await db.execute(insert(notes).values(text="a"))
    assert await texts(store) == []
