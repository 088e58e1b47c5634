"""Coroutines that are run at once are, for all that they can see, tasks from their beginning."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextvars import ContextVar
from typing import Any

import pytest
import uvloop

from ostiary.eager import Eager

VARIABLE: ContextVar[str] = ContextVar("variable", default="untouched")

Made = Callable[[], Coroutine[Any, Any, None]]
Tasks = list[asyncio.Task[None] | None]
Run = Callable[..., Tasks]


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def runner(request: pytest.FixtureRequest) -> Iterator[asyncio.Runner]:
    with asyncio.Runner(loop_factory=request.param) as running:
        yield running


@pytest.fixture
def run(runner: asyncio.Runner) -> Run:
    """Run coroutines as a callback of the loop does, outside of any task, and wait for their tasks."""
    return lambda *made: runner.run(_begun(*made))


async def nothing() -> None:
    """Leaves the task that it need not have to whoever comes next."""


async def _begun(*made: Made) -> Tasks:
    loop = asyncio.get_running_loop()
    eager, done = Eager(loop), loop.create_future()

    def begin() -> None:
        try:
            done.set_result([eager.run(one()) for one in made])
        except BaseException as error:  # noqa: BLE001 - it is raised below
            done.set_exception(error)

    loop.call_soon(begin)
    tasks: Tasks = await done
    await asyncio.wait_for(asyncio.gather(*filter(None, tasks), return_exceptions=True), timeout=10)
    return tasks


def test_what_need_not_wait_is_over_at_once(run: Run) -> None:
    seen = []

    async def work() -> None:
        seen.append(asyncio.current_task())

    assert run(work, work) == [None, None]
    assert isinstance(seen[0], asyncio.Task)


@pytest.mark.parametrize("seconds", [0, 0.01])
def test_what_waits_stays_in_one_task(run: Run, seconds: float) -> None:
    seen = []

    async def work() -> None:
        async with asyncio.timeout(10):
            seen.append(asyncio.current_task())
            await asyncio.sleep(seconds)
            seen.append(asyncio.current_task())

    tasks = run(work, work)
    assert len(set(tasks)) == 2
    assert {task for task in tasks if task and task.exception() is None} == set(seen)
    assert len(seen) == 4


def test_a_time_limit_ends_what_waits(run: Run) -> None:
    async def work() -> None:
        async with asyncio.timeout(0.01):
            await asyncio.sleep(10)

    (task,) = run(work)
    assert task is not None
    assert isinstance(task.exception(), TimeoutError)


@pytest.mark.parametrize("later", [0, 0.01])
@pytest.mark.parametrize("wait", [0, 10])
def test_who_is_cancelled_hears_of_it_where_it_waits(run: Run, later: float, wait: float) -> None:
    """Also in the moment between the first wait and the task that goes on with it."""
    heard = []

    async def work() -> None:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().call_later(later, task.cancel)
        try:
            while True:
                await asyncio.sleep(wait)
        except asyncio.CancelledError:
            heard.append(task.cancelling())
            raise

    (task,) = run(work)
    assert task is not None
    assert task.cancelled()
    assert heard == [1]


def test_who_cancels_itself_and_ends_harms_nobody_after_it(run: Run) -> None:
    async def rash() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()

    async def work() -> None:
        await asyncio.sleep(0.01)

    _, task = run(rash, work)
    assert task is not None
    assert task.exception() is None


@pytest.mark.parametrize("turn", ["before its first turn", "after it"])
def test_who_takes_it_back_that_it_cancels_itself_harms_nobody(
    runner: asyncio.Runner, turn: str
) -> None:
    """Neither itself nor who comes after it, whether the task has had its first turn or not."""
    ended = []

    async def rash() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        task.uncancel()

    async def rash_and_slow() -> None:
        await rash()
        await asyncio.sleep(0.01)
        ended.append("rash")

    async def work() -> None:
        await asyncio.sleep(0.01)
        ended.append("work")

    async def main() -> None:
        loop = asyncio.get_running_loop()
        eager, tasks = Eager(loop), Tasks()

        def begin(*made: Made) -> None:
            tasks.extend(eager.run(one()) for one in made)

        for made in (rash, rash_and_slow):
            if turn == "after it":
                loop.call_soon(begin, nothing)
                await asyncio.sleep(0.01)
            loop.call_soon(begin, made, work)
            await asyncio.sleep(0.01)
            await asyncio.gather(*filter(None, tasks), return_exceptions=True)
        assert sorted(ended) == ["rash", "work", "work"]

    runner.run(main())


def test_who_cancels_itself_hears_of_it_at_its_first_wait(runner: asyncio.Runner) -> None:
    """Whether the task that is to go on with it has had its first turn or not."""
    heard = []

    async def work() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        try:
            await asyncio.sleep(10)
        finally:
            heard.append(task)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        eager, tasks = Eager(loop), Tasks()
        for _ in range(2):
            loop.call_soon(lambda: tasks.append(eager.run(work())))
            await asyncio.sleep(0.01)
            loop.call_soon(eager.run, nothing())
            await asyncio.sleep(0.01)
        await asyncio.gather(*filter(None, tasks), return_exceptions=True)
        assert [task is not None and task.cancelled() for task in tasks] == [True, True]
        assert heard == tasks

    runner.run(main())


def test_variables_of_one_are_not_those_of_another(run: Run) -> None:
    seen = []

    async def work() -> None:
        seen.append(VARIABLE.get())
        VARIABLE.set("set")
        await asyncio.sleep(0)
        seen.append(VARIABLE.get())

    async def short() -> None:
        seen.append(VARIABLE.get())
        VARIABLE.set("set")

    run(short, work, work, short)
    assert sorted(seen) == ["set"] * 2 + ["untouched"] * 4


def test_what_begins_within_a_task_waits_for_its_turn(runner: asyncio.Runner) -> None:
    seen: list[asyncio.Task[None] | None] = []

    async def inner() -> None:
        assert VARIABLE.get() == "untouched"
        seen.append(asyncio.current_task())

    async def main() -> None:
        VARIABLE.set("set")
        task = Eager(asyncio.get_running_loop()).run(inner())
        assert seen == []
        assert task is not None
        await task
        assert seen == [task]

    runner.run(main())


def test_what_is_raised_before_any_wait_is_raised_here(run: Run) -> None:
    async def work() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        run(work)


def test_what_is_raised_later_is_the_outcome_of_the_task(run: Run) -> None:
    async def work() -> None:
        await asyncio.sleep(0)
        raise LookupError

    (task,) = run(work)
    assert task is not None
    assert isinstance(task.exception(), LookupError)
