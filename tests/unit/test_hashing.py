"""Secrets are hashed whole, off the event loop, and never below OWASP's floor."""

from __future__ import annotations

import asyncio
import copy
import os
import pickle
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial

import pytest
from argon2 import extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError
from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary import errors
from ostiary.hashing import FLOOR, TOGETHER, Argon2Parameters, Hasher, HashPool
from ostiary.keys import GRACE, MasterKey

pytestmark = pytest.mark.anyio

CHEAPEST = Argon2Parameters(time_cost=5, memory_cost=7168)
PATIENCE = 30
KEY = MasterKey.random()
PEPPER, OTHER = KEY.pepper("a"), MasterKey.random().pepper("a")

few = settings(max_examples=15, deadline=None)
texts = st.text(max_size=100)


@pytest.fixture(scope="module")
def pool() -> Iterator[HashPool]:
    pool = HashPool(2, 64)
    yield pool
    pool.close()


@pytest.fixture(scope="module")
def hasher(pool: HashPool) -> Hasher:
    return Hasher(PEPPER, CHEAPEST, pool)


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


@few
@given(secret=texts, other=texts)
async def test_a_secret_matches_its_own_hash_only(hasher: Hasher, secret: str, other: str) -> None:
    stored = await hasher.hash(secret)
    assert await hasher.matches(stored, secret)
    assert await hasher.matches(stored, other) == (secret == other)
    assert len(secret) < 4 or secret not in stored


@pytest.mark.parametrize(
    "secret, other",
    [
        ("a\0b", "a\0c"),
        ("a\0", "a"),
        ("x" * 72 + "a", "x" * 72 + "b"),
        ("x" * 1_000_000 + "a", "x" * 1_000_000 + "b"),
        (" secret", "secret"),
        ("secret ", "secret"),
        ("Secret", "secret"),
        ("caf\u00e9", "cafe\u0301"),
        ("\ud800", "\ud801"),
    ],
    ids=["NUL", "ends in NUL", "72", "1 MB", "before", "behind", "case", "normal form", "lone"],
)
async def test_a_secret_is_never_cut_or_changed(hasher: Hasher, secret: str, other: str) -> None:
    stored = await hasher.hash(secret)
    assert await hasher.matches(stored, secret)
    assert not await hasher.matches(stored, other)


async def test_equal_secrets_have_different_hashes(hasher: Hasher) -> None:
    assert await hasher.hash("secret") != await hasher.hash("secret")


async def test_a_hash_is_worthless_without_its_pepper(hasher: Hasher, pool: HashPool) -> None:
    stored = await hasher.hash("secret")
    assert not await Hasher(OTHER, CHEAPEST, pool).matches(stored, "secret")
    assert not await Hasher(KEY.pepper("b"), CHEAPEST, pool).matches(stored, "secret")


async def test_nobody_has_a_secret(hasher: Hasher) -> None:
    for secret in ("", "secret", "\0"):
        assert not await hasher.matches(None, secret)


async def test_nobody_is_as_much_work_as_somebody(pool: HashPool) -> None:
    for parameters in (CHEAPEST, Argon2Parameters(3, 12288, 2)):
        hasher = Hasher(PEPPER, parameters, pool)
        nobody = extract_parameters(hasher._nobody)
        assert nobody == extract_parameters(await hasher.hash("secret"))
        assert not hasher.outdated(hasher._nobody)


async def test_nobody_waits_in_the_queue_like_somebody(narrow: HashPool) -> None:
    hasher, gate = Hasher(PEPPER, CHEAPEST, narrow), Gate()
    running = [asyncio.create_task(narrow.run(gate.work)) for _ in range(2)]
    await gate.entered()
    for stored in (None, "$argon2id$v=19$m=7168,t=5,p=1$c2FsdHNhbHQ$aGFzaGhhc2g"):
        with pytest.raises(errors.Overloaded):
            await hasher.matches(stored, "secret")
    gate.opened.set()
    await asyncio.gather(*running)


async def test_preparing_needs_a_parameter_set_that_works(pool: HashPool) -> None:
    await Hasher(PEPPER, CHEAPEST, pool).prepare()
    too_many = Argon2Parameters(memory_cost=2**27, parallelism=2**24)
    with pytest.raises(MemoryError):
        await Hasher(PEPPER, too_many, pool).prepare()


async def test_a_damaged_hash_is_a_fault_and_not_a_wrong_secret(hasher: Hasher) -> None:
    stored = await hasher.hash("secret")
    with pytest.raises(VerificationError):
        await hasher.matches(stored.replace("t=5", "t=x"), "secret")
    with pytest.raises(InvalidHashError):
        await hasher.matches("", "secret")


async def test_hashes_of_other_parameters_match_and_are_outdated(pool: HashPool) -> None:
    old = Hasher(PEPPER, CHEAPEST, pool)
    stored = await old.hash("secret")
    assert not old.outdated(stored)
    for parameters in (
        Argon2Parameters(6, 7168),
        Argon2Parameters(5, 8192),
        Argon2Parameters(5, 7168, 2),
        Argon2Parameters(),
    ):
        new = Hasher(PEPPER, parameters, pool)
        assert await new.matches(stored, "secret")
        assert new.outdated(stored)
        assert not new.outdated(await new.hash("secret"))


def test_hashes_of_another_kind_are_outdated(hasher: Hasher) -> None:
    assert hasher.outdated("$2b$12$abcdefghijklmnopqrstuv")
    assert hasher.outdated("$argon2i$v=19$m=7168,t=5,p=1$c2FsdHNhbHRzYWx0c2FsdA$aGFzaA")
    assert hasher.outdated("")


def test_the_default_is_owasps_first_choice_for_two_passes() -> None:
    """PWD-01"""
    assert Argon2Parameters() == Argon2Parameters(time_cost=2, memory_cost=19456, parallelism=1)


@pytest.mark.parametrize("memory, passes", FLOOR)
def test_owasps_sets_and_stronger_ones_are_admitted(memory: int, passes: int) -> None:
    """PWD-01"""
    Argon2Parameters(time_cost=passes, memory_cost=memory)
    Argon2Parameters(time_cost=passes + 1, memory_cost=memory)
    Argon2Parameters(time_cost=passes, memory_cost=memory + 1, parallelism=4)
    with pytest.raises(ValueError, match="OWASP's floor"):
        Argon2Parameters(time_cost=passes, memory_cost=memory - 1)
    with pytest.raises(ValueError, match="OWASP's floor"):
        Argon2Parameters(time_cost=passes - 1, memory_cost=memory)


@pytest.mark.parametrize("lanes", [0, -1, 19456])
def test_lanes_are_at_least_one_and_have_memory(lanes: int) -> None:
    with pytest.raises(ValueError, match="lanes"):
        Argon2Parameters(parallelism=lanes)


def test_a_repr_shows_no_pepper(hasher: Hasher) -> None:
    assert repr(hasher) == "<Hasher m=7168 t=5>"


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
    monkeypatch.setattr("ostiary.hashing.HELD", 60)
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


async def test_a_hash_remembers_the_pepper_it_was_made_with(pool: HashPool) -> None:
    """After a rotation of the master key old hashes still match, and are renewed."""
    old, new = MasterKey.random(), MasterKey.random()
    before = await Hasher(old.pepper("a"), CHEAPEST, pool).hash("secret")
    generation, sealed = old.sealed_by(new)
    new.settle(new.check_value(), {generation: sealed}, -GRACE)
    hasher = Hasher(new.pepper("a"), CHEAPEST, pool)
    after = await hasher.hash("secret")
    assert (before[0], after[:2]) == ("$", "2$")
    for stored in (before, after):
        assert await hasher.matches(stored, "secret")
        assert not await hasher.matches(stored, "another")
    assert (hasher.outdated(before), hasher.outdated(after)) == (True, False)
    with pytest.raises(InvalidHashError):
        await Hasher(old.pepper("a"), CHEAPEST, pool).matches(after, "secret")
    with pytest.raises(InvalidHashError):
        await hasher.matches("²" + before, "secret")


def test_what_holds_a_pepper_is_not_copied(hasher: Hasher) -> None:
    """ISO-15"""
    for copying in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="neither copied nor pickled"):
            copying(hasher)
