"""Whether everything costs the same with 1,000,000 users and live tokens as with 100.

    python bench/growth.py [--users 1000000] [--folder DIR] [--seconds 4] [--rounds 2]
                           [--postgresql] [--keep]

Two stores are filled, a small and a big one, which takes minutes for a million users; with
``--folder`` the files stay there and are used again. A server runs on each, and they are measured
in turn. Tokens are checked in turn as well: right after the start, when each is read from the
database, and later, when they are remembered. Logins and new users come one after the other. What is
compared is the CPU time of the server for each, which other load on the machine hardly changes,
with that of the database where it is in the same process.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
from checks import bare
from driving import CHECKED, made_ready, ostiary, process_of, resident, wrk
from goals import Figure, at_least, at_most, keeping, report
from populating import PASSWORD, TABLES, Files, Schemas, Who, populate, sign_up
from timing import timed

from ostiary.settings import load
from ostiary.testing.postgresql import ThrowAwayPostgreSQL

FEW, SOME, MANY = 100, 1000, 100_000
"""Users of the small store; tokens that are few, and many, to be remembered."""

WITHIN = 1.2
ALONE = 200
"""Logins, and new users, that are measured one after the other."""

CHEAP = {
    # The cheapest hashes that are admitted.
    "OSTIARY_SECURITY__HASHING__TIME_COST": "5",
    "OSTIARY_SECURITY__HASHING__MEMORY_COST": "7168",
}
IN_TURN = """
    wrk.method = "POST"
    wrk.headers["Content-Type"] = "application/json"
    local tokens, place = {}, FIRST
    for line in io.lines("FILE") do
      tokens[#tokens + 1] = line
      if #tokens == LAST then break end
    end
    function request()
      place = place < #tokens and place + 1 or FIRST + 1
      return wrk.format(nil, nil, nil, '{"token":"' .. tokens[place] .. '"}')
    end
"""

LOOKED_THROUGH = """
    SELECT sum(seq_tup_read) FROM pg_stat_user_tables WHERE pg_total_relation_size(relid) > 10000000
"""
SIZES_OF_TABLES = "SELECT relname, pg_total_relation_size(relid) FROM pg_stat_user_tables"
SIZES_IN_FILE = """
    SELECT object.tbl_name, sum(page.pgsize) FROM dbstat page
    JOIN sqlite_master object ON object.name = page.name GROUP BY 1
"""


@dataclass
class Place:
    """A store with so many users, and what was measured of a server on it.

    :ivar environment: where the server finds it, if not in the folder.
    :ivar figures: by what was done: µs of CPU time for a check, ms for others.
    """

    users: int
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    admin: str = ""
    url: str = ""
    figures: dict[str, list[float]] = field(default_factory=dict)

    @property
    def tokens(self) -> Path:
        """Where the tokens of its users stand, one a line."""
        return self.folder / "tokens"

    def note(self, what: str, value: float) -> None:
        """Keep a figure."""
        self.figures.setdefault(what, []).append(value)

    def median(self, what: str) -> float:
        """Return what was measured, as the median of the rounds."""
        return statistics.median(self.figures[what])

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Run the server."""
        settings = {**CHEAP, **self.environment}
        with ostiary(str(self.folder), "--dev", settings=settings) as self.url:
            yield

    def fill(self) -> None:
        """Make the users, unless they are there."""
        if self.tokens.exists():
            return
        with self.serving():
            sign_up(self.url)
        tokens = asyncio.run(self._populate())
        self.tokens.write_text("\n".join(tokens) + "\n", encoding="ascii")

    def looked_through(self) -> int:
        """Return how many rows PostgreSQL has read without an index, of tables that are not small."""
        return int(self._asked(LOOKED_THROUGH)[0][0] or 0) if self.admin else 0

    def sizes(self) -> dict[str, float]:
        """Return the bytes of each table with its indexes, for each user."""
        if self.admin:
            rows = self._asked(SIZES_OF_TABLES)
        else:
            rows = []
            for store in TABLES:
                with closing(sqlite3.connect(self.folder / f"{store}.db")) as file:
                    rows += file.execute(SIZES_IN_FILE).fetchall()
        known = {table for tables in TABLES.values() for table in tables}
        return {table: size / self.users for table, size in rows if table in known}

    def _asked(self, sql: str) -> list[Any]:
        async def ask() -> list[Any]:
            connection = await asyncpg.connect(self.admin)
            try:
                rows: list[Any] = await connection.fetch(sql)
                return rows
            finally:
                await connection.close()

        return asyncio.run(ask())

    async def _populate(self) -> list[str]:
        overrides = {"data.dir": str(self.folder)}
        settings = load(config=None, environment=self.environment, overrides=overrides, dev=True)
        numbers = range(1, self.users)
        if not self.admin:
            with Files(self.folder) as files:
                return await populate(files, settings, numbers)
        schemas = await Schemas.reach(self.admin)
        tokens = await populate(schemas, settings, numbers)
        await schemas.close()
        return tokens


def main() -> None:
    """Fill, measure in turn, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--tokens", type=int, default=MANY, help="in turn, to be remembered")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--postgresql", action="store_true")
    parser.add_argument("--fill-only", action="store_true", help="and tell what it takes")
    keeping(parser)
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        places = on_sqlite(folder, options.users)
        if options.postgresql:
            places = on_postgresql(stack, folder, options.users)
        for place in places:
            place.fill()
        small, big = places
        for table, size in big.sizes().items():
            print(f"{table:20}{size:>8.0f} bytes a user, with indexes")
        if options.fill_only:
            return
        many = min(options.tokens, big.users - FEW - 1)
        yardstick = measure(small, big, many, options.seconds, options.rounds)
    name = "PostgreSQL" if options.postgresql else "SQLite"
    report(list(figures(name, small, big, many, yardstick)), keep=options.keep)


def on_sqlite(folder: Path, users: int) -> tuple[Place, Place]:
    """Return a small and a big store in files."""
    small, big = (Place(number, folder / str(number)) for number in (FEW, users))
    return small, big


def on_postgresql(stack: ExitStack, folder: Path, users: int) -> tuple[Place, Place]:
    """Return a small and a big store in databases of a server that is thrown away."""
    server = stack.enter_context(ThrowAwayPostgreSQL())
    key = secrets.token_hex(32)

    def made(number: int) -> Place:
        name = asyncio.run(server.create_database())
        here = Path(tempfile.mkdtemp(dir=folder))
        return Place(number, here, made_ready(server, name, key), server.admin_url(name))

    return made(FEW), made(users)


def measure(small: Place, big: Place, many: int, seconds: int, rounds: int) -> float:
    """Measure both places in turn; return the CPU time of the bare application, in µs."""
    looked_through = big.looked_through()
    with bare() as url, small.serving(), big.serving():
        yardstick = busy(url, "", CHECKED.replace("WANTED", '"status":200'), seconds)
        for _ in range(rounds):
            for place in (small, big):
                place.note("few", checked(place, 0, FEW - 1, seconds))
                place.note("login", each(place, log_in, ALONE // rounds))
                place.note("creation", each(place, create, ALONE // rounds))
        # Fewer than there are: each is seen for the first time.
        big.note("cold", checked(big, FEW, many, min(seconds, 3)))
        before = resident(process_of(big.url))
        # Once through all of them.
        checked(big, FEW, many, int(2 * many * big.median("cold") / 1_000_000) + 2)
        big.note("grown", (resident(process_of(big.url)) - before) / 2**20)
        for _ in range(rounds):
            big.note("many", checked(big, FEW, many, seconds))
            big.note("some", checked(big, FEW, min(SOME, many), seconds))
    # The statistics are there when the server's connections are closed.
    big.note("looked through", big.looked_through() - looked_through)
    return yardstick


def checked(place: Place, first: int, count: int, seconds: int) -> float:
    """Return the CPU time that checks cost the server, in µs, of so many tokens in turn."""
    script = IN_TURN.replace("FIRST", str(first)).replace("LAST", str(first + count))
    script = script.replace("FILE", str(place.tokens)) + CHECKED.replace("WANTED", '"valid":true')
    return busy(place.url, "/_checkToken", script, seconds)


def busy(url: str, path: str, script: str, seconds: int) -> float:
    """Return the CPU time of a server for each request, in µs."""
    before = cpu(url)
    rate = wrk(f"{url}{path}", script, seconds).rate
    return (cpu(url) - before) / (rate * seconds) * 1_000_000


Do = Callable[[HTTPConnection, int], float]


def each(place: Place, do: Do, times: int) -> float:
    """Return the CPU time that the server spends on each, in ms; some are made before."""
    connection = HTTPConnection(urlsplit(place.url).netloc)
    for one in range(10):
        do(connection, 7919 * one % place.users)
    before = cpu(place.url)
    for one in range(times):
        do(connection, 104_729 * one % place.users)
    return (cpu(place.url) - before) / times * 1000


def log_in(connection: HTTPConnection, one: int) -> float:
    """Sign one of the users in."""
    body = {"username": Who.number(one).name, "password": PASSWORD}
    return timed(connection, "/_login/local", body, wanted=200)


def create(connection: HTTPConnection, _: int) -> float:
    """Create a user as nobody else is called."""
    name = f"new{time.time_ns()}"
    credentials = {"username": name, "password": PASSWORD}
    content = {"profileIds": ["default"], "name": name, "email": f"{name}@example.com"}
    body = {"content": content, "credentials": {"local": credentials}}
    return timed(connection, "/users/_create", body, wanted=200)


def cpu(url: str) -> float:
    """Return the CPU time that a server has spent, in seconds."""
    fields = Path(f"/proc/{process_of(url)}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def figures(name: str, small: Place, big: Place, many: int, bare_cost: float) -> Iterator[Figure]:
    """Yield what a million costs beside a hundred, and many tokens beside a few."""
    for what, told in (("login", "CPU of a login"), ("creation", "CPU of a new user")):
        print(f"{told}: {small.median(what):.2f} ms, {big.median(what):.2f} ms")
        ratio = big.median(what) / small.median(what)
        yield at_most("growth", f"{name}, {told}, {big.users:,} of {FEW}", ratio, WITHIN, "x")
    ratio = big.median("few") / small.median("few")
    yield at_most("growth", f"{name}, check, {big.users:,} of {FEW}", ratio, WITHIN, "x")
    if big.admin:
        # SQLite does not count them; tests/server/test_growth.py has its plans explained.
        rows = big.median("looked through")
        yield at_most("growth", f"{name}, rows read without an index", rows, 0, "rows")
    costs = {what: big.median(what) for what in ("some", "many", "cold")}
    print(f"µs of CPU for a check: {costs}; bare {bare_cost:.1f}")
    print(f"memory grown by {big.median('grown'):.0f} MiB for {many:,} tokens")
    wanted = {"many": 0.95, "cold": 0.70}
    for what, told in (("many", "warm"), ("cold", "cold")):
        share = costs["some"] / costs[what]
        yield at_least("G3", f"{name}, {many:,} in turn, {told}, of {SOME:,}", share, wanted[what])
    yield at_least("G3", f"{name}, first sight, of bare", bare_cost / costs["cold"], 0.20)


if __name__ == "__main__":
    main()
