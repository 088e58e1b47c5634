"""Promises about credentials that are changed and erased."""

from __future__ import annotations

from typing import Any

from ostiary import errors
from ostiary.fields import described
from ostiary.testing.promise import NotAsked, expect, promise
from ostiary.testing.trial import Bench, Trial

FIRST, SECOND = "trial-first", "trial-second"


@promise("erasing is complete, does nothing the second time, and touches nobody else")
async def deletion(trial: Trial) -> None:
    """Erase twice, and what never was; then the credentials are somebody else's to take."""
    async with trial.open() as bench:
        mine, others = bench.sample.good(0), bench.sample.good(1)
        await bench.create(FIRST, mine)
        await bench.create(SECOND, others)
        for kuid in (FIRST, FIRST, "trial-nobody"):
            error = await bench.refusal(bench.erase(kuid))
            expect(error is None, f"erasing what is not there is refused: {error}")
        left = await bench.traces(FIRST)
        expect(not left, f"the tables {left} still name the user")
        expect(await bench.opens(mine) is None, "erased credentials open an account")
        expect(await bench.opens(others) == SECOND, "another user's credentials went with them")
        error = await bench.refusal(bench.create("trial-third", mine))
        expect(error is None, f"nobody can take erased credentials again: {error}")


@promise("an update of every field replaces the credentials")
async def update(trial: Trial) -> None:
    """Change everything at once; what is shown and what opens the account is new."""
    async with trial.open() as bench:
        new = bench.sample.updates
        await bench.create(FIRST, bench.sample.good())
        seen = await bench.update(FIRST, new)
        expect(await bench.opens(new) == FIRST, "the new credentials do not open the account")
        shown = await bench.door.get(bench.name, FIRST)
        told = {name: value for name, value in seen.items() if name != "kuid"}
        expect(told == shown, f"the update answers {sorted(told)}, and get something else")


@promise("an update of one field leaves the others as they are")
async def partial(trial: Trial) -> None:
    """Change each field alone."""
    async with trial.open() as bench:
        good, new = bench.sample.good(), bench.sample.updates
        changed = [name for name in good if name in new and new[name] != good[name]]
        for number, name in enumerate(changed):
            kuid = f"trial-{number}"
            await bench.create(kuid, good)
            before = await bench.door.get(bench.name, kuid)
            error = await bench.refusal(bench.update(kuid, {name: new[name]}))
            expect(error is None, f"{name} alone cannot be changed: {error}")
            opened = await bench.opens({**good, name: new[name]})
            expect(opened == kuid, f"with a new {name} and the rest as before nobody is let in")
            after = await bench.door.get(bench.name, kuid)
            lost = _rest(before, new, good, name) != _rest(after, new, good, name)
            expect(not lost, f"another member of the view changed with {name}")
            await bench.delete(kuid)


@promise("after an update what was replaced opens nothing")
async def old_secret(trial: Trial) -> None:
    """Change each secret, and the identifier, and try the old one."""
    async with trial.open() as bench:
        good, new = bench.sample.good(), bench.sample.updates
        names = [*bench.sample.secrets, bench.strategy.identifier]
        changed = [name for name in names if name in new and new[name] != good.get(name)]
        if not changed:
            raise NotAsked("updates change no secret and no identifier")
        for number, name in enumerate(changed):
            kuid = f"trial-{number}"
            await bench.create(kuid, good)
            await bench.update(kuid, {name: new[name]})
            expect(await bench.opens(good) is None, f"the old {name} still opens the account")
            await bench.delete(kuid)


@promise("a missing or wrong proof of who one is is refused, a right one is not; none writes")
async def proof(trial: Trial) -> None:
    """Ask for a proof as before a change of one's own credentials."""
    async with trial.open() as bench:
        if not bench.door.reauthenticates(bench.name):
            raise NotAsked("the strategy asks for no proof")
        right, wrong, new = bench.sample.proof, bench.sample.wrong_proof, bench.sample.updates
        if not right:
            raise NotAsked("what proves it is not named; proof = {...} says so")
        drawn = {one.name for one in described(bench.strategy.proof)}
        odd = drawn and drawn != right.keys()
        expect(not odd, f"pages ask for {sorted(drawn)}, and the proof is {sorted(right)}")
        await bench.create(FIRST, bench.sample.good())
        before = await bench.rows()
        for what, body, kind in (
            ("a missing proof", {}, errors.BadRequestError),
            ("a wrong proof", wrong, errors.ForbiddenError),
        ):
            error = await bench.refusal(bench.prove(FIRST, {**new, **body}))
            expect(isinstance(error, kind), f"{what} gives {error!r}, wanted: a {kind.__name__}")
        error = await bench.refusal(bench.prove(FIRST, {**new, **right}))
        expect(error is None, f"a right proof is refused: {error}")
        expect(await bench.rows() == before, "a proof changed what the plugin keeps")


@promise("without credentials there is nothing to show: get gives None")
async def absence(trial: Trial) -> None:
    """Ask for credentials that never were, are no more, or are another user's."""
    async with trial.open() as bench:
        expect(await _none(bench, FIRST), "get shows credentials of a user who never had any")
        await bench.create(FIRST, bench.sample.good())
        expect(await _none(bench, SECOND), "get shows credentials of a user who has none")
        expect(not await _none(bench, FIRST), "get gives None for credentials that are there")
        await bench.delete(FIRST)
        expect(await _none(bench, FIRST), "get shows credentials after they are erased")


async def _none(bench: Bench, kuid: str) -> bool:
    return await bench.asked(bench.door.get(bench.name, kuid)) is None


def _rest(view: Any, new: dict[str, Any], good: dict[str, Any], changed: str) -> dict[str, Any]:
    """Return the members of a view that show fields which were not changed."""
    names = (new.keys() | good.keys()) - {changed}
    return {name: value for name, value in (view or {}).items() if name in names}
