"""Minutes in the store: processes add to each other's, steps add them up, old ones go."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ostiary import errors
from ostiary.housekeeping import keep_house
from ostiary.services.batches import Batch
from ostiary.services.minutes import Minutes
from ostiary.services.tally import Tally
from ostiary.storage.tables import PLACES
from ostiary.testing.clock import HOUR, SECOND, Clock

pytestmark = pytest.mark.anyio

MINUTE, DAY = 60 * SECOND, 24 * HOUR
NOON = 1_800_000_000_000 - 1_800_000_000_000 % DAY + 12 * HOUR


class Office:
    """Two processes on the same stores, at noon."""

    def __init__(self, house: Any) -> None:
        self.clock = Clock(NOON)
        self.tallies = [Tally(self.clock, lambda: self.clock() / 1000) for _ in range(2)]
        self.minutes = [Minutes(house.store, one, DAY, self.clock) for one in self.tallies]

    async def flush(self) -> list[int]:
        return [await one.flush(Batch()) for one in self.minutes]

    async def counts(self, step: int, since: int = NOON) -> list[tuple[int, int]]:
        steps = await self.minutes[0].read(since, NOON + DAY, step)
        return [((one.at - NOON) // MINUTE, one.counts["sign_ins"]) for one in steps]


@pytest.fixture
def office(house: Any) -> Office:
    return Office(house)


async def test_a_minute_is_written_when_it_is_over_and_once(office: Office) -> None:
    office.tallies[0].sign_in()
    assert await office.flush() == [0, 0]
    office.clock.advance(MINUTE)
    assert await office.flush() == [1, 0]
    assert await office.flush() == [0, 0]
    assert await office.counts(MINUTE) == [(0, 1)]


async def test_what_processes_count_in_one_minute_is_added_up(office: Office) -> None:
    one, other = office.tallies
    one.sign_in()
    other.sign_in()
    other.turn_away()
    other.refuse(503)
    for tally in office.tallies:
        tally.left -= 1
        timing = tally.begin(login=True)
        office.clock.advance(100)
        tally.end(timing)
    office.clock.advance(MINUTE)
    await office.flush()
    (step,) = await office.minutes[1].read(NOON, NOON + MINUTE, MINUTE)
    assert step.counts == {
        "requests": 3,
        "refused": 0,
        "failed": 1,
        "sign_ins": 2,
        "sign_ins_refused": 0,
    }
    told = step.to_json()
    assert (told["at"], told["signIns"], told["failed"]) == (NOON, 2, 1)
    assert sum(told["loginTimes"]["histogram"]) == 2
    assert 64 <= told["loginTimes"]["median"] < told["loginTimes"]["p95"] <= 128
    assert told["requestTimes"] == {"median": None, "p95": None, "histogram": [0] * PLACES}


async def test_steps_add_up_whole_minutes_and_leave_out_what_is_empty(office: Office) -> None:
    for wait in (0, 14, 1, 30):
        office.clock.advance(wait * MINUTE)
        office.tallies[0].sign_in()
    office.clock.advance(MINUTE)
    await office.flush()
    assert await office.counts(MINUTE) == [(0, 1), (14, 1), (15, 1), (45, 1)]
    assert await office.counts(15 * MINUTE) == [(0, 2), (15, 1), (45, 1)]
    assert await office.counts(HOUR) == [(0, 4)]
    assert await office.counts(15 * MINUTE, NOON + 15 * MINUTE) == [(15, 1), (45, 1)]


async def test_a_process_that_ends_writes_the_minute_that_is_not_over(office: Office) -> None:
    for minutes, tally in zip(office.minutes, office.tallies, strict=True):
        tally.sign_in()
        await minutes.finish()
    assert await office.counts(MINUTE) == [(0, 2)]
    office.tallies[0].sign_in()
    office.clock.advance(MINUTE)
    await office.flush()
    assert await office.counts(MINUTE) == [(0, 3)]


async def test_what_could_not_be_written_waits(office: Office, house: Any) -> None:
    office.tallies[0].sign_in()
    office.clock.advance(MINUTE)
    house.monkeypatch.setattr(house.store, "begin", _away)
    with pytest.raises(errors.StoreUnavailable):
        await office.flush()
    house.monkeypatch.undo()
    assert await office.flush() == [1, 0]
    assert await office.counts(MINUTE) == [(0, 1)]


async def test_the_housekeeping_writes_minutes_and_at_the_end_the_last_one(house: Any) -> None:
    services, stopping = house.services, asyncio.Event()

    async def sign_ins() -> int:
        steps = await services.minutes.read(0, 10 * NOON, HOUR)
        return sum(step.counts["sign_ins"] for step in steps)

    services.tally.sign_in()
    services.tally.close()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(keep_house(services, stopping))
        async with asyncio.timeout(30):
            while await sign_ins() != 1:
                await asyncio.sleep(0.01)
        services.tally.sign_in()
        stopping.set()
    assert await sign_ins() == 2


async def test_old_minutes_go(office: Office) -> None:
    for _ in range(2):
        office.tallies[0].sign_in()
        office.clock.advance(DAY)
    await office.flush()
    assert await office.minutes[0].purge(Batch()) == 1
    assert await office.minutes[0].purge(Batch()) == 0
    steps = await office.minutes[0].read(0, 10 * NOON, MINUTE)
    assert [step.at for step in steps] == [NOON + DAY]


def _away() -> None:
    raise errors.StoreUnavailable(retry_after=1)
