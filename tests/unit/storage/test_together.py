"""Work that is written in one trip: alone or with others, each is done wholly or not at all."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, bindparam, insert, select
from sqlalchemy.exc import IntegrityError, StatementError

from ostiary.storage import Database, Prepared, Store

from .conftest import House, notes

pytestmark = pytest.mark.anyio

INSERT = Prepared(insert(notes))
FIND = Prepared(select(notes.c.id, notes.c.text).where(notes.c.text == bindparam("wanted")))
TOGETHER = 20

who: ContextVar[str] = ContextVar("who")


async def texts(store: Store) -> list[str]:
    async with store.read() as db:
        return list((await db.execute(select(notes.c.text).order_by(notes.c.id))).scalars())


def writing(word: str, *, fail: bool = False) -> Any:
    async def work(db: Database) -> str:
        await db.execute(INSERT, {"text": word})
        if fail:
            raise ZeroDivisionError
        return word

    return work


async def test_work_is_committed_when_its_result_is_there(house: House) -> None:
    store = await house.store()
    assert await store.write(writing("a")) == "a"
    assert await texts(store) == ["a"]


async def test_work_that_fails_leaves_nothing_and_what_comes_with_it_is_kept(house: House) -> None:
    store = await house.store()
    done = await asyncio.gather(
        *(store.write(writing(f"{n}", fail=n % 3 == 1)) for n in range(TOGETHER)),
        return_exceptions=True,
    )
    kept = [f"{n}" for n in range(TOGETHER) if n % 3 != 1]
    assert [one for one in done if isinstance(one, str)] == kept
    assert sum(isinstance(one, ZeroDivisionError) for one in done) == TOGETHER - len(kept)
    assert sorted(await texts(store)) == sorted(kept)


async def test_an_error_that_work_swallows_undoes_it(house: House) -> None:
    store = await house.store()

    async def work(db: Database) -> None:
        await db.execute(INSERT, {"id": 100, "text": "a"})
        with pytest.raises(IntegrityError):
            await db.execute(INSERT, {"id": 100, "text": "b"})

    done = await asyncio.gather(
        store.write(work), store.write(writing("c")), return_exceptions=True
    )
    assert isinstance(done[0], RuntimeError)
    assert await texts(store) == ["c"]


async def test_work_and_blocks_take_turns(house: House) -> None:
    store = await house.store()

    async def step_by_step(number: int) -> None:
        async with store.begin() as db:
            await db.execute(insert(notes).values(text=f"begun {number}"))
            await asyncio.sleep(0)
            await db.execute(insert(notes).values(text=f"ended {number}"))

    both = [store.write(writing(f"{n}")) for n in range(TOGETHER)]
    await asyncio.gather(*both, *map(step_by_step, range(TOGETHER)))
    assert len(await texts(store)) == 3 * TOGETHER


async def test_who_is_called_after_the_commit_finds_it_done(house: House) -> None:
    store, heard = await house.store(), list[str]()

    async def work(db: Database) -> None:
        await db.execute(INSERT, {"text": f"{len(heard)}"})
        db.after_commit(lambda: heard.append("committed"))
        if heard:
            raise ZeroDivisionError

    await store.write(work)
    with pytest.raises(ZeroDivisionError):
        await store.write(work)
    assert heard == ["committed"]


async def test_work_knows_who_asked_for_it(house: House) -> None:
    store = await house.store()

    async def ask(name: str) -> None:
        who.set(name)

        async def work(db: Database) -> str:
            await db.execute(INSERT, {"text": who.get()})
            return who.get()

        assert await store.write(work) == name

    await asyncio.gather(*(asyncio.create_task(ask(f"{n}")) for n in range(TOGETHER)))
    assert len(await texts(store)) == TOGETHER


async def test_who_gives_up_disturbs_nobody(house: House) -> None:
    store = await house.store()
    tasks = [asyncio.create_task(store.write(writing(f"{n}"))) for n in range(TOGETHER)]
    for n, task in enumerate(tasks):
        if n % 2:
            if n % 4 == 1:
                await asyncio.sleep(0)
            task.cancel()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert {one for one in done if isinstance(one, str)} <= set(await texts(store))
    assert all(isinstance(one, str) for one in done[::2])
    await store.write(writing("last"))
    assert (await texts(store))[-1] == "last"


async def test_what_is_prepared_gives_what_the_statement_gives(house: House) -> None:
    store = await house.store()
    await store.write(writing("a"))
    async with store.read() as db:
        prepared = (await db.execute(FIND, {"wanted": "a"})).one()
        plain = (await db.execute(select(notes).where(notes.c.text == "a"))).one()
        assert await db.scalar(FIND, {"wanted": "b"}) is None
    assert (prepared.id, prepared.text) == (plain.id, plain.text)


async def test_on_sqlite_many_share_a_commit(sqlite: House) -> None:
    """G6: the disk is waited for once, however many write meanwhile."""
    store, log = await sqlite.store(), list[str]()

    async def work(db: Database) -> None:
        await db.execute(INSERT, {"text": f"{len(log)}"})
        log.append("ran")
        db.after_commit(lambda: log.append("committed"))

    await asyncio.gather(*(store.write(work) for _ in range(TOGETHER)))
    assert log == ["ran"] * TOGETHER + ["committed"] * TOGETHER


async def test_on_sqlite_work_awaits_nothing_else(sqlite: House) -> None:
    store = await sqlite.store()

    async def work(db: Database) -> None:
        await db.execute(INSERT, {"text": "a"})
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="nothing but the database"):
        await store.write(work)
    assert await texts(store) == []


async def test_a_prepared_statement_holds_no_list_of_any_length(sqlite: House) -> None:
    store = await sqlite.store()
    wanted = Prepared(select(notes.c.id).where(notes.c.text.in_(["a", "b"])))
    with pytest.raises(TypeError, match="no list"):
        async with store.read() as db:
            await db.execute(wanted)


async def test_a_prepared_statement_wants_every_value(house: House) -> None:
    """Nothing stands for one that is missing, on either database."""
    store = await house.store()
    async with store.read() as db:
        with pytest.raises((KeyError, StatementError)):
            await db.execute(FIND, {"other": "a"})


async def test_a_prepared_statement_makes_no_values(sqlite: House) -> None:
    made = Table("notes", MetaData(), Column("id", Integer), Column("text", String, default="a"))
    store = await sqlite.store()
    async with store.read() as db:
        with pytest.raises(TypeError, match="no defaults"):
            await db.execute(Prepared(insert(made)), {"id": 1})


async def test_who_writes_to_a_file_that_is_gone_is_told(sqlite: House, tmp_path: Path) -> None:
    """REL-03: also where it can be neither rolled back nor opened again."""
    store = await sqlite.store()
    await store.write(writing("a"))
    data = tmp_path / "data"
    data.rename(tmp_path / "away")
    store._writer._file.close()  # type: ignore[attr-defined]
    done = asyncio.gather(*(store.write(writing(f"{n}")) for n in range(3)), return_exceptions=True)
    async with asyncio.timeout(10):
        assert all(isinstance(one, Exception) for one in await done)
    (tmp_path / "away").rename(data)
    with suppress(Exception):
        await store.write(writing("b"))
    assert await store.write(writing("c")) == "c"
