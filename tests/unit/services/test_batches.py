"""Batches: as many rows as take a moment, one kind after the other, and an end when told to stop."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import insert

from ostiary.housekeeping import work_off
from ostiary.services.batches import LONG, MOST, SHORT, Batch, remove
from ostiary.storage.tables import scrolls

pytestmark = pytest.mark.anyio


def test_a_batch_that_took_long_is_followed_by_half_of_it() -> None:
    batch = Batch(100)
    batch.took(2 * LONG)
    assert batch.size == 50
    for _ in range(10):
        batch.took(2 * LONG)
    assert batch.size == 1


def test_batches_that_take_no_time_grow_slowly_and_to_an_end() -> None:
    batch, sizes = Batch(), []
    for _ in range(100):
        sizes.append(batch.size)
        batch.took(0)
    assert all(later <= earlier * 1.25 for earlier, later in pairwise(sizes))
    assert sizes[-1] == MOST
    batch.took((SHORT + LONG) / 2)
    assert batch.size == MOST


def test_a_writer_that_gets_slow_is_kept_for_a_moment_again_after_few_batches() -> None:
    """A row costs a hundred times as much from one batch to the next."""
    batch = Batch()
    for cost in (0.00001, 0.001):
        for _ in range(60):
            batch.took(batch.size * cost)
        assert batch.size * cost <= LONG
        assert batch.size * cost >= SHORT / 2


async def rows(house: Any, number: int) -> None:
    over = {"collection": "users", "search": {}, "position": {}}
    async with house.store.begin() as db:
        await db.execute(
            insert(scrolls),
            [{"id": str(one), "expires_at": one, **over} for one in range(number)],
        )


async def test_what_is_over_goes_the_oldest_first_and_no_more_than_a_batch(house: Any) -> None:
    await rows(house, 20)
    batch = Batch(8)
    over = scrolls.c.expires_at < 12
    assert await remove(house.store, scrolls, over, scrolls.c.expires_at, batch) == 8
    assert {row.expires_at for row in await house.rows(scrolls)} == set(range(8, 20))
    assert await remove(house.store, scrolls, over, scrolls.c.expires_at, batch) == 4
    size = batch.size
    assert await remove(house.store, scrolls, over, scrolls.c.expires_at, batch) == 0
    assert batch.size == size


class Work:
    """So much to be done."""

    def __init__(self, much: int, log: list[str], name: str) -> None:
        self.much, self._log, self._name = much, log, name

    async def __call__(self, batch: Batch) -> int:
        done = min(batch.size, self.much)
        self.much -= done
        self._log.append(self._name)
        return done


async def test_works_take_turns_and_each_ends_when_nothing_is_left() -> None:
    log: list[str] = []
    much, little, nothing = Work(25, log, "much"), Work(10, log, "little"), Work(0, log, "nothing")
    works = [(work, Batch(10)) for work in (much, little, nothing)]
    await work_off(works, asyncio.Event())
    assert log == ["much", "little", "nothing", "much", "little", "much"]
    assert much.much == little.much == 0


async def test_a_server_that_stops_begins_no_other_batch() -> None:
    stopping, log = asyncio.Event(), list[str]()
    endless, batch = Work(10**9, log, "endless"), Batch(10)
    batch.took(1000)  # So long is waited before the next one.
    working = asyncio.create_task(work_off([(endless, batch)], stopping))
    while not log:
        await asyncio.sleep(0)
    stopping.set()
    await asyncio.wait_for(working, 5)
    assert log == ["endless"]
