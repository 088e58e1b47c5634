"""Background work of plugins: begun once, called again when it fails, ended when the server stops."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import pytest
from pluggy import HookimplMarker, PluginManager

from ostiary import hookspecs
from ostiary.background_hooks import BackgroundHooks, Delays
from ostiary.directory import Directory
from ostiary.plugin_controllers import PluginSide
from ostiary.plugin_loading import load_plugins
from ostiary.plugins import Plugin, PluginError, Plugins
from ostiary.storage import OwnStore
from ostiary.testing.packages import Package, installed
from ostiary.watchdog import Watchdog

pytestmark = pytest.mark.anyio

SOON = Delays(first=0.001, longest=0.002)
SECRET = "what nobody may read"
SIDE = PluginSide(cast("OwnStore", "the store"), cast("Directory", "the directory"))
WRAPPING = """from ostiary import hookimpl

@hookimpl(wrapper=True)
def ostiary_background():
    return (yield)
"""


def hooks(*works: Callable[..., Any], watchdog: Watchdog | None = None) -> BackgroundHooks:
    """Return what runs some functions, each as the hook of a plugin of its own."""
    manager = PluginManager("ostiary")
    manager.add_hookspecs(hookspecs)
    loaded = []
    for number, work in enumerate(works):
        module = ModuleType(f"toy{number}")
        module.ostiary_background = HookimplMarker("ostiary")(work)  # type: ignore[attr-defined]
        manager.register(module, module.__name__)
        settings = {"of": module.__name__}
        loaded.append(Plugin(module.__name__, "", "", module, settings=settings))
    sides = {plugin.name: SIDE for plugin in loaded}
    plugins = Plugins(manager, tuple(loaded), {})
    return BackgroundHooks(plugins, sides, watchdog or Watchdog(), SOON)


@asynccontextmanager
async def running(running: BackgroundHooks) -> AsyncIterator[None]:
    running.start()
    try:
        yield
    finally:
        await running.stop()


@pytest.fixture
def watchdog() -> Iterator[Watchdog]:
    watchdog = Watchdog()
    watchdog.start()
    yield watchdog
    watchdog.stop()


async def test_each_plugin_works_with_what_is_its_own() -> None:
    given, both = [], asyncio.Event()

    async def work(settings: Any, store: Any, directory: Any) -> None:
        given.append((settings["of"], store, directory))
        if len(given) == 2:
            both.set()

    async def other(settings: Any, store: Any, directory: Any) -> None:
        await work(settings, store, directory)

    async with running(hooks(work, other)):
        await both.wait()
    assert given == [(name, SIDE.store, SIDE.directory) for name in ("toy0", "toy1")]


async def test_work_that_has_returned_is_done() -> None:
    calls = []

    async def work() -> None:
        calls.append(1)

    async with running(hooks(work)):
        await asyncio.sleep(0.05)
    assert calls == [1]


@pytest.mark.parametrize(
    "error",
    [ValueError, SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError],
)
@pytest.mark.parametrize("waiting", [False, True])
async def test_work_that_has_failed_is_called_again_and_tells_no_secret(
    error: type[BaseException], waiting: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """ISO-10, LEAK-05"""
    calls, done = [], asyncio.Event()

    async def work() -> None:
        calls.append(1)
        if waiting:
            await asyncio.sleep(0)
        if len(calls) < 4:
            raise error(SECRET)
        done.set()

    async with running(hooks(work)):
        await done.wait()
    assert len(calls) == 4
    assert f"the background work of plugin toy0 failed: {error.__name__}" in caplog.text
    assert SECRET not in caplog.text


async def test_work_that_cancels_its_own_task_is_called_again() -> None:
    calls, done = [], asyncio.Event()

    async def work() -> None:
        calls.append(1)
        task = asyncio.current_task()
        assert task is not None
        if len(calls) == 1:
            task.cancel()
            raise ValueError
        done.set()

    async with running(hooks(work)):
        await done.wait()
    assert len(calls) == 2


async def test_what_fails_costs_no_other_plugin_anything() -> None:
    done = asyncio.Event()

    async def fails() -> None:
        raise SystemExit

    async def works() -> None:
        await asyncio.sleep(0.01)
        done.set()

    async with running(hooks(fails, works)):
        await done.wait()


def test_the_delay_grows_to_its_end_and_begins_anew_after_a_long_run() -> None:
    delays = Delays(1, 8)
    delay, seen = None, []
    for _ in range(5):
        delay = delays.after(delay, ran=0.1)
        seen.append(delay)
    assert seen == [1, 2, 4, 8, 8]
    assert delays.after(delay, ran=8) == 1


async def test_work_is_told_to_end_when_the_server_stops(
    caplog: pytest.LogCaptureFixture,
) -> None:
    begun, ended = asyncio.Event(), []

    async def work() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(1)

    async with running(hooks(work)):
        await begun.wait()
    assert ended == [1]
    assert caplog.text == ""


async def test_work_that_goes_on_when_it_is_told_to_end_is_closed() -> None:
    begun, closed = asyncio.Event(), []

    async def work() -> None:
        begun.set()
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                continue
            except GeneratorExit:
                closed.append(1)
                raise

    async with running(hooks(work)):
        await begun.wait()
    assert closed == [1]


async def test_work_that_blocks_everything_is_broken_off(
    watchdog: Watchdog, caplog: pytest.LogCaptureFixture
) -> None:
    """ISO-11"""
    caplog.set_level(logging.WARNING)
    calls, again = [], asyncio.Event()

    async def work() -> None:
        calls.append(1)
        await asyncio.sleep(0)
        if len(calls) == 1:
            time.sleep(3600)  # noqa: ASYNC251 - as a bad plugin does
        again.set()

    async with running(hooks(work, watchdog=watchdog)):
        await again.wait()
    assert "the background work of plugin toy0 has blocked everything" in caplog.text


async def test_nobody_wraps_the_work_of_others(tmp_path: Path) -> None:
    with (
        installed(tmp_path, Package(name="wrapping", source=WRAPPING)),
        pytest.raises(PluginError, match="ostiary_background is asked of each, not wrapped"),
    ):
        load_plugins({}, ["wrapping"], dev=True, version="0.1.0")


def test_it_ends_with_an_event_loop_that_something_else_has_ended() -> None:
    """Asyncio cancels every task then, and waits for each for ever."""

    async def work() -> None:
        await asyncio.sleep(60)

    async def serve() -> None:
        hooks(work).start()
        asyncio.get_running_loop().call_later(0.05, sys.exit, 3)
        await asyncio.sleep(60)

    with pytest.raises(SystemExit):
        asyncio.run(serve())
