"""Enrolment: a batch of users is there whole, with credentials, or nothing of it is."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from sqlalchemy import insert, select

from ostiary import Recruit, errors
from ostiary.services.enrolment import MOST
from ostiary.storage.tables import (
    audit,
    changes,
    search_values,
    user_profiles,
    user_strategies,
)

pytestmark = pytest.mark.anyio

STRATEGY = "badge"
THREE = [Recruit("ann", content={"city": "Ghent"}), Recruit("bob"), Recruit("cy", ("admin",))]

Write = Callable[[Any], Awaitable[None]]


def badges() -> Any:
    """Return the table of the toy, which was imported from a folder of the test."""
    return sys.modules["toy_badge"].badges


def writing(house: Any, *, then: Exception | None = None) -> Write:
    """Return what gives everybody a badge that is called like them."""

    async def write(kuids: Sequence[Any]) -> None:
        rows = [{"kuid": one, "badge": f"of {one}"} for one in kuids if isinstance(one, str)]
        async with house.core.stores[STRATEGY].begin() as db:
            await db.execute(insert(badges()), rows)
        if then is not None:
            raise then

    return write


async def enrol(
    house: Any, recruits: Sequence[Recruit], write: Write | None = None, *, join: bool = False
) -> list[Any]:
    write = write or writing(house)
    return list(await house.services.enrolment.enrol(STRATEGY, recruits, write, join=join))


async def holders(house: Any) -> list[str]:
    async with house.core.stores[STRATEGY].read() as db:
        return sorted((await db.execute(select(badges().c.kuid))).scalars())


async def test_everybody_of_a_batch_is_a_user_and_signs_in(house: Any) -> None:
    assert await enrol(house, THREE) == ["ann", "bob", "cy"]
    assert [await house.show(STRATEGY, f"of {kuid}") for kuid in ("ann", "bob", "cy")] == [
        "ann", "bob", "cy",
    ]  # fmt: skip
    assert await house.unsettled() == []
    found = {user.kuid: user for user in await house.services.users.many(["ann", "bob", "cy"])}
    assert found["ann"].content == {"city": "Ghent"}
    assert [found[kuid].profile_ids for kuid in ("ann", "cy")] == [("default",), ("admin",)]
    assert len({user.generation for user in found.values()}) == 3
    assert [
        (row.id, row.text) for row in await house.rows(search_values) if row.path == "city"
    ] == [("ann", "Ghent")]
    assert len(await house.rows(user_strategies)) == len(await house.rows(user_profiles)) == 3


async def test_the_log_tells_of_each_user_and_so_do_the_changes(house: Any) -> None:
    before = len(await house.rows(changes))
    await enrol(house, THREE)
    told = [(row.event, row.about) for row in await house.rows(audit)][-3:]
    assert told == [("UserCreated", kuid) for kuid in ("ann", "bob", "cy")]
    assert [row.id for row in await house.rows(changes)][before:] == ["ann", "bob", "cy"]


async def test_a_kuid_is_made_for_who_brings_none(house: Any) -> None:
    made = await enrol(house, [Recruit() for _ in range(50)])
    assert len(set(made)) == 50
    assert all(kuid.startswith("kuid-") for kuid in made)
    assert await house.kuids() == sorted(made)


async def test_who_is_refused_keeps_nobody_from_coming(house: Any) -> None:
    await house.create("ann")
    wrong = [
        *THREE,
        Recruit("bob"),
        Recruit("dora", ("ghost",)),
        Recruit("-1"),
        Recruit(" eve"),
        Recruit("fay", content={"much": "x" * 2**18}),
    ]
    found = await enrol(house, wrong)
    assert [one if isinstance(one, str) else type(one) for one in found] == [
        errors.UserAlreadyExists,
        "bob",
        "cy",
        errors.UserAlreadyExists,
        errors.ProfileNotFound,
        errors.UserAlreadyExists,
        errors.InvalidArgument,
        errors.UserTooLarge,
    ]
    assert await house.kuids() == ["ann", "bob", "cy"]
    assert await holders(house) == ["bob", "cy"]


async def test_a_batch_of_refused_ones_writes_nothing(house: Any) -> None:
    async def write(_kuids: object) -> None:
        raise AssertionError("nobody is left")

    (found,) = await enrol(house, [Recruit("ann", ("ghost",))], write)
    assert isinstance(found, errors.ProfileNotFound)
    assert await house.unsettled() == []


async def test_examining_tells_the_same_and_writes_nothing(house: Any) -> None:
    await house.create("ann", badge="1")
    await house.create("bob")
    recruits = [*THREE, Recruit(), Recruit("dora", ("ghost",))]
    for join in (False, True):
        told = await house.services.enrolment.examine(STRATEGY, recruits, join=join)
        assert [one if isinstance(one, str) else type(one) for one in told] == [
            errors.CredentialsExist if join else errors.UserAlreadyExists,
            "bob" if join else errors.UserAlreadyExists,
            "cy",
            "",
            errors.ProfileNotFound,
        ]
    assert await house.kuids() == ["ann", "bob"]
    assert await house.unsettled() == []


async def test_nothing_is_left_of_a_batch_that_the_plugin_cannot_write(house: Any) -> None:
    with pytest.raises(OSError, match="no room"):
        await enrol(house, THREE, writing(house, then=OSError("no room")))
    assert (await house.kuids(), await holders(house), await house.unsettled()) == ([], [], [])


async def test_nothing_is_left_of_a_batch_whose_profile_goes_meanwhile(house: Any) -> None:
    await house.services.profiles.put("clerk", {"policies": [{"roleId": "default"}]}, None)
    write = writing(house)

    async def write_and_delete(kuids: Any) -> None:
        await write(kuids)
        await house.services.profiles.delete("clerk")

    with pytest.raises(errors.ProfileNotFound):
        await enrol(house, [*THREE, Recruit("dora", ("clerk",))], write_and_delete)
    assert (await house.kuids(), await holders(house), await house.unsettled()) == ([], [], [])


async def test_what_a_process_leaves_that_dies_in_the_middle_is_erased(open_house: Any) -> None:
    lost, house = await open_house(), await open_house()
    held = asyncio.Event()
    write = writing(lost)

    async def write_and_stay(kuids: Any) -> None:
        await write(kuids)
        await held.wait()

    task = asyncio.create_task(enrol(lost, THREE, write_and_stay))
    while len(await holders(house)) < 3:
        await asyncio.sleep(0.01)
    await house.services.journal.sweep()
    assert len(await holders(house)) == 3, "who is at work is left alone"
    await lost.services.journal._presence.leave()
    await house.services.journal.sweep()
    assert (await house.kuids(), await holders(house), await house.unsettled()) == ([], [], [])
    held.set()
    with pytest.raises(errors.ActionLocked):
        await task
    assert await house.kuids() == []


async def test_the_same_kuids_are_free_again_after_a_process_that_died(open_house: Any) -> None:
    lost, house = await open_house(), await open_house()
    await lost.services.journal.reserve_many(STRATEGY, ["ann", "bob"], join=False)
    busy = await enrol(house, [Recruit("ann")])
    assert [type(one) for one in busy] == [errors.ActionLocked]
    await lost.services.journal._presence.leave()
    assert await enrol(house, THREE) == ["ann", "bob", "cy"]


async def test_who_is_there_already_joins_only_if_that_is_wanted(house: Any) -> None:
    await house.create("ann", card="1")
    await house.create("bob", badge="2")
    found = await enrol(house, THREE, join=True)
    assert found[0] == "ann"
    assert isinstance(found[1], errors.CredentialsExist)
    assert await house.show(STRATEGY, "of ann") == "ann"
    assert await house.show(STRATEGY, "2") == "bob"
    (ann,) = await house.services.users.many(["ann"])
    assert ann.content == {}, "they keep what they have"
    told = [(row.event, row.about) for row in await house.rows(audit)][-2:]
    assert sorted(told) == [("CredentialsCreated", "ann"), ("UserCreated", "cy")]


async def test_who_is_deleted_while_they_join_gets_nothing(house: Any) -> None:
    await house.create("ann")
    write = writing(house)

    async def write_and_delete(kuids: Any) -> None:
        await write(kuids)
        await house.services.users.delete("ann")

    with pytest.raises(errors.ActionLocked):
        await enrol(house, [Recruit("ann")], write_and_delete, join=True)
    assert (await house.kuids(), await holders(house), await house.unsettled()) == ([], [], [])


async def test_a_batch_that_has_begun_is_finished_when_it_is_cancelled(house: Any) -> None:
    begun, write = asyncio.Event(), writing(house)

    async def write_slowly(kuids: Any) -> None:
        begun.set()
        await asyncio.sleep(0.01)
        await write(kuids)

    task = asyncio.create_task(enrol(house, THREE, write_slowly))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await house.kuids() == await holders(house) == ["ann", "bob", "cy"]


async def test_a_batch_is_bounded_and_a_strategy_is_known(house: Any) -> None:
    with pytest.raises(ValueError, match="at most"):
        await enrol(house, [Recruit()] * (MOST + 1))
    with pytest.raises(errors.UnknownStrategy):
        await house.services.enrolment.enrol("ghost", THREE, writing(house), join=False)


async def test_a_whole_batch_is_deleted_like_any_users(house: Any) -> None:
    await enrol(house, THREE)
    await house.services.users.delete("ann")
    assert await holders(house) == ["bob", "cy"]
    assert await house.kuids() == ["bob", "cy"]
