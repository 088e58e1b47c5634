"""Another master key is put in force: every process learns of it, and nothing is lost on the way."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, insert, select, update

from ostiary.keys import GRACE, MasterKey
from ostiary.services.master_keys import BATCH, MasterKeys, seal_again
from ostiary.storage import StorageError
from ostiary.storage.sealed import Sealed
from ostiary.storage.sqlite import SQLite
from ostiary.storage.tables import master_keys, signing_keys

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from ostiary.storage import Database, OwnStore

    from .conftest import House, Open

pytestmark = pytest.mark.anyio


def given(house: House, *keys: MasterKey) -> MasterKeys:
    """Return what knows the keys of a house, whose operator now gives other ones."""
    mine = house.core.master_keys
    if keys:
        mine._given = lambda: MasterKey(*(key._known[1] for key in keys))
    return mine


async def put_in_force(house: House, monkeypatch: pytest.MonkeyPatch) -> MasterKey:
    """Replace the key as the command does; its time of grace is over at once."""
    monkeypatch.setattr("ostiary.keys.GRACE", -1)
    mine, new = house.core.master_keys, MasterKey.random()
    mine.master.hear(new.beside(mine.master))
    successor = mine.master.successor()
    assert successor is not None
    await mine.replace(successor)
    return new


async def test_a_process_learns_of_a_new_key_before_it_reads_what_that_has_sealed(
    open_house: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = await open_house(), await open_house()
    old = other.core.master_keys.master.check_value()
    new = await put_in_force(one, monkeypatch)
    given(other, new)
    ring = await one.services.key_ring.rotate()
    assert other.services.changes.pending()
    await other.services.changes.catch_up()
    assert other.core.master_keys.master.check_value() == new.check_value() != old
    await other.core.signing_keys.load()
    assert other.core.signing_keys._newest == ring


async def test_a_process_that_starts_afterwards_needs_the_new_key(
    open_house: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TOK-30: the key file still holds the old one here."""
    await put_in_force(await open_house(), monkeypatch)
    with pytest.raises(StorageError, match="not the one that these stores were made under"):
        await open_house()


async def test_a_process_that_lacks_the_new_key_says_so_and_goes_on(
    open_house: Open, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    one, other = await open_house(), await open_house()
    token, _ = other.core.signing_keys.sign({"_id": "ann"})
    await put_in_force(one, monkeypatch)
    await other.services.changes.catch_up()
    assert "this process lacks the new one" in caplog.text
    assert other.core.signing_keys.verify(token) == {"_id": "ann"}


async def test_of_two_new_keys_one_comes_into_force(
    open_house: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = await open_house(), await open_house()
    first = await put_in_force(one, monkeypatch)
    with pytest.raises(StorageError, match="replaced meanwhile"):
        await put_in_force(other, monkeypatch)
    assert len(await one.rows(master_keys)) == 1
    assert one.core.master_keys.master.check_value() == first.check_value()


async def test_a_new_key_is_not_used_before_every_process_may_have_heard_of_it(
    house: House,
) -> None:
    mine, new = house.core.master_keys, MasterKey.random()
    mine.master.hear(new.beside(mine.master))
    await mine.replace(new)
    assert 0 < mine.master.waits <= GRACE / 1000
    assert mine.master.current == 1
    assert mine.master.check_value() == new.check_value()


async def test_signing_keys_are_sealed_again_once(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put_in_force(house, monkeypatch)
    (before,) = await house.rows(signing_keys)
    assert await seal_again(house.store, signing_keys.metadata) == (1, 0)
    (after,) = await house.rows(signing_keys)
    assert (before.sealed[0], after.sealed[0]) == (1, 2)
    assert await seal_again(house.store, signing_keys.metadata) == (0, 0)
    house.core.signing_keys._keys.clear()
    await house.core.signing_keys.load()


async def test_a_secret_that_cannot_be_opened_is_told_and_left_alone(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put_in_force(house, monkeypatch)
    async with house.store.begin() as db:
        await db.execute(update(signing_keys).values(sealed=b"\x01" + b"0" * 40))
    (before,) = await house.rows(signing_keys)
    outcome = await seal_again(house.store, signing_keys.metadata)
    assert outcome == (0, 1)
    assert await house.rows(signing_keys) == [before]


wide = Table(
    "wide",
    MetaData(),
    Column("owner", String, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("first", Sealed),
    Column("second", Sealed),
)


@pytest.fixture
async def old_store(tmp_path: Path) -> AsyncIterator[tuple[Any, MasterKey]]:
    """A store whose secrets were sealed under the first master key, and the second one."""
    backend: Any = SQLite(tmp_path / "wide")
    first, second = MasterKey.random(), MasterKey.random()
    await backend.alter("wide", wide.create)
    store = await backend.open("wide", hasher=None, sealer=first.sealer("wide"))
    async with store.begin() as db:
        for number in range(BATCH + 50):
            key = (f"owner {number % 7}", number)
            first_, second_ = (
                store.sealer.seal(f"{number}".encode(), column=column, row=key)
                for column in (wide.c.first, wide.c.second)
            )
            values = [*key, first_, second_ if number % 2 else None]
            await db.execute(insert(wide).values(values))
    generation, sealed = first.sealed_by(second)
    second.settle(second.check_value(), {generation: sealed}, -GRACE)
    store.sealer = second.sealer("wide")
    yield store, second
    await backend.close()


async def test_every_sealed_column_of_every_row_is_sealed_again(old_store: Any) -> None:
    """In batches, with a primary key of two columns, and nothing where there is nothing."""
    store, second = old_store
    assert await seal_again(store, wide.metadata) == (BATCH + 50 + (BATCH + 50) // 2, 0)
    alone = second.sealer("wide")
    async with store.read() as db:
        rows = (await db.execute(select(wide))).all()
    for row in rows:
        key = (row.owner, row.number)
        assert alone.open(row.first, column=wide.c.first, row=key) == f"{row.number}".encode()
        assert (row.second is None) == (row.number % 2 == 0)
        assert {one[0] for one in (row.first, row.second) if one} == {2}
    assert await seal_again(store, wide.metadata) == (0, 0)


class Meanwhile:
    """A store in which a secret is changed right before it would be sealed again."""

    def __init__(self, store: OwnStore, fresh: bytes) -> None:
        self.name, self.sealer, self.read = store.name, store.sealer, store.read
        self._store, self._fresh = store, fresh

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Database]:
        async with self._store.begin() as db:
            await db.execute(update(wide).where(wide.c.number == 1).values(first=self._fresh))
            yield db


async def test_what_is_changed_meanwhile_is_not_overwritten(old_store: Any) -> None:
    store, _ = old_store
    fresh = store.sealer.seal(b"fresh", column=wide.c.first, row=("owner 1", 1))
    changing: Any = Meanwhile(store, fresh)
    await seal_again(changing, wide.metadata)
    async with store.read() as db:
        assert await db.scalar(select(wide.c.first).where(wide.c.number == 1)) == fresh
