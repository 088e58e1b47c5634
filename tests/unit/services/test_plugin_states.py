"""How it is with each plugin, as a running server tells it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from anyio import sleep_forever
from sqlalchemy import update

from ostiary import errors
from ostiary.circuits import FAILURES
from ostiary.services.plugin_records import PluginRecords
from ostiary.settings import load
from ostiary.startup import opened
from ostiary.storage.tables import plugins
from ostiary.testing.packages import badge, installed

pytestmark = pytest.mark.anyio


async def told(house: Any, name: str) -> dict[str, Any]:
    found = {one["name"]: one for one in await house.services.plugin_states.describe()}
    one: dict[str, Any] = found[name]
    return one


async def forget_package(house: Any, name: str, as_: str) -> None:
    """Have a plugin be called as none that is installed is."""
    async with house.store.begin() as db:
        await db.execute(update(plugins).where(plugins.c.name == name).values(name=as_))


async def test_who_would_be_locked_out_is_told_of_each(house: Any) -> None:
    await house.create("ann", badge="1")
    await house.create("ben", badge="2", card="3")
    found = await told(house, "badge")
    assert (found["state"], found["users"]) == ("loaded", 2)
    assert [(one["name"], one["users"]) for one in found["strategies"]] == [("badge", 2)]
    assert found["lockout"] == {
        "users": 1,
        "administrators": 0,
        "first": ["ann"],
        "lastAdministrator": False,
    }
    assert (await told(house, "card"))["lockout"]["users"] == 0


async def test_what_is_disabled_is_loaded_still_until_the_next_start(
    house: Any, open_house: Callable[..., Any]
) -> None:
    records = PluginRecords(house.store, lambda: 1_700_000_000_000)
    record = await records.find("card")
    assert record is not None
    await records.disable(record)
    found = await told(house, "card")
    assert (found["state"], found["disabledAt"]) == ("loaded", 1_700_000_000_000)
    later = await open_house()
    assert (await told(later, "card"))["state"] == "disabled"
    # And once it is enabled, until the start after.
    await records.enable("card")
    found = await told(later, "card")
    assert (found["state"], found["disabledAt"]) == ("disabled", None)


async def test_what_was_installed_since_the_start_is_new(house: Any, tmp_path: Path) -> None:
    with installed(tmp_path / "late", badge("late")):
        found = await told(house, "late")
    assert (found["state"], found["version"], found["store"]) == ("new", "1.0", None)
    assert found["reason"]


async def test_a_failsafe_start_says_that_it_has_loaded_none(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made, tmp_path / "data")
    given = {"data.dir": str(tmp_path / "data")}
    settings = load(config=None, environment={}, overrides=given, failsafe=True)
    async with opened(settings) as core:
        found = {one["name"]: one for one in await core.services.plugin_states.describe()}
    assert found["badge"]["state"] == "not loaded"
    assert "--failsafe" in found["badge"]["reason"]


async def test_a_plugin_that_is_not_allowed_says_why_and_who_misses_it(
    house: Any, open_house: Callable[..., Any]
) -> None:
    await house.create("ann", card="1")
    later = await open_house("badge")
    found = await told(later, "card")
    assert (found["state"], found["reason"]) == ("not loaded", "not among plugins.allow")
    assert (found["users"], found["lockout"]["first"]) == (1, ["ann"])
    assert [(one["name"], one["loaded"]) for one in found["strategies"]] == [("card", False)]


async def test_a_plugin_that_is_gone_is_told_of_while_users_rely_on_it(
    house: Any, open_house: Callable[..., Any]
) -> None:
    await house.create("ann", card="1")
    await forget_package(house, "card", "visitor")
    later = await open_house("badge")
    found = await told(later, "visitor")
    assert (found["state"], found["installedVersion"]) == ("gone", None)
    assert (found["users"], found["lockout"]["users"]) == (1, 1)
    assert found["seenAt"] > 0


async def test_a_plugin_that_does_not_answer_is_said_to_be_left_alone(house: Any) -> None:
    await house.create("ann", badge="1")
    calls = house.services.strategies.calls
    subject = "strategy badge"
    assert calls.health(subject) == "working"
    for expected in ["failing"] * (FAILURES - 1) + ["left alone"]:
        calls._limit = 0.01
        with pytest.raises(errors.PluginTimeout):
            await calls.call(subject, "verify", sleep_forever)
        assert (await told(house, "badge"))["strategies"][0]["health"] == expected
