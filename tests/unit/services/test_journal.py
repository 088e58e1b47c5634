"""The journal: what a crash or a failing strategy leaves is undone, and nothing that goes on is."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import update

from ostiary import errors
from ostiary.services import journal as module
from ostiary.storage.tables import journal

pytestmark = pytest.mark.anyio


async def fail(_kuid: str) -> None:
    raise OSError("no way to the badges")


async def nothing(_kuid: str) -> None:
    pass


async def die(house: Any) -> None:
    """Do to others what the end of a process does: its presence ends, its rows stay."""
    await house.services.journal._presence.leave()


async def half_made(house: Any, gate: Any) -> asyncio.Task[Any]:
    """Begin to create a user, and stay in the middle of it."""
    held = gate()
    house.during("card", "created", held)
    creation = asyncio.create_task(house.create("ann", badge="1", card="2"))
    await held.reached.wait()
    house.during("card", "created", nothing)
    creation.held = held  # type: ignore[attr-defined]
    return creation


async def over(creation: Any) -> BaseException | None:
    """Let a creation go on, and tell how it ended."""
    creation.held.open()
    outcome: Any = (await asyncio.gather(creation, return_exceptions=True))[0]
    return outcome if isinstance(outcome, BaseException) else None


async def test_what_a_gone_process_left_is_swept(open_house: Any, gate: Any) -> None:
    lost, house = await open_house(), await open_house()
    creation = await half_made(lost, gate)
    await die(lost)
    await house.services.journal.sweep()
    assert await house.unsettled() == []
    assert [await house.badge(one, "ann") for one in ("badge", "card")] == [None, None]
    assert isinstance(await over(creation), errors.ActionLocked)


async def test_a_name_that_a_gone_process_was_taking_is_free_at_once(
    open_house: Any, gate: Any
) -> None:
    lost, house = await open_house(), await open_house()
    creation = await half_made(lost, gate)
    await die(lost)
    assert await house.create("ann", badge="3", card="2") == "ann"
    assert await house.unsettled() == []
    assert isinstance(await over(creation), errors.ActionLocked)
    assert await house.show("card", "2") == await house.show("badge", "3") == "ann"


async def test_who_was_taken_for_gone_claims_nothing_of_what_is_left(
    open_house: Any, gate: Any
) -> None:
    """One strategy of two was erased already: the user must not be made with the other."""
    lost, house = await open_house(), await open_house()
    creation = await half_made(lost, gate)
    await die(lost)
    (row,) = [row for row in await house.unsettled() if row.strategy == "badge"]
    await house.services.journal._settle_row(row)
    assert isinstance(await over(creation), errors.ActionLocked)
    assert await house.kuids() == []
    assert [await house.badge(one, "ann") for one in ("badge", "card")] == [None, None]
    assert await house.unsettled() == []


async def test_what_is_being_made_here_or_elsewhere_is_not_swept(
    open_house: Any, gate: Any
) -> None:
    maker, other = await open_house(), await open_house()
    creation = await half_made(maker, gate)
    for house in (maker, other):
        await house.services.journal.sweep()
        with pytest.raises(errors.UserAlreadyExists):
            await house.create("ann")
    assert await over(creation) is None
    assert await other.show("badge", "1") == await other.show("card", "2") == "ann"


async def test_access_ends_although_a_strategy_cannot_erase_and_sweeping_tries_again(
    house: Any,
) -> None:
    await house.create("ann", badge="1", card="2")
    house.during("badge", "delete", fail)
    await house.services.users.delete("ann")
    assert await house.badge("badge", "ann") == "1"
    assert [row.strategy for row in await house.unsettled()] == ["badge"]
    with pytest.raises(errors.LoginRefused):
        await house.show("badge", "1")
    await house.services.journal.sweep()
    assert [row.strategy for row in await house.unsettled()] == ["badge"]
    house.during("badge", "delete", nothing)
    await house.services.journal.sweep()
    assert await house.badge("badge", "ann") is None
    assert await house.unsettled() == []


async def test_an_undoing_that_failed_is_swept(house: Any) -> None:
    house.during("badge", "delete", fail)
    house.during("card", "created", fail)
    with pytest.raises(errors.PluginUnexpectedError):
        await house.create("ann", badge="1", card="2")
    assert await house.badge("badge", "ann") == "1"
    house.during("badge", "delete", nothing)
    await house.services.journal.sweep()
    assert await house.badge("badge", "ann") is None
    assert await house.unsettled() == []


async def test_credentials_of_a_missing_plugin_are_erased_when_it_is_back(open_house: Any) -> None:
    house = await open_house()
    await house.create("ann", badge="1", card="2")
    house.during("card", "delete", fail)
    await house.services.users.delete("ann")
    without = await open_house("badge")
    await without.services.journal.sweep()
    assert [row.strategy for row in await without.unsettled()] == ["card"]
    house.during("card", "delete", nothing)
    await house.services.journal.sweep()
    assert await house.badge("card", "ann") is None
    assert await house.unsettled() == []


async def test_who_creates_waits_for_what_is_being_erased(house: Any, gate: Any) -> None:
    await house.create("ann", badge="1")
    held = gate()
    house.during("badge", "delete", held)
    taking = asyncio.create_task(house.services.credentials.delete("badge", "ann"))
    await held.reached.wait()
    giving = asyncio.create_task(house.give("ann", "badge", "2"))
    held.open()
    await taking
    assert (await giving)["badge"] == "2"
    assert await house.show("badge", "2") == "ann"
    assert await house.unsettled() == []


async def test_nobody_waits_for_ever(
    house: Any, gate: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.05)
    await house.create("ann", badge="1")
    held = gate()
    house.during("badge", "delete", held)
    taking = asyncio.create_task(house.services.credentials.delete("badge", "ann"))
    await held.reached.wait()
    with pytest.raises(errors.ActionLocked):
        await house.give("ann", "badge", "2")
    held.open()
    await taking
    assert await house.unsettled() == []


async def test_a_row_of_an_operation_that_nobody_runs_is_left_over(house: Any, gate: Any) -> None:
    creation = await half_made(house, gate)
    async with house.store.begin() as db:
        await db.execute(update(journal).values(operation="somebody else's"))
    await house.services.journal.sweep()
    assert await house.unsettled() == []
    assert isinstance(await over(creation), errors.ActionLocked)
    assert await house.kuids() == []
