"""The credentials of users: never overwritten, worthless without their user, gone when erased."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import delete

from ostiary import Call, Field, OneOf, Order, Prefix, errors
from ostiary.filters import Everything, Filter, Wildcard
from ostiary.services.search.asking import Asked
from ostiary.storage.tables import user_strategies

pytestmark = pytest.mark.anyio

CALL = Call(controller="security", action="createCredentials")


async def test_credentials_are_shown_with_the_kuid(house: Any) -> None:
    await house.create("ann")
    assert await house.give("ann", "badge", "1") == {"badge": "1", "kuid": "ann"}
    credentials = house.services.credentials
    assert await credentials.view("badge", "ann") == {"badge": "1", "kuid": "ann"}
    assert await credentials.held("badge", "ann")
    assert not await credentials.held("card", "ann")
    with pytest.raises(errors.NoCredentials):
        await credentials.view("card", "ann")


async def test_credentials_are_never_overwritten(house: Any) -> None:
    """AZ-06"""
    await house.create("ann", badge="1")
    with pytest.raises(errors.CredentialsExist):
        await house.give("ann", "badge", "2")
    assert await house.show("badge", "1") == "ann"


async def test_of_many_who_give_the_same_credentials_one_does(house: Any) -> None:
    """AZ-06"""
    await house.create("ann")
    works = (house.give("ann", "badge", str(n)) for n in range(30))
    found = await asyncio.gather(*works, return_exceptions=True)
    (won,) = [one for one in found if isinstance(one, dict)]
    assert {type(one) for one in found if one is not won} <= {
        errors.CredentialsExist,
        errors.ActionLocked,
    }
    assert await house.badge("badge", "ann") == won["badge"]
    assert await house.show("badge", won["badge"]) == "ann"
    assert len(await house.rows(user_strategies)) == 1
    assert await house.unsettled() == []


async def test_of_two_who_take_credentials_away_one_does(house: Any) -> None:
    """RACE-13"""
    await house.create("ann", badge="1")
    works = (house.services.credentials.delete("badge", "ann") for _ in range(2))
    found = await asyncio.gather(*works, return_exceptions=True)
    assert sorted(type(one).__name__ for one in found) == [
        "NoneType",
        errors.NoCredentials.__name__,
    ]
    assert await house.badge("badge", "ann") is None
    assert await house.unsettled() == []


async def test_a_user_without_credentials_can_be_given_them_again(house: Any) -> None:
    await house.create("ann", badge="1")
    await house.services.credentials.delete("badge", "ann")
    with pytest.raises(errors.LoginRefused):
        await house.show("badge", "1")
    await house.give("ann", "badge", "1")
    assert await house.show("badge", "1") == "ann"


async def test_stale_credentials_of_a_lost_user_are_worth_nothing(house: Any) -> None:
    """TOK-13, ISO-11"""
    await house.services.strategies.create("badge", "ann", {"badge": "1"}, CALL)
    with pytest.raises(errors.LoginRefused):
        await house.show("badge", "1")
    await house.create("ann", card="2")
    with pytest.raises(errors.LoginRefused):
        await house.show("badge", "1")
    assert not await house.services.credentials.held("badge", "ann")
    for work in (house.services.credentials.view, house.services.credentials.delete):
        with pytest.raises(errors.NoCredentials):
            await work("badge", "ann")
    with pytest.raises(errors.NoCredentials):
        await house.services.credentials.update("badge", "ann", {"badge": "3"}, CALL)


async def test_stale_credentials_make_way_for_new_ones(house: Any) -> None:
    await house.services.strategies.create("badge", "ann", {"badge": "1"}, CALL)
    await house.create("ann", badge="3")
    assert await house.badge("badge", "ann") == "3"
    with pytest.raises(errors.LoginRefused):
        await house.show("badge", "1")


async def test_an_update_is_validated_and_done(house: Any) -> None:
    await house.create("ann", badge="1")
    update = house.services.credentials.update
    with pytest.raises(errors.CredentialsRejected):
        await update("badge", "ann", {"badge": 5}, CALL)
    assert await update("badge", "ann", {"badge": "2"}, CALL) == {"badge": "2", "kuid": "ann"}
    assert await house.show("badge", "2") == "ann"


async def test_a_failed_creation_leaves_the_user_without_credentials(house: Any) -> None:
    await house.create("ann")
    await house.create("bob", badge="1")
    with pytest.raises(errors.CredentialsRejected):
        await house.give("ann", "badge", "1")
    assert not await house.services.credentials.held("badge", "ann")
    assert await house.show("badge", "1") == "bob"
    assert await house.unsettled() == []


async def test_there_is_nothing_to_do_for_whom_there_is_not(house: Any) -> None:
    credentials = house.services.credentials
    for work in (credentials.create, credentials.update):
        with pytest.raises(errors.UserNotFound):
            await work("badge", "nobody", {"badge": "1"}, CALL)
        with pytest.raises(errors.UnknownStrategy):
            await work("smell", "nobody", {"badge": "1"}, CALL)
    assert not await credentials.held("badge", "nobody")
    assert await house.unsettled() == []


async def search(
    house: Any, filter: Filter, strategy: str = "card", *, offset: int = 0, limit: int = 10
) -> tuple[list[Any], int]:
    found = await house.services.credentials.search(
        strategy, Asked(filter, (Order("badge"),)), offset=offset, limit=limit
    )
    return list(found.hits), found.total


async def test_credentials_are_searched_by_what_their_strategy_lets_be_searched(house: Any) -> None:
    for kuid, card in (("ann", "a1"), ("bob", "b2"), ("cat", "a3")):
        await house.create(kuid, card=card)
    ann, bob, cat = (
        {"kuid": kuid, "badge": card}
        for kuid, card in (("ann", "a1"), ("bob", "b2"), ("cat", "a3"))
    )
    assert await search(house, Everything()) == ([ann, cat, bob], 3)
    assert await search(house, Everything(), offset=1, limit=1) == ([cat], 3)
    assert await search(house, Field("badge", Prefix("a"))) == ([ann, cat], 2)
    assert await search(house, Field("badge", Wildcard("?2"))) == ([bob], 1)
    assert await search(house, Field("kuid", OneOf(("bob", "cat")))) == ([cat, bob], 2)
    with pytest.raises(errors.UnsupportedSearch):
        await search(house, Field("secret", OneOf((1,))))


async def test_what_a_strategy_keeps_of_users_who_hold_it_no_more_is_not_found(house: Any) -> None:
    await house.create("ann", card="1")
    await house.create("bob", card="2")
    async with house.store.begin() as db:
        await db.execute(delete(user_strategies).where(user_strategies.c.kuid == "ann"))
    assert await search(house, Everything()) == ([{"kuid": "bob", "badge": "2"}], 1)
    credentials = house.services.credentials
    assert await credentials.by_id("card", "2") == {"kuid": "bob", "badge": "2"}
    with pytest.raises(errors.NoCredentials):
        await credentials.by_id("card", "1")


async def test_a_strategy_without_the_optional_hooks_has_no_ids_and_is_not_searched(
    house: Any,
) -> None:
    await house.create("ann", badge="1", card="2")
    assert await house.services.credentials.by_id("badge", "1") == {}
    with pytest.raises(errors.MissingOptionalMethod) as refusal:
        await search(house, Everything(), "badge")
    assert refusal.value.props == ["ostiary_search_credentials", "badge"]
    for name in ("nobody", ""):
        with pytest.raises(errors.UnknownStrategy):
            await search(house, Everything(), name)
        with pytest.raises(errors.UnknownStrategy):
            await house.services.credentials.by_id(name, "1")
