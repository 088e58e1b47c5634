"""How many logins a second one PostgreSQL takes from all machines together, their hashes apart.

Logins take turns: see docs/scaling.md. Processes that do nothing but write what a login writes share a
database that is thrown away, with fsync on, and then with a standby that must have every commit, too.

    python bench/turns.py [--processes 2] [--seconds 3]
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing import get_context
from tempfile import TemporaryDirectory

from driving import made_ready, missing

from ostiary.composition import find_plugins, make_backend, open_core
from ostiary.key_settings import load_master_key
from ostiary.request import ANONYMOUS
from ostiary.services.sessions import Origin
from ostiary.settings import Settings, load
from ostiary.testing.postgresql import ThrowAwayPostgreSQL, started
from ostiary.testing.server import ThrowAwayServer
from ostiary.testing.standby import ThrowAwayStandby

DURABLE = {"fsync": "on", "full_page_writes": "on"}
EVER = 2**62
AT_ONCE = (1, 16)
"""Logins at once, in each process."""


def main() -> None:
    """Measure with one login at once, and with more."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=3)
    options = parser.parse_args()
    with ExitStack() as stack:
        primary = stack.enter_context(started(missing, DURABLE))
        settings = stack.enter_context(stores_on(primary))
        measure("alone", settings, options.processes, options.seconds)
        stack.enter_context(ThrowAwayStandby(primary))
        asyncio.run(primary.run("ALTER SYSTEM SET synchronous_standby_names = 'standby'"))
        asyncio.run(primary.run("SELECT pg_reload_conf()"))
        measure("with a standby", settings, options.processes, options.seconds)


def measure(what: str, settings: Settings, processes: int, seconds: float) -> None:
    """Print how many logins a second are written."""
    for at_once in AT_ONCE:
        with get_context("spawn").Pool(processes) as pool:
            made = pool.starmap(write, [(settings, at_once, seconds)] * processes)
        print(
            f"{what:16} {processes} processes, {at_once:3} logins at once in each: "
            f"{sum(made) / seconds:,.0f} a second"
        )


def write(settings: Settings, at_once: int, seconds: float) -> int:
    """Write what logins write, in a process, and return how many there were."""
    return asyncio.run(_write(settings, at_once, seconds))


async def _write(settings: Settings, at_once: int, seconds: float) -> int:
    master = load_master_key(settings)
    plugins = find_plugins(settings)
    count = 0
    async with open_core(settings, plugins, master, make_backend(settings, master)) as core:
        await core.signing_keys.load()
        tokens, accounts = core.services.tokens, core.services.accounts
        account = await accounts.find(ANONYMOUS)
        assert account is not None
        end = time.monotonic() + seconds

        async def log_in() -> None:
            nonlocal count
            while time.monotonic() < end:
                made = await tokens.issue(account, None, Origin(), unless_changed_since=EVER)
                assert made is not None
                count += 1

        await asyncio.gather(*(log_in() for _ in range(at_once)))
    return count


@contextmanager
def stores_on(server: ThrowAwayPostgreSQL) -> Iterator[Settings]:
    """Make the stores, and return the settings that lead there."""
    name = asyncio.run(server.create_database())
    environment = made_ready(server, name, secrets.token_hex(32))
    # The first start makes the signing key.
    with ThrowAwayServer(environment={**environment}, dev=True):
        pass
    with TemporaryDirectory() as folder:
        yield load(config=None, environment=environment, overrides={"data.dir": folder})


if __name__ == "__main__":
    main()
