"""Locks: one process at a time, and never a gone one."""

from __future__ import annotations

from typing import Any

import pytest

from ostiary import errors
from ostiary.services.locks import PREFIX, Locks
from ostiary.storage.tables import installation

pytestmark = pytest.mark.anyio


def locks_of(house: Any) -> Locks:
    locks: Locks = house.services.shutdown._locks
    return locks


async def held(house: Any) -> set[str]:
    return {row.key for row in await house.rows(installation) if row.key.startswith(PREFIX)}


async def test_a_lock_is_held_once_in_a_process(house: Any) -> None:
    locks = locks_of(house)
    async with locks.hold("door"):
        with pytest.raises(errors.ActionLocked) as refusal:
            await locks.take("door")
        async with locks.hold("window"):
            assert await held(house) == {f"{PREFIX}door", f"{PREFIX}window"}
    assert refusal.value.props == ["door"]
    assert await held(house) == set()


async def test_a_lock_is_held_once_among_processes(open_house: Any) -> None:
    one, other = await open_house(), await open_house()
    # The presence that both share stands for the process; the other one has an id of its own.
    instance = await other.services.journal._presence.join()
    async with locks_of(one).hold("door"):
        with pytest.raises(errors.ActionLocked):
            await locks_of(other).take("door")
    await locks_of(other).take("door")
    assert {row.value for row in await other.rows(installation)} >= {instance}


async def test_a_lock_is_let_go_when_the_block_fails(house: Any) -> None:
    locks = locks_of(house)
    with pytest.raises(OSError, match="the door jams"):
        async with locks.hold("door"):
            raise OSError("the door jams")
    assert await held(house) == set()
    await locks.take("door")


async def test_a_gone_process_locks_nothing(open_house: Any) -> None:
    gone, house = await open_house(), await open_house()
    await locks_of(gone).take("door")
    await gone.services.journal._presence.leave()
    await locks_of(house).take("door")
    assert await held(house) == {f"{PREFIX}door"}
