"""Background work of plugins in real processes: who does it, who does not, and how it ends."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ostiary.testing.packages import Package
from ostiary.testing.server import ThrowAwayServer

from .waiting import until

WORKER = """
import json, os
from pathlib import Path
from ostiary import hookimpl

@hookimpl
async def ostiary_background(settings, directory):
    import asyncio
    notes = Path(settings["notes"])
    def note(what):
        with notes.open("a") as file:
            file.write(json.dumps([what, os.getpid()]) + "\\n")
    note("begun")
    if await directory.find("nobody") is None:
        note("asked")
    {then}
    try:
        await asyncio.Event().wait()
    finally:
        note("ended")
"""

Start = Callable[..., ThrowAwayServer]


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    return tmp_path / "notes"


@pytest.fixture
def start(serve: Callable[..., ThrowAwayServer], tmp_path: Path, notes: Path) -> Start:
    def start_(then: str = "", **options: Any) -> ThrowAwayServer:
        folder = tmp_path / "plugins"
        Package(name="worker", source=WORKER.replace("{then}", then)).install(folder)
        paths = [str(folder), os.environ.get("PYTHONPATH", "")]
        environment = {"PYTHONPATH": os.pathsep.join(path for path in paths if path)}
        settings = f'[plugins.worker]\nnotes = "{notes}"\n'
        return serve(dev=True, environment=environment, settings=settings, **options)

    return start_


def noted(notes: Path, what: str) -> list[int]:
    """Return the processes that have noted something."""
    lines = notes.read_text().splitlines() if notes.exists() else []
    return [process for word, process in map(json.loads, lines) if word == what]


@pytest.mark.parametrize("workers", [1, 2])
def test_every_process_works_once_and_ends_it_when_it_stops(
    start: Start, notes: Path, workers: int
) -> None:
    server = start(workers=workers)
    until(lambda: len(noted(notes, "asked")) == workers)
    assert len(set(noted(notes, "begun"))) == workers
    assert server.stop() == 0
    assert sorted(noted(notes, "ended")) == sorted(noted(notes, "begun"))


def test_commands_do_not_work_in_the_background(start: Start, notes: Path) -> None:
    server = start()
    until(lambda: len(noted(notes, "asked")) == 1)
    for words in (("plugins", "list"), ("admin", "restrict")):
        done = server.run(*words)
        assert done.returncode == 0, done.stderr
    assert len(noted(notes, "begun")) == 1


def test_nothing_works_in_the_background_of_a_failsafe_start(start: Start, notes: Path) -> None:
    server = start(started=False)
    server.failsafe = True
    server.start()
    assert server.stop() == 0
    assert noted(notes, "begun") == []


def test_a_disabled_plugin_does_not_work(start: Start, notes: Path) -> None:
    server = start()
    until(lambda: len(noted(notes, "asked")) == 1)
    server.stop()
    done = server.run("plugins", "disable", "worker", "--yes")
    assert done.returncode == 0, done.stderr
    server.start()
    assert server.stop() == 0
    assert len(noted(notes, "begun")) == 1


def test_work_that_ends_the_process_does_not_end_it(
    start: Start, notes: Path, connect: Any
) -> None:
    """ISO-10"""
    server = start("raise SystemExit('a secret')")
    until(lambda: len(noted(notes, "begun")) == 2)
    assert connect(server).call("server:now").status == 200
    assert "the background work of plugin worker failed: SystemExit at" in server.log
    assert "a secret" not in server.log
    assert server.stop() == 0
