"""Coroutines that are run at once are, for all that they can see, tasks from their beginning."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import Any

import pytest

from ostiary.eager import Eager

VARIABLE: ContextVar[str] = ContextVar("variable", default="untouched")

Made = Callable[[], Coroutine[Any, Any, None]]


def run(*made: Made) -> list[asyncio.Task[None] | None]:
    """Run coroutines as a callback of the loop does, outside of any task, and wait for their tasks."""

    async def main() -> list[asyncio.Task[None] | None]:
        loop = asyncio.get_running_loop()
        eager, done = Eager(loop), loop.create_future()

        def begin() -> None:
            try:
                done.set_result([eager.run(one()) for one in made])
            except BaseException as error:  # noqa: BLE001 - it is raised below
                done.set_exception(error)

        loop.call_soon(begin)
        tasks: list[asyncio.Task[None] | None] = await done
        await asyncio.wait_for(
            asyncio.gather(*filter(None, tasks), return_exceptions=True), timeout=10
        )
        return tasks

    return asyncio.run(main())


def test_what_need_not_wait_is_over_at_once() -> None:
    seen = []

    async def work() -> None:
        seen.append(asyncio.current_task())

    assert run(work, work) == [None, None]
    assert isinstance(seen[0], asyncio.Task)


@pytest.mark.parametrize("seconds", [0, 0.01])
def test_what_waits_stays_in_one_task(seconds: float) -> None:
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


def test_a_time_limit_ends_what_waits() -> None:
    async def work() -> None:
        async with asyncio.timeout(0.01):
            await asyncio.sleep(10)

    (task,) = run(work)
    assert task is not None
    assert isinstance(task.exception(), TimeoutError)


@pytest.mark.parametrize("later", [0, 0.01])
@pytest.mark.parametrize("wait", [0, 10])
def test_who_is_cancelled_hears_of_it_where_it_waits(later: float, wait: float) -> None:
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


def test_who_cancels_itself_and_ends_harms_nobody_after_it() -> None:
    async def rash() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()

    async def work() -> None:
        await asyncio.sleep(0.01)

    _, task = run(rash, work)
    assert task is not None
    assert task.exception() is None


def test_who_cancels_itself_hears_of_it_at_its_first_wait() -> None:
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
        eager, tasks = Eager(loop), list[asyncio.Task[None] | None]()
        for _ in range(2):
            loop.call_soon(lambda: tasks.append(eager.run(work())))
            await asyncio.sleep(0.01)
            loop.call_soon(eager.run, asyncio.sleep(0, None))
            await asyncio.sleep(0.01)
        assert [task is not None and task.cancelled() for task in tasks] == [True, True]
        assert heard == tasks

    asyncio.run(main())


def test_variables_of_one_are_not_those_of_another() -> None:
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


def test_what_begins_within_a_task_waits_for_its_turn() -> None:
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

    asyncio.run(main())


def test_what_is_raised_before_any_wait_is_raised_here() -> None:
    async def work() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        run(work)


def test_what_is_raised_later_is_the_outcome_of_the_task() -> None:
    async def work() -> None:
        await asyncio.sleep(0)
        raise LookupError

    (task,) = run(work)
    assert task is not None
    assert isinstance(task.exception(), LookupError)
