"""Hashes are made in as many threads as there may be, in turn, and nobody waits for nothing."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial

import pytest

from ostiary import errors
from ostiary.hash_pool import TOGETHER, HashPool
from ostiary.hashing import Argon2Parameters, Hasher
from ostiary.keys import MasterKey

pytestmark = pytest.mark.anyio

CHEAPEST = Argon2Parameters(time_cost=5, memory_cost=7168)
PATIENCE = 30
PEPPER = MasterKey.random().pepper("a")


@pytest.fixture(scope="module")
def pool() -> Iterator[HashPool]:
    pool = HashPool(2, 64)
    yield pool
    pool.close()


@pytest.fixture
def narrow() -> Iterator[HashPool]:
    """A pool with one thread, in front of which one piece of work may wait."""
    pool = HashPool(1, 1)
    yield pool
    pool.close()


class Gate:
    """Work that has begun, and ends when it is told to."""

    def __init__(self) -> None:
        self.begun, self.opened = threading.Event(), threading.Event()

    def work(self) -> bool:
        self.begun.set()
        return self.opened.wait(PATIENCE)

    async def entered(self) -> None:
        assert await asyncio.to_thread(self.begun.wait, PATIENCE)


async def test_nobody_waits_in_the_queue_like_somebody(narrow: HashPool) -> None:
    hasher, gate = Hasher(PEPPER, CHEAPEST, narrow), Gate()
    running = [asyncio.create_task(narrow.run(gate.work)) for _ in range(2)]
    await gate.entered()
    for stored in (None, "$argon2id$v=19$m=7168,t=5,p=1$c2FsdHNhbHQ$aGFzaGhhc2g"):
        with pytest.raises(errors.Overloaded):
            await hasher.matches(stored, "secret")
    gate.opened.set()
    await asyncio.gather(*running)


async def test_the_event_loop_goes_on_while_a_thread_works(pool: HashPool) -> None:
    gate = Gate()
    running = asyncio.create_task(pool.run(gate.work))
    await gate.entered()
    gate.opened.set()
    assert await running


async def test_what_does_not_fit_is_refused_and_may_come_again(narrow: HashPool) -> None:
    gate = Gate()
    accepted = [asyncio.create_task(narrow.run(gate.work)) for _ in range(2)]
    await gate.entered()
    with pytest.raises(errors.Overloaded) as refusal:
        await narrow.run(gate.work)
    assert refusal.value.status == 503
    assert refusal.value.retry_after == 1
    gate.opened.set()
    assert await asyncio.gather(*accepted) == [True, True]
    assert await narrow.run(gate.work)


async def test_who_would_wait_too_long_is_told_when_to_come_again() -> None:
    """PWD-04."""
    pool, gate = HashPool(1, 100, max_wait=0.5), Gate()
    assert pool.wait == 0
    await pool.run(lambda: time.sleep(1.1))
    running = asyncio.create_task(pool.run(gate.work))
    await gate.entered()
    with pytest.raises(errors.Overloaded) as refusal:
        await pool.run(gate.work)
    assert refusal.value.retry_after is not None
    assert refusal.value.retry_after >= 2
    gate.opened.set()
    assert await running
    pool.close()


async def test_when_hashes_become_quick_again_more_may_wait() -> None:
    pool, gate = HashPool(1, 100, max_wait=0.001), Gate()
    await pool.run(lambda: time.sleep(0.01))
    for _ in range(100):
        await pool.run(lambda: None)
    accepted = [asyncio.create_task(pool.run(gate.work)) for _ in range(2)]
    await gate.entered()
    gate.opened.set()
    assert await asyncio.gather(*accepted) == [True, True]
    pool.close()


async def test_a_cancelled_caller_gives_its_place_in_the_queue_back(narrow: HashPool) -> None:
    gate, forgotten = Gate(), Gate()
    running = asyncio.create_task(narrow.run(gate.work))
    await gate.entered()
    waiting = asyncio.create_task(narrow.run(forgotten.work))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    next_one = asyncio.create_task(narrow.run(lambda: "next"))
    gate.opened.set()
    assert await next_one == "next"
    assert await running
    assert not forgotten.begun.is_set()


async def test_work_that_runs_keeps_its_place_though_its_caller_is_gone(narrow: HashPool) -> None:
    gate = Gate()
    abandoned = asyncio.create_task(narrow.run(gate.work))
    await gate.entered()
    abandoned.cancel()
    with pytest.raises(asyncio.CancelledError):
        await abandoned
    waiting = asyncio.create_task(narrow.run(gate.work))
    await asyncio.sleep(0)
    with pytest.raises(errors.Overloaded):
        await narrow.run(gate.work)
    gate.opened.set()
    assert await waiting


async def test_work_that_fails_frees_its_place(narrow: HashPool) -> None:
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            await narrow.run(lambda: 1 // 0)


async def test_where_many_wait_results_are_handed_over_together_and_all_of_them_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """G4: what waits for several results meets a cold cache once."""
    # On a machine that does other things as well, too.
    monkeypatch.setattr("ostiary.hash_pool.HELD", 60)
    pool, log = HashPool(1, 100), list[tuple[str, int]]()

    def work(number: int) -> None:
        time.sleep(0.005)
        log.append(("done", number))

    async def wait_for(number: int) -> None:
        await pool.run(partial(work, number))
        log.append(("told", number))

    await asyncio.gather(*map(wait_for, range(3 * TOGETHER)))
    assert log.index(("told", 0)) >= TOGETHER
    assert len(log) == 2 * 3 * TOGETHER
    pool.close()


async def test_a_result_is_not_held_for_one_that_takes_long() -> None:
    pool, gate = HashPool(1, 100), Gate()
    await pool.run(lambda: time.sleep(1))
    quick = asyncio.create_task(pool.run(lambda: "quick"))
    slow = [asyncio.create_task(pool.run(gate.work)) for _ in range(2 * TOGETHER)]
    assert await quick == "quick"
    gate.opened.set()
    await asyncio.gather(*slow)
    pool.close()


async def test_a_result_is_not_held_for_those_who_give_up() -> None:
    pool, first, gate = HashPool(1, 100), Gate(), Gate()
    await pool.run(lambda: None)
    held = asyncio.create_task(pool.run(first.work))
    await first.entered()
    running = asyncio.create_task(pool.run(gate.work))
    waiting = [asyncio.create_task(pool.run(gate.work)) for _ in range(2 * TOGETHER)]
    await asyncio.sleep(0)
    first.opened.set()
    await gate.entered()
    assert not held.done()
    for one in waiting:
        one.cancel()
    assert await held
    assert not running.done()
    gate.opened.set()
    assert await running
    pool.close()


async def test_no_more_threads_than_told(pool: HashPool) -> None:
    names = await asyncio.gather(*(pool.run(_slow_name) for _ in range(32)))
    assert set(names) <= {"hash_0", "hash_1"}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives a thread its own priority")
async def test_hashing_stands_back_behind_the_event_loop() -> None:
    mine = _priority()
    pool = HashPool(1, 1, nice=3)
    theirs = await pool.run(_priority)
    pool.close()
    assert theirs == min(19, mine + 3)
    assert _priority() == mine


async def test_closing_finishes_what_was_accepted_and_takes_no_more() -> None:
    pool = HashPool(1, 4)
    accepted = [asyncio.create_task(pool.run(lambda n=n: n)) for n in range(4)]  # type: ignore[misc]
    await asyncio.sleep(0)
    await asyncio.to_thread(pool.close)
    assert await asyncio.gather(*accepted) == [0, 1, 2, 3]
    for _ in range(9):
        with pytest.raises(RuntimeError, match="after shutdown"):
            await pool.run(lambda: None)


def _slow_name() -> str:
    threading.Event().wait(0.001)
    return threading.current_thread().name


def _priority() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
