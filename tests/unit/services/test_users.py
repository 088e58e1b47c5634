"""A user and their credentials, in as many stores as there are strategies: whole, or not there."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ostiary import Call, errors
from ostiary.services.rights import ADMIN, DEFAULT
from ostiary.services.user_rows import LARGEST
from ostiary.storage.tables import tokens, user_profiles, user_strategies

pytestmark = pytest.mark.anyio

CALL = Call(controller="security", action="createFirstAdmin")


class Broken(Exception):
    pass


async def refuse(_kuid: str) -> None:
    raise errors.CredentialsRejected("not today")


async def break_(_kuid: str) -> None:
    raise Broken("badge 4711")


async def nothing(_kuid: str) -> None:
    pass


async def outcomes(*works: Any) -> list[Any]:
    return await asyncio.gather(*works, return_exceptions=True)


async def test_a_user_is_created_with_credentials_of_every_strategy(house: Any) -> None:
    kuid = await house.create("ann", badge="1", card="2")
    assert await house.show("badge", "1") == await house.show("card", "2") == kuid == "ann"
    assert await house.unsettled() == []


async def test_a_kuid_that_nobody_chose_is_drawn(house: Any) -> None:
    first, second = await house.create(badge="1"), await house.create(badge="2")
    assert first.startswith("kuid-")
    assert first != second


@pytest.mark.parametrize("step", ["validate", "create", "created"])
@pytest.mark.parametrize("failure", [refuse, break_])
async def test_a_failure_of_the_second_strategy_leaves_nothing(
    house: Any, step: str, failure: Any
) -> None:
    """RACE-09"""
    house.during("card", step, failure)
    with pytest.raises((errors.CredentialsRejected, errors.PluginUnexpectedError)):
        await house.create("ann", badge="1", card="2")
    house.during("card", step, nothing)
    assert await house.kuids() == []
    assert [await house.badge(one, "ann") for one in ("badge", "card")] == [None, None]
    assert await house.unsettled() == []
    assert await house.create("bob", badge="1", card="2") == "bob"


async def test_a_creation_that_is_cancelled_leaves_nothing(house: Any, gate: Any) -> None:
    held = gate()
    house.during("card", "created", held)
    creation = asyncio.create_task(house.create("ann", badge="1", card="2"))
    await held.reached.wait()
    creation.cancel()
    with pytest.raises(asyncio.CancelledError):
        await creation
    assert await house.kuids() == []
    assert [await house.badge(one, "ann") for one in ("badge", "card")] == [None, None]
    assert await house.unsettled() == []


async def test_of_a_hundred_creations_of_one_kuid_one_wins(house: Any) -> None:
    """RACE-01"""
    found = await outcomes(*(house.create("ann", badge=str(n), card=str(n)) for n in range(100)))
    won = [n for n, outcome in enumerate(found) if outcome == "ann"]
    assert len(won) == 1
    assert {type(one) for one in found if one != "ann"} == {errors.UserAlreadyExists}
    assert await house.badge("badge", "ann") == await house.badge("card", "ann") == str(won[0])
    assert await house.unsettled() == []
    for number in set(range(100)) - set(won):
        await house.create(badge=str(number))


async def test_of_a_hundred_creations_with_one_badge_one_wins(house: Any) -> None:
    """RACE-02"""
    found = await outcomes(*(house.create(f"u{n}", card=str(n), badge="1") for n in range(100)))
    won = [outcome for outcome in found if isinstance(outcome, str)]
    assert {type(one) for one in found if one not in won} == {errors.CredentialsRejected}
    assert won == await house.kuids() == [await house.show("badge", "1")]
    assert [n for n in range(100) if await house.badge("card", f"u{n}")] == [int(won[0][1:])]
    assert await house.unsettled() == []


async def test_who_is_still_being_created_cannot_be_deleted(house: Any, gate: Any) -> None:
    """RACE-06"""
    held = gate()
    house.during("badge", "created", held)
    creation = asyncio.create_task(house.create("ann", badge="1"))
    await held.reached.wait()
    with pytest.raises(errors.UserNotFound):
        await house.services.users.delete("ann")
    held.open()
    assert await creation == await house.show("badge", "1") == "ann"


async def test_deletions_between_creations_leave_no_orphan(house: Any) -> None:
    """RACE-06, RACE-13"""
    works = [
        house.services.users.delete("ann") if n % 2 else house.create("ann", badge=str(n))
        for n in range(60)
    ]
    found = await outcomes(*works)
    refusals = (errors.UserAlreadyExists, errors.UserNotFound, errors.ActionLocked)
    assert [one for one in found if isinstance(one, Exception) and type(one) not in refusals] == []
    left = await house.kuids()
    held = await house.badge("badge", "ann")
    assert (left == ["ann"]) == (held is not None)
    assert [row.kuid for row in await house.rows(user_strategies)] == left
    assert await house.unsettled() == []


async def test_deleting_a_user_takes_everything_of_theirs(house: Any) -> None:
    await house.create("ann", badge="1", card="2")
    await house.services.users.delete("ann")
    assert await house.kuids() == []
    assert [await house.badge(one, "ann") for one in ("badge", "card")] == [None, None]
    for table in (tokens, user_profiles, user_strategies):
        assert await house.rows(table) == []
    assert await house.unsettled() == []


async def test_who_is_deleted_is_gone_even_if_the_store_is_right_after(house: Any) -> None:
    """RACE-13: nobody is told that it failed; what is left is erased later."""
    await house.create("ann", badge="1")
    with house.monkeypatch.context() as outage:
        outage.setattr(type(house.store), "read", unavailable)
        await house.services.users.delete("ann")
    assert await house.kuids() == []
    assert await house.badge("badge", "ann") == "1"
    await house.services.journal.sweep()
    assert await house.badge("badge", "ann") is None
    assert await house.unsettled() == []


def unavailable(*_: object, **__: object) -> None:
    raise errors.StoreUnavailable


@pytest.mark.parametrize("step", ["create", "created"])
async def test_a_user_may_be_deleted_while_they_are_given_credentials(
    house: Any, gate: Any, step: str
) -> None:
    """RACE-06"""
    await house.create("ann", badge="1")
    held = gate()
    house.during("card", step, held)
    giving = asyncio.create_task(house.give("ann", "card", "2"))
    await held.reached.wait()
    await house.services.users.delete("ann")
    held.open()
    with pytest.raises(errors.ActionLocked):
        await giving
    assert await house.badge("card", "ann") is None
    assert await house.unsettled() == []
    await house.create("bob", card="2")


async def test_credentials_that_were_being_made_do_not_go_to_who_is_created_anew(
    house: Any, gate: Any
) -> None:
    """TOK-13"""
    await house.create("ann", badge="1")
    held = gate()
    house.during("card", "created", held)
    giving = asyncio.create_task(house.give("ann", "card", "2"))
    await held.reached.wait()
    await house.services.users.delete("ann")
    await house.create("ann", badge="1")
    held.open()
    with pytest.raises(errors.ActionLocked):
        await giving
    with pytest.raises(errors.LoginRefused):
        await house.show("card", "2")
    assert not await house.services.credentials.held("card", "ann")


async def test_the_last_administrator_can_neither_be_deleted_nor_demoted(house: Any) -> None:
    """ADM-10"""
    users = house.services.users
    await house.create("ann")
    await users.update("ann", {}, "-1", (ADMIN, DEFAULT))
    for change in (users.delete("ann"), users.update("ann", {}, "ann", (DEFAULT,))):
        with pytest.raises(errors.LastAdministrator):
            await change
    assert (await users.find("ann")).profile_ids == (ADMIN, DEFAULT)
    await house.create("bob")
    await users.update("bob", {}, "-1", (ADMIN,))
    await users.update("ann", {}, "ann", (DEFAULT,))
    assert (await users.find("ann")).profile_ids == (DEFAULT,)


async def test_two_administrators_cannot_delete_each_other_at_once(house: Any) -> None:
    """ADM-10"""
    users = house.services.users
    for kuid in ("ann", "bob"):
        await house.create(kuid)
        await users.update(kuid, {}, "-1", (ADMIN,))
    found = await outcomes(users.delete("ann"), users.delete("bob"))
    assert [type(one) for one in found if one] == [errors.LastAdministrator]
    assert len(await house.kuids()) == 1
    assert await users.admin_exists()


async def test_of_fifty_first_administrators_one_is_made(house: Any) -> None:
    """ADM-01"""
    create = house.services.users.create
    found = await outcomes(
        *(
            create(CALL, (ADMIN,), {}, {"badge": {"badge": str(n)}}, first_admin=True)
            for n in range(50)
        )
    )
    assert {type(one) for one in found if isinstance(one, Exception)} == {errors.AdminExists}
    assert [one.kuid for one in found if not isinstance(one, Exception)] == await house.kuids()
    assert await house.unsettled() == []


async def test_what_cannot_be_created_is_refused_before_anything_is_reserved(house: Any) -> None:
    """AZ-09"""
    create = house.services.users.create
    with pytest.raises(errors.ProfileNotFound):
        await create(CALL, ("nothing",), {}, {}, kuid="ann")
    with pytest.raises(errors.UnknownStrategy):
        await create(CALL, (DEFAULT,), {}, {"smell": {}}, kuid="ann")
    with pytest.raises(errors.InvalidArgument):
        await create(CALL, (DEFAULT,), {}, {}, kuid="a\nb")
    assert await house.kuids() == []
    assert await house.unsettled() == []


async def test_updates_of_one_user_at_once_are_all_kept(house: Any) -> None:
    """RACE-14"""
    await house.create("ann")
    users = house.services.users
    await asyncio.gather(*(users.update("ann", {f"p{n}": n}, "bob") for n in range(20)))
    user = await users.find("ann")
    assert user.content == {f"p{n}": n for n in range(20)}
    assert (user.author, user.updater) == ("-1", "bob")


async def test_a_user_does_not_grow_without_end(house: Any) -> None:
    """INP-17"""
    await house.create("ann")
    half = {"half": "x" * (LARGEST // 2)}
    await house.services.users.update("ann", half, "ann")
    with pytest.raises(errors.UserTooLarge):
        await house.services.users.update("ann", {"other": half["half"]}, "ann")
    with pytest.raises(errors.UserTooLarge):
        await house.services.users.create(Call(), ("default",), {"x": "x" * LARGEST}, {})
    assert await house.kuids() == ["ann"]
