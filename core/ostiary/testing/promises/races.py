"""Promises about who gets what only one can have."""

from __future__ import annotations

import asyncio

from ostiary.testing.promise import NotAsked, expect, promise
from ostiary.testing.trial import Bench, Trial

MANY = 50
FIRST, SECOND = "trial-first", "trial-second"


@promise("of 50 who create the same credentials at once one gets them, and the others nothing")
async def uniqueness(trial: Trial) -> None:
    """Validate all of them before the first is created, so that only ``create`` can tell."""
    async with trial.open() as bench:
        if bench.strategy.identifier is None:
            raise NotAsked("the strategy has no identifier that one user alone can have")
        good, kuids = bench.sample.good(), [f"trial-{number:02}" for number in range(MANY)]
        await asyncio.gather(*(bench.refusal(bench.validate(kuid, good)) for kuid in kuids))
        results = await asyncio.gather(*(bench.refusal(bench.write(kuid, good)) for kuid in kuids))
        winners = [kuid for kuid, error in zip(kuids, results, strict=True) if error is None]
        expect(len(winners) == 1, f"{len(winners)} of {MANY} got the same credentials")
        losers = [kuid for kuid in kuids if kuid not in winners]
        left = [kuid for kuid in losers if await bench.traces(kuid)]
        expect(not left, f"{len(left)} users who got nothing stand in the tables")
        for kuid in losers[:5]:
            await bench.erase(kuid)
        expect(await bench.opens(good) == winners[0], "undoing the others took it from the winner")


@promise(
    "validate refuses what create or update would refuse, and they refuse it by themselves too"
)
async def validation(trial: Trial) -> None:
    """Try credentials that lack a field, and some that another user has."""
    async with trial.open() as bench:
        good = bench.sample.good()
        for name in good:
            await _expect_agreed(bench, {key: good[key] for key in good if key != name}, name)
        await bench.create(FIRST, good)
        if bench.strategy.identifier is None:
            return
        taken = {**bench.sample.good(1), bench.strategy.identifier: good[bench.strategy.identifier]}
        error = await bench.refusal(bench.validate(SECOND, taken))
        expect(error is not None, "validate accepts what another user has")
        error = await bench.refusal(bench.write(SECOND, taken))
        expect(error is not None, "create accepts what another user has")
        await bench.create(SECOND, bench.sample.good(1))
        name = bench.strategy.identifier
        error = await bench.refusal(bench.validate(SECOND, {name: good[name]}, partial=True))
        expect(error is not None, "validate accepts an update to what another user has")


async def _expect_agreed(bench: Bench, credentials: dict[str, object], without: str) -> None:
    if await bench.refusal(bench.validate(FIRST, credentials)) is not None:
        return
    error = await bench.refusal(bench.write(FIRST, credentials))
    expect(error is None, f"without {without} validate accepts what create refuses: {error}")
    await bench.erase(FIRST)
