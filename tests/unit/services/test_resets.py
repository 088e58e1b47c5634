"""Resets: one at a time, in --dev only, and of everybody, also of who is just being made."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ostiary import errors
from ostiary.services.resets import Resets
from ostiary.storage.tables import api_keys, search_values, tokens, user_profiles, user_strategies

pytestmark = pytest.mark.anyio


@pytest.fixture
def resets(house: Any) -> Resets:
    found: Resets = house.services.resets
    found._allowed = True
    return found


async def test_without_dev_nothing_is_reset(house: Any) -> None:
    await house.create("ann", badge="1")
    for reset in (house.services.resets.security, house.services.resets.database):
        with pytest.raises(errors.DevOnly):
            await reset()
    assert await house.kuids() == ["ann"]


async def test_nothing_of_anybody_is_left(house: Any, resets: Resets) -> None:
    await house.create("ann", badge="1", card="2")
    await house.create("bob", badge="3")
    assert (await resets.security())["deletedUsers"] == 2
    for table in (user_profiles, user_strategies, tokens, api_keys):
        assert await house.rows(table) == []
    assert {row.collection for row in await house.rows(search_values)} == {"roles", "profiles"}
    assert await house.unsettled() == []
    for kuid, strategy in (("ann", "badge"), ("ann", "card"), ("bob", "badge")):
        assert await house.badge(strategy, kuid) is None
    await house.create("carla", badge="1")


async def test_who_is_being_made_meanwhile_is_made_wholly_or_not_at_all(
    house: Any, resets: Resets, gate: Any
) -> None:
    held = gate()
    house.during("card", "created", held)
    creation = asyncio.create_task(house.create("ann", badge="1", card="2"))
    await held.reached.wait()
    await resets.security()
    held.open()
    with pytest.raises(errors.ActionLocked):
        await creation
    assert await house.kuids() == []
    assert [await house.badge(one, "ann") for one in ("badge", "card")] == [None, None]


@pytest.mark.parametrize("action", ["resetSecurity", "resetDatabase"])
async def test_a_reset_waits_for_no_other(house: Any, resets: Resets, action: str) -> None:
    reset = resets.security if action == "resetSecurity" else resets.database
    async with resets._locks.hold(action):
        with pytest.raises(errors.ActionLocked) as refusal:
            await reset()
    assert refusal.value.props == [action]
    await reset()
