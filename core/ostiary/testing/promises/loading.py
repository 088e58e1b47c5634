"""The promise that comes before all others."""

from __future__ import annotations

from ostiary.testing.promise import expect, promise
from ostiary.testing.trial import Trial


@promise("the plugin loads through its entry point, and its store opens")
async def loads(trial: Trial) -> None:
    """Open the stores, with the plugin on them and its strategy declared."""
    async with trial.open() as bench:
        expect(bench.plugin.storage is not None, "a strategy needs a store: ostiary_storage")
