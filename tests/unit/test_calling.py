"""How hooks are called: in time, whatever they do."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from ostiary import Call, errors
from ostiary.calling import Calls, copied
from ostiary.hash_pool import HashPool
from ostiary.strategies import User
from ostiary.watchdog import Interrupted, Step, Watchdog

pytestmark = pytest.mark.anyio

OWN = errors.ForbiddenError.declare("plugin.toy.own", 0x04_70_0001, "Not here: {0}.")
STRANGE = errors.PartialError.declare("plugin.toy.strange", 0x04_70_0002, "Half of it.")
for _own in (OWN, STRANGE):
    # Other tests look at all that the server itself has.
    del errors.CATALOGUE[_own.id]
SECRET = "what nobody may read"

Hook = Callable[[], Awaitable[Any]]


@pytest.fixture(params=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Both loops that uvicorn may choose."""
    if request.param == "uvloop":
        pytest.importorskip("uvloop")
    return "asyncio", {"use_uvloop": request.param == "uvloop"}


@pytest.fixture
def calls() -> Calls:
    return Calls(timeout=200)


@pytest.fixture
def watching() -> Iterator[Calls]:
    """Calls whose blocking steps are broken off."""
    watchdog = Watchdog()
    watchdog.start()
    yield Calls(timeout=60_000, watchdog=watchdog)
    watchdog.stop()


async def call(calls: Calls, hook: Hook, **options: Any) -> Any:
    return await calls.call("strategy toy", "ostiary_verify_credentials", hook, **options)


async def test_an_answer_is_returned(calls: Calls) -> None:
    async def hook() -> int:
        await asyncio.sleep(0)
        return 5

    assert await call(calls, hook) == 5
    assert await call(calls, hook, check=str) == "5"
    assert await call(calls, lambda: None) is None  # type: ignore[arg-type,return-value]


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise SystemExit

    __repr__ = __str__


RAISED = [
    KeyError(SECRET),
    OSError(SECRET),
    SystemExit(SECRET),
    KeyboardInterrupt(SECRET),
    GeneratorExit(SECRET),
    StopIteration(SECRET),
    StopAsyncIteration(SECRET),
    RecursionError(SECRET),
    MemoryError(SECRET),
    asyncio.CancelledError(SECRET),
    TimeoutError(SECRET),
    ExceptionGroup(SECRET, [ValueError(SECRET)]),
    BaseExceptionGroup(SECRET, [SystemExit()]),
    BaseException(SECRET),
    Unspeakable(SECRET),
    Interrupted(SECRET),
]


@pytest.mark.parametrize("error", RAISED, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("waiting", [False, True])
async def test_whatever_a_hook_raises_is_one_error_that_tells_nothing(
    calls: Calls, error: BaseException, waiting: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """ISO-10, LEAK-05"""

    async def hook() -> None:
        if waiting:
            await asyncio.sleep(0)
        raise error

    with pytest.raises(errors.PluginUnexpectedError) as caught:
        await call(calls, hook)
    assert caught.value.props == ["strategy toy failed"]
    assert SECRET not in caplog.text
    assert "strategy toy failed in ostiary_verify_credentials" in caplog.text


async def test_what_is_raised_before_anything_is_awaited_is_no_other(calls: Calls) -> None:
    """A wrapper runs before the hook that it wraps has begun."""

    def hook() -> Awaitable[None]:
        raise KeyboardInterrupt

    with pytest.raises(errors.PluginUnexpectedError):
        await call(calls, hook)
    with pytest.raises(errors.PluginUnexpectedError):
        await call(calls, lambda: 5)  # type: ignore[arg-type,return-value]


async def test_a_function_of_a_plugin_may_raise_anything_too(calls: Calls) -> None:
    def account(_credentials: Any) -> str:
        raise SystemExit

    with pytest.raises(errors.PluginUnexpectedError):
        calls.ask("strategy toy", "account", account, {})


@pytest.mark.parametrize(
    "error",
    [
        errors.LoginRefused("No."),
        OWN("you"),
        errors.MissingArgument("badge"),
        errors.CredentialsRejected("taken"),
        errors.Overloaded(retry_after=1),
        errors.StoreUnavailable(retry_after=1),
        errors.ServiceUnavailable("the provider"),
    ],
    ids=lambda error: error.id,
)
async def test_an_error_that_a_plugin_may_answer_with_reaches_the_client(
    calls: Calls, error: errors.OstiaryError
) -> None:
    async def hook() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        await call(calls, hook)
    assert caught.value is error


def strange() -> Iterator[errors.OstiaryError]:
    """Yield errors that no plugin may answer with."""
    yield errors.TokenInvalid()
    yield errors.RightsMissing("auth", "login", "ann")
    yield errors.UnexpectedError("x")
    yield STRANGE()
    changed = errors.LoginRefused("No.")
    changed.status = 200  # type: ignore[misc]
    yield changed
    yield type("Undeclared", (errors.ForbiddenError,), {"message": "x", "id": "security.x"})()
    yield type("Nameless", (errors.ForbiddenError,), {"message": "x"})()
    yield OWN("x", more=object())
    yield OWN("x", more="y" * 100_000)
    yield type("Liar", (OWN,), {"to_json": lambda _self: 5})("x")
    yield OWN("x", retry_after="now")  # type: ignore[arg-type]


@pytest.mark.parametrize("number", range(11))
async def test_an_error_that_says_what_only_the_core_can_know_is_a_failure(
    calls: Calls, number: int
) -> None:
    """ISO-10"""
    error = list(strange())[number]

    async def hook() -> None:
        raise error

    with pytest.raises(errors.PluginUnexpectedError):
        await call(calls, hook)


async def test_a_hook_that_hangs_is_ended(calls: Calls, caplog: pytest.LogCaptureFixture) -> None:
    """ISO-10"""
    ended = []

    async def hook() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append(True)

    with pytest.raises(errors.PluginTimeout) as caught:
        await call(calls, hook)
    assert (caught.value.status, caught.value.props) == (504, ["strategy toy"])
    assert ended == [True]
    assert "did not answer ostiary_verify_credentials in time" in caplog.text


async def test_a_hook_that_will_not_be_ended_is_closed(calls: Calls) -> None:
    """ISO-10: it goes on after a cancellation, and it ends all the same."""
    steps = []

    async def hook() -> None:
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                steps.append("goes on")

    before = asyncio.all_tasks()
    with pytest.raises(errors.PluginTimeout):
        await call(calls, hook)
    assert steps == ["goes on"]
    assert asyncio.all_tasks() == before


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_not_even_one_that_swallows_everything_is_waited_for(calls: Calls) -> None:
    async def hook() -> None:
        while True:
            with suppress(BaseException):
                await asyncio.sleep(0.01)

    before = asyncio.all_tasks()
    with pytest.raises(errors.PluginTimeout):
        await call(calls, hook)
    assert asyncio.all_tasks() == before
    del hook
    gc.collect()


async def test_hooks_that_are_left_behind_are_few(calls: Calls) -> None:
    """One that waits for a task which does not end cannot be ended; there are not many of them."""
    over = asyncio.Event()

    async def stubborn() -> None:
        while not over.is_set():
            try:
                await over.wait()
            except asyncio.CancelledError:
                continue

    async def hook() -> None:
        await asyncio.create_task(stubborn())

    async def good() -> int:
        return 5

    outcomes = await asyncio.gather(*(call(calls, hook) for _ in range(10)), return_exceptions=True)
    assert {type(one) for one in outcomes} == {errors.PluginTimeout}
    with pytest.raises(errors.PluginUnavailable):
        await call(calls, good)
    assert await calls.call("strategy other", "hook", good) == 5
    over.set()


async def test_the_end_of_a_request_ends_its_hook(calls: Calls) -> None:
    ended = asyncio.Event()

    async def hook() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.set()

    request = asyncio.create_task(call(calls, hook))
    await asyncio.sleep(0.02)
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert ended.is_set()


async def test_a_hook_that_cancels_its_task_harms_nobody_else(calls: Calls) -> None:
    async def hook() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)

    with pytest.raises(errors.PluginUnexpectedError):
        await call(calls, hook)
    await asyncio.sleep(0)


async def test_after_several_time_outs_it_is_left_alone_and_others_are_not(calls: Calls) -> None:
    """ISO-10: hung calls do not fill the room for requests."""

    async def hook() -> None:
        await asyncio.sleep(3600)

    asked = []

    async def good() -> int:
        asked.append(True)
        return 5

    outcomes = await asyncio.gather(*(call(calls, hook) for _ in range(5)), return_exceptions=True)
    assert {type(one) for one in outcomes} == {errors.PluginTimeout}
    with pytest.raises(errors.PluginUnavailable) as caught:
        await call(calls, good)
    assert caught.value.retry_after is not None
    assert 1 <= caught.value.retry_after <= 10
    assert not asked
    assert await calls.call("strategy other", "hook", good) == 5


async def test_one_call_tries_again_and_its_answer_is_enough(
    calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ostiary.circuits.REST", 0.3)

    async def hook() -> None:
        await asyncio.sleep(3600)

    async def good() -> int:
        await asyncio.sleep(0)
        return 5

    await asyncio.gather(*(call(calls, hook) for _ in range(5)), return_exceptions=True)
    await asyncio.sleep(0.35)
    trials = await asyncio.gather(call(calls, good), call(calls, good), return_exceptions=True)
    assert trials[0] == 5
    assert isinstance(trials[1], errors.PluginUnavailable)
    assert [await call(calls, good), await call(calls, good)] == [5, 5]


async def test_slow_calls_are_bounded_and_quick_ones_are_not() -> None:
    calls, over = Calls(timeout=60_000), asyncio.Event()

    async def hook() -> int:
        await over.wait()
        return 5

    quick = [asyncio.create_task(call(calls, hook)) for _ in range(50)]
    await asyncio.sleep(0)
    assert not any(task.done() for task in quick)
    await asyncio.sleep(1.1)
    with pytest.raises(errors.PluginUnavailable):
        await call(calls, hook)
    over.set()
    assert await asyncio.gather(*quick) == [5] * 50


async def test_waiting_for_hashes_is_not_counted(calls: Calls) -> None:
    """A storm of logins is no fault of the plugin that hashes."""
    pool, started = HashPool(1, 10), threading.Event()

    async def hook() -> int:
        return await pool.run(lambda: started.wait(0.5) or 5)

    assert await asyncio.gather(*(call(calls, hook) for _ in range(2))) == [5, 5]
    pool.close()


async def test_a_full_queue_of_hashes_is_no_failure_of_a_plugin(calls: Calls) -> None:
    pool, end = HashPool(1, 0), threading.Event()

    async def hook() -> bool:
        return await pool.run(end.wait)

    waiting = asyncio.create_task(call(calls, hook))
    await asyncio.sleep(0.05)
    for _ in range(10):
        with pytest.raises(errors.Overloaded):
            await call(calls, hook)
    end.set()
    assert await waiting
    pool.close()


def spin() -> None:
    while True:
        pass


def sleep_and_swallow() -> None:
    while True:
        with suppress(Exception):
            time.sleep(3600)


@pytest.mark.parametrize(
    "block",
    [
        spin,
        lambda: time.sleep(3600),
        sleep_and_swallow,
        lambda: threading.Event().wait(),
        lambda: ThreadPoolExecutor(1).submit(lambda: time.sleep(5)).result(),
    ],
    ids=["loop", "sleep", "sleep again", "lock", "thread"],
)
async def test_a_hook_that_blocks_the_process_is_broken_off(
    watching: Calls,
    block: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """ISO-10"""
    monkeypatch.setattr(Step.__init__, "__defaults__", (0.3,))

    async def hook() -> None:
        await asyncio.sleep(0)
        block()

    with pytest.raises(errors.PluginTimeout):
        await call(watching, hook)
    with pytest.raises(errors.PluginTimeout):
        watching.ask("strategy toy", "account", block)
    assert "strategy toy has blocked everything for" in caplog.text
    assert "test_calling.py" in caplog.text


async def test_what_cannot_be_broken_off_ends_the_process(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It would answer nobody any more; who started it starts another one."""
    monkeypatch.setattr(Step.__init__, "__defaults__", (0.1,))
    monkeypatch.setattr("ostiary.watchdog.GIVING_UP", 0.5)
    end = threading.Event()
    watchdog = Watchdog(give_up=end.set)
    watchdog.start()

    async def hook() -> None:
        while not end.is_set():
            with suppress(BaseException):
                time.sleep(0.01)  # noqa: ASYNC251 - it is as bad as can be

    with pytest.raises(errors.PluginTimeout):
        await call(Calls(watchdog=watchdog), hook)
    watchdog.stop()
    assert "cannot be broken off; this process ends" in caplog.text


async def test_work_of_the_core_is_not_torn(
    watching: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own limits hold there; half of its bookkeeping would be done."""
    monkeypatch.setattr(Step.__init__, "__defaults__", (0.2,))
    done: list[bool] = []
    code = "import time\ndef work():\n    time.sleep(1)\n    done.append(True)\n"
    module: dict[str, Any] = {"__name__": "ostiary.storage.of_a_test", "done": done}
    exec(compile(code, "of_a_test", "exec"), module)

    async def hook() -> None:
        module["work"]()

    await call(watching, hook)
    assert done == [True]


def test_outside_the_main_thread_blocking_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Step.__init__, "__defaults__", (0.2,))

    async def hook() -> int:
        time.sleep(1)  # noqa: ASYNC251 - that is what is told
        return 5

    async def run() -> Any:
        watchdog = Watchdog()
        watchdog.start()
        try:
            return await call(Calls(watchdog=watchdog), hook)
        finally:
            watchdog.stop()

    with ThreadPoolExecutor(1) as thread, caplog.at_level(logging.ERROR):
        assert thread.submit(asyncio.run, run()).result() == 5
    assert "strategy toy has blocked everything for" in caplog.text


def test_what_a_hook_changes_changes_nothing_for_others() -> None:
    """ISO-15"""
    given = {"a": [{"b": 1}], "c": "text"}
    copy = copied(given)
    copy["a"][0]["b"] = 2
    copy["d"] = 1
    assert given == {"a": [{"b": 1}], "c": "text"}
    user, call = User(kuid="ann", content=given), Call(args=given, state=given)
    copied(user).content["a"].clear()
    copied(call).args["a"].clear()
    copied(call).state["a"].clear()
    assert given == {"a": [{"b": 1}], "c": "text"}
