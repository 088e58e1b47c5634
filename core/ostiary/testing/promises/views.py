"""Promises about what a client may see of credentials."""

from __future__ import annotations

import json
from typing import Any

from ostiary.filters import Everything
from ostiary.plugins import BY_ID, SEARCH
from ostiary.testing.promise import NotAsked, expect, promise
from ostiary.testing.trial import Bench, Trial

FIRST, SECOND = "trial-first", "trial-second"


@promise("what is shown of credentials is an object of JSON, and names no other user")
async def views(trial: Trial) -> None:
    """Look at every view that a hook gives, wherever it is implemented."""
    async with trial.open() as bench:
        for hook, view in (await seen(bench)).items():
            try:
                json.dumps(view, allow_nan=False)
            except (TypeError, ValueError) as error:
                expect(False, f"what {hook} shows cannot be written as JSON: {error}")
            expect(all(isinstance(key, str) for key in view), f"{hook} shows a key that is no text")
            expect(view.get("kuid", FIRST) == FIRST, f"{hook} shows the kuid of another user")


@promise("get_by_id and search show what get shows")
async def agreement(trial: Trial) -> None:
    """Compare the views of two users."""
    async with trial.open() as bench:
        if not (implements(bench, BY_ID) or implements(bench, SEARCH)):
            raise NotAsked("neither get_by_id nor search is implemented")
        shown = {}
        for n, kuid in enumerate((FIRST, SECOND)):
            await bench.create(kuid, bench.sample.good(n))
            shown[kuid] = {**(await bench.door.get(bench.name, kuid) or {}), "kuid": kuid}
        if implements(bench, BY_ID) and bench.strategy.identifier:
            for n, kuid in enumerate((FIRST, SECOND)):
                found = await bench.asked(bench.door.get_by_id(bench.name, _id(bench, n)))
                expect(
                    found == shown[kuid], "get_by_id does not show what get shows, with the kuid"
                )
        if implements(bench, SEARCH):
            await _search(bench, shown)


async def seen(bench: Bench, first: dict[str, Any] | None = None) -> dict[str, dict[str, Any]]:
    """Return what each hook shows of the first user's credentials.

    :param first: credentials to write instead of the sample's.
    """
    door, name = bench.door, bench.name
    created = await bench.create(FIRST, first or bench.sample.good())
    shown = {"get": await bench.asked(door.get(name, FIRST)) or {}}
    if implements(bench, BY_ID) and bench.strategy.identifier:
        id = str((first or bench.sample.good())[bench.strategy.identifier])
        shown["get_by_id"] = await bench.asked(door.get_by_id(name, id))
    if implements(bench, SEARCH):
        found = await bench.asked(door.search(name, Everything(), (), offset=0, limit=10))
        shown["search"] = dict(found.hits[0]) if found.hits else {}
    shown["update"] = await bench.update(FIRST, first or bench.sample.good())
    await bench.delete(created.kuid)
    shown["create"] = await bench.write(FIRST, first or bench.sample.good())
    return shown


def implements(bench: Bench, hook: str) -> bool:
    """Tell whether the plugin has a hook."""
    manager = bench.core.plugins.manager
    callers = manager.get_hookcallers(bench.plugin.module) or ()
    return any(caller.name == hook for caller in callers)


async def _search(bench: Bench, shown: dict[str, dict[str, Any]]) -> None:
    async def page(offset: int, limit: int) -> Any:
        searching = bench.door.search(bench.name, Everything(), (), offset=offset, limit=limit)
        return await bench.asked(searching)

    whole = await page(0, 10)
    found = {hit["kuid"]: dict(hit) for hit in whole.hits}
    expect(found == shown, "search does not find what get shows, with the kuid")
    expect(whole.total == len(shown), f"search counts {whole.total} of {len(shown)} credentials")
    pages = [await page(0, 1), await page(1, 1)]
    kuids = [hit["kuid"] for one in pages for hit in one.hits]
    expect(sorted(kuids) == sorted(shown), f"pages of one show {kuids}")


def _id(bench: Bench, n: int) -> str:
    return str(bench.sample.good(n)[bench.strategy.identifier or ""])
