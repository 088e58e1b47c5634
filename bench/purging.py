"""How long others wait while much that is over is removed.

    python bench/purging.py [--users 400000] [--folder DIR] [--seconds 20] [--keep]

A store is filled with users whose tokens ended long ago and whose lines in the audit log are too
old. A server starts on it, and removes them; meanwhile a user signs in and checks a token, one
after the other, and somebody else asks for the writer's turn of the file, as another process would. With
``--folder`` the filled store stays there, and is copied before it is used.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sqlite3
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

from driving import ostiary, percentile
from goals import Figure, at_most, keeping, report
from growth import CHEAP, log_in
from populating import YEAR, Files, populate, sign_up

from ostiary.settings import load

LONGEST = 20.0
"""Milliseconds that nobody holds the writer for longer than."""


def main() -> None:
    """Fill, start, watch."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=400_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--seconds", type=int, default=20)
    keeping(parser)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as thrown_away:
        filled = Path(options.folder or thrown_away) / "filled"
        if not filled.exists():
            fill(filled, options.users)
        folder = Path(thrown_away) / "data"
        shutil.copytree(filled, folder)
        settled = folder.parent / "settled"
        fill(settled, 100)
        alone = watch(settled, options.seconds // 4)
        report(list(figures(alone, watch(folder, options.seconds))), keep=options.keep)


def fill(folder: Path, users: int) -> None:
    """Write users who signed in two years ago, for a year."""
    with ostiary(str(folder), "--dev", settings=CHEAP) as url:
        sign_up(url)
    settings = load(config=None, environment={}, overrides={"data.dir": str(folder)}, dev=True)
    with Files(folder) as files:
        asyncio.run(populate(files, settings, range(1, users), ago=2 * YEAR))


class Watched:
    """What was seen of a server.

    :ivar logins: how long each took, in ms.
    :ivar waits: how long each wait for the writer's turn took, in ms.
    :ivar removed: rows that went, in a second.
    :ivar log: the greatest size of the file's log, in bytes.
    """

    def __init__(self) -> None:
        self.logins: list[float] = []
        self.waits: list[float] = []
        self.removed = 0.0
        self.log = 0


def watch(folder: Path, seconds: int) -> Watched:
    """Run a server for a while, sign in again and again, and ask for the writer's turn."""
    seen, path = Watched(), folder / "core.db"
    before = rows(path)
    with ostiary(str(folder), "--dev", settings=CHEAP) as url:
        end = time.monotonic() + seconds
        other = threading.Thread(target=wait_for_turns, args=(path, end, seen))
        other.start()
        connection = HTTPConnection(urlsplit(url).netloc)
        while time.monotonic() < end:
            seen.logins.append(log_in(connection, 0))
            seen.log = max(seen.log, path.with_name("core.db-wal").stat().st_size)
        other.join()
    seen.removed = (before - rows(path)) / seconds
    return seen


def wait_for_turns(path: Path, end: float, seen: Watched) -> None:
    """Ask for the writer's turn as often as may be, and give it back at once."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as file:
        while time.monotonic() < end:
            start = time.perf_counter()
            while not taken(file):
                time.sleep(0.0002)
            seen.waits.append((time.perf_counter() - start) * 1000)
            file.execute("ROLLBACK")
            time.sleep(0.002)


def taken(file: sqlite3.Connection) -> bool:
    """Take the writer's turn if nobody has it."""
    try:
        file.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError:
        return False
    return True


def rows(path: Path) -> int:
    """Return how many tokens and lines of the audit log there are."""
    with closing(sqlite3.connect(path)) as file:
        return sum(
            int(file.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
            for table in ("tokens", "audit")
        )


def figures(alone: Watched, purging: Watched) -> Iterator[Figure]:
    """Yield the longest wait for the writer, and how much longer logins take."""
    for name, one in (("alone", alone), ("removing", purging)):
        print(
            f"{name:10}{len(one.logins):>6} logins, median {statistics.median(one.logins):.1f} ms, "
            f"p99 {percentile(one.logins, 99):.1f} ms; waits for the writer: p99 {percentile(one.waits, 99):.2f} ms, "
            f"longest {max(one.waits):.2f} ms; {one.removed:,.0f} rows a second; "
            f"log {one.log / 2**20:.1f} MiB"
        )
    longer = percentile(purging.logins, 99) / percentile(alone.logins, 99)
    yield at_most("growth", "longest wait for the writer", max(purging.waits), LONGEST, "ms")
    yield at_most("growth", "p99 of logins beside removing", longer, 2, "x")


if __name__ == "__main__":
    main()
