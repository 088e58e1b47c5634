"""Upserts meet users who are being created: they wait for them, though not without end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ostiary import Call, errors
from ostiary.services import upserts
from ostiary.services.user_rows import StoredUser

pytestmark = pytest.mark.anyio


async def upsert(house: Any, kuid: str, **content: Any) -> StoredUser:
    return await upserts.upsert(
        house.services.users,
        Call(),
        kuid,
        ("default",),
        content,
        default={"new": 1},
        credentials={},
    )


async def test_a_user_is_created_and_then_changed(house: Any) -> None:
    assert (await upsert(house, "ann", a=1)).content == {"new": 1, "a": 1}
    assert (await upsert(house, "ann", a=2)).content == {"new": 1, "a": 2}


async def test_who_is_being_created_is_waited_for(house: Any, gate: Any) -> None:
    """RACE-01"""
    held = gate()
    house.during("badge", "created", held)
    creation = asyncio.create_task(house.create("ann", badge="1"))
    await held.reached.wait()
    change = asyncio.create_task(upsert(house, "ann", a=1))
    await asyncio.sleep(2 * upserts.PAUSE)
    assert not change.done()
    held.open()
    assert await creation == "ann"
    assert (await change).content == {"a": 1}


async def test_who_is_being_created_for_too_long_is_not(
    house: Any, gate: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = gate()
    house.during("badge", "created", held)
    creation = asyncio.create_task(house.create("ann", badge="1"))
    await held.reached.wait()
    monkeypatch.setattr(upserts, "PATIENCE", 0.05)
    with pytest.raises(errors.UserAlreadyExists):
        await upsert(house, "ann")
    held.open()
    assert await creation == "ann"


@pytest.mark.parametrize("kuid", ["-1", "anonymous"])
async def test_who_has_not_signed_in_is_nobody_to_be_created(house: Any, kuid: str) -> None:
    """AZ-07"""
    with pytest.raises(errors.UserAlreadyExists):
        await upsert(house, kuid)
