"""Signing in: what the core asks after a strategy has given its verdict, whatever that is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import update

from ostiary import Call, Newcomer, Redirect, Verified, errors
from ostiary.services.flows import Handle, Holder
from ostiary.services.sessions import Origin
from ostiary.services.subjects import Place
from ostiary.storage.tables import users

pytestmark = pytest.mark.anyio


def giving(verdict: Any) -> Callable[[str], Awaitable[Any]]:
    async def verify(_kuid: str) -> Any:
        return verdict

    return verify


async def test_credentials_open_the_account_they_belong_to(house: Any) -> None:
    await house.create("ann", badge="1")
    assert await house.show("badge", "1") == "ann"


async def test_an_account_that_is_gone_disabled_or_of_another_strategy_looks_like_a_wrong_badge(
    house: Any,
) -> None:
    """AUTH-03, AUTH-10, ISO-11"""
    await house.create("off", badge="1")
    await house.create("other", card="2")
    async with house.store.begin() as db:
        await house.services.changes.record(db, "user", "off")
        await db.execute(update(users).where(users.c.kuid == "off").values(status="disabled"))
    with pytest.raises(errors.LoginRefused) as wrong:
        await house.show("badge", "no such badge")
    for kuid in ("off", "other", "nobody", "-1"):
        house.during("badge", "verify", giving(Verified(kuid)))
        with pytest.raises(errors.LoginRefused) as refused:
            await house.show("badge", "1")
        assert refused.value.to_json() == wrong.value.to_json()


async def test_a_newcomer_becomes_a_user_with_the_restricted_profiles(house: Any) -> None:
    house.during("badge", "verify", giving(Newcomer({"badge": "1"}, {"name": "Ann"})))
    kuid = await house.show("badge", "whatever")
    house.during("badge", "verify", giving(None))
    assert await house.show("badge", "1") == kuid
    user = await house.services.users.find(kuid)
    assert (user.profile_ids, user.content) == (("default",), {"name": "Ann"})


async def test_a_newcomer_may_come_with_profiles(house: Any) -> None:
    content = {"profileIds": ["anonymous"]}
    house.during("badge", "verify", giving(Newcomer({"badge": "1"}, content)))
    user = await house.services.users.find(await house.show("badge", "1"))
    assert (user.profile_ids, user.content) == (("anonymous",), {})


async def test_a_newcomer_whose_credentials_are_refused_is_not_created(house: Any) -> None:
    house.during("badge", "verify", giving(Newcomer({"badge": 1}, {})))
    with pytest.raises(errors.CredentialsRejected):
        await house.show("badge", "1")
    assert await house.kuids() == []
    assert await house.unsettled() == []


async def test_a_redirection_is_handed_on(house: Any) -> None:
    redirect = Redirect("https://door.example/")
    house.during("badge", "verify", giving(redirect))
    outcome = await house.services.logins.identify("badge", {}, Call())
    assert outcome.step == redirect


@pytest.mark.parametrize("kuid", [None, 5, ["ann"], b"ann"])
async def test_a_kuid_that_is_no_text_is_the_fault_of_the_plugin(house: Any, kuid: Any) -> None:
    house.during("badge", "verify", giving(Verified(kuid)))
    with pytest.raises(errors.InvalidKuid):
        await house.show("badge", "1")


@pytest.mark.parametrize("verdict", ["ann", True, {"kuid": "ann"}, object(), Verified])
async def test_what_is_no_verdict_is_the_fault_of_the_plugin(house: Any, verdict: Any) -> None:
    house.during("badge", "verify", giving(verdict))
    with pytest.raises(errors.InvalidVerdict):
        await house.show("badge", "1")


async def test_a_strategy_that_is_not_installed_is_unknown(house: Any) -> None:
    """AUTH-11"""
    for name in ("smell", "", "__init__", "Badge"):
        with pytest.raises(errors.UnknownStrategy):
            await house.services.logins.identify(name, {}, Call())


async def test_a_strategy_may_look_users_up(house: Any) -> None:
    await house.create("ann")
    directory = house.services.directories.of("badge")
    user = await directory.find("ann")
    assert (user.kuid, user.profile_ids) == ("ann", ("default",))
    assert await directory.find("bob") is None


async def login(house: Any, badge: str) -> Any:
    given = {"badge": badge}
    outcome = await house.services.logins.sign_in("badge", given, Call(), None, Origin(), Place())
    return outcome.issued


async def test_a_login_on_its_way_does_not_open_what_took_the_place_of_the_user(
    house: Any, gate: Any
) -> None:
    """TOK-13, AUTH-10"""
    await house.create("ann", badge="old")
    held = gate()
    house.during("badge", "verified", held)
    attempt = asyncio.create_task(login(house, "old"))
    await held.reached.wait()
    await house.services.users.delete("ann")
    await house.create("ann", badge="new")
    held.open()
    with pytest.raises(errors.LoginRefused):
        await attempt
    assert (await login(house, "new")).kuid == "ann"


@pytest.mark.parametrize("how", ["replaced", "updated"])
async def test_a_login_on_its_way_does_not_outlive_its_credentials(
    house: Any, gate: Any, how: str
) -> None:
    """TOK-14"""
    await house.create("ann", badge="old")
    held = gate()
    house.during("badge", "verified", held)
    attempt = asyncio.create_task(login(house, "old"))
    await held.reached.wait()
    if how == "replaced":
        await house.services.credentials.delete("badge", "ann")
        await house.give("ann", "badge", "new")
    else:
        await house.services.credentials.update("badge", "ann", {"badge": "new"}, Call())
    held.open()
    with pytest.raises(errors.LoginRefused):
        await attempt


async def test_a_user_who_changes_during_a_login_still_gets_in(house: Any, gate: Any) -> None:
    await house.create("ann", badge="1")
    held = gate()
    house.during("badge", "verified", held)
    attempt = asyncio.create_task(login(house, "1"))
    await held.reached.wait()
    await house.services.users.update("ann", {"name": "Ann"}, "-1")
    held.open()
    assert (await attempt).kuid == "ann"


async def test_what_came_back_from_elsewhere_is_looked_at_once_even_if_the_user_changes(
    house: Any,
) -> None:
    """RFC 6749, 4.1.2: a code that is redeemed twice has a provider take back what it gave."""
    await house.create("ann", badge="1")
    asked = []

    async def changing(kuid: str) -> None:
        asked.append(kuid)
        await house.services.users.update(kuid, {"name": "Ann"}, "-1")

    flows, logins = house.services.flows, house.services.logins
    begun = await flows.begin("badge", Redirect("https://x.example/", {}), Holder(), "127.0.0.1")
    flow = await flows.find("badge", Handle(begun.handle, "redirect"), Holder(begun.cookie))
    house.during("badge", "verified", changing)
    with pytest.raises(errors.FlowOver):
        await logins.sign_in("badge", {"badge": "1"}, Call(), None, Origin(), Place(), flow=flow)
    assert asked == ["ann"]


async def test_a_newcomer_gets_a_token_at_once(house: Any) -> None:
    house.during("badge", "verify", giving(Newcomer({"badge": "1"}, {})))
    assert (await login(house, "1")).token
