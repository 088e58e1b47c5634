"""Promises about a server that dies."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys

from sqlalchemy import update

from ostiary.storage.store import CORE
from ostiary.storage.tables import instances, journal
from ostiary.testing import crashing
from ostiary.testing.promise import expect, promise
from ostiary.testing.trial import Bench, Faulty, Trial, rows_of


@promise("a server killed between validate and create, or right after, leaves nothing behind")
async def crash(trial: Trial) -> None:
    """Kill a process that creates two users, and let the next one sweep."""
    async with trial.open() as bench:
        good = [bench.sample.good(n) for n in (0, 1)]
        before = await bench.rows()
    await _die(trial, good)
    async with trial.open() as bench:
        await _sweep(bench)
        left = (await rows_of(bench.core.stores[CORE], [journal]))[journal.name]
        expect(not left, f"what was begun cannot be undone: {bench.told.failure}")
        expect(await bench.rows() == before, "rows are left of users who never were")
        for credentials in good:
            expect(await bench.opens(credentials) is None, "half-made credentials open an account")
        for n, credentials in enumerate(good):
            error = await bench.refusal(bench.create(f"trial-heir-{n}", credentials))
            expect(error is None, f"half-made credentials cannot be taken by another: {error}")


async def _die(trial: Trial, good: list[dict[str, object]]) -> None:
    """Run the process that kills itself."""
    told = {
        "overrides": trial.options.overrides,
        "environment": trial.options.environment,
        "strategy": trial.name,
        "validated": good[0],
        "created": good[1],
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        crashing.__name__,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        # The plugin may be importable here for another reason than that it is installed.
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    _, said = await process.communicate(json.dumps(told).encode())
    if process.returncode != -signal.SIGKILL:
        raise Faulty(f"a process that creates users ended early: {said.decode(errors='replace')}")


async def _sweep(bench: Bench) -> None:
    """Undo what the dead have begun, as the housekeeping of every server does."""
    if bench.core.settings.database.url is not None:
        # Their leases would be over in ten seconds.
        async with bench.core.stores[CORE].begin() as db:
            await db.execute(update(instances).values(alive_until=0))
    await bench.core.services.journal.sweep()
