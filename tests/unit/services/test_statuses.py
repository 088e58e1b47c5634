"""Disabled users: shut out by every door, and let in again as they were."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ostiary import Call, errors
from ostiary.services.sessions import Origin

pytestmark = pytest.mark.anyio

NOBODY = Call()


async def make(house: Any, *kuids: str) -> None:
    for kuid in kuids:
        fields = {"badge": {"badge": f"{kuid}-badge"}}
        await house.services.users.create(NOBODY, ("admin",), {}, fields, kuid=kuid)
    await house.services.changes.catch_up()


async def test_disabling_ends_access_at_once_in_every_process(bench: Any, open_house: Any) -> None:
    """AUTH-10"""
    other = (await open_house()).services
    token, (_, key) = await bench.issue(), await bench.key()
    for text in (token, key):
        await other.tokens.find(text)
    await bench.house.services.statuses.disable("ann", "root")
    assert [await bench.good(text) for text in (token, key)] == [False, False]
    await other.changes.catch_up()
    for text in (token, key):
        with pytest.raises(errors.TokenInvalid):
            await other.tokens.find(text)


async def test_who_is_enabled_again_has_keys_and_credentials_but_no_old_session(
    house: Any, bench: Any
) -> None:
    statuses = house.services.statuses
    await make(house, "bob", "root")
    token, (_, key) = await bench.issue("bob"), await bench.key("bob")
    await statuses.disable("bob", "root")
    await house.services.changes.catch_up()
    with pytest.raises(errors.LoginRefused):
        await house.show("badge", "bob-badge")
    await statuses.enable("bob", "root")
    assert [await bench.good(text) for text in (token, key)] == [False, True]
    assert await house.show("badge", "bob-badge") == "bob"


async def test_a_token_that_was_being_made_does_not_come_back(house: Any, bench: Any) -> None:
    account = await bench.account()
    await house.services.statuses.disable("ann", "root")
    issued = await bench.tokens.issue(account, None, Origin(), unless_changed_since=10**9)
    assert not await bench.good(issued.token)
    await house.services.statuses.enable("ann", "root")
    assert not await bench.good(issued.token)


async def test_who_is_disabled_gets_the_refusal_of_a_wrong_secret(house: Any) -> None:
    """AUTH-03"""
    await make(house, "bob", "root")
    await house.services.statuses.disable("bob", "root")
    await house.services.changes.catch_up()
    refusals = []
    for badge in ("bob-badge", "nobody-at-all"):
        with pytest.raises(errors.LoginRefused) as caught:
            await house.show("badge", badge)
        refusals.append(caught.value.to_json())
    assert refusals[0] == refusals[1]


async def test_it_is_shown_who_is_disabled(house: Any, bench: Any) -> None:
    services = house.services
    assert "status" not in (await bench.account()).user.to_json()["_source"]["_kuzzle_info"]
    await services.statuses.disable("ann", "root")
    info = (await services.users.find("ann")).to_json()["_source"]["_kuzzle_info"]
    assert (info["status"], info["updater"]) == ("disabled", "root")
    await services.statuses.enable("ann", "root")
    info = (await services.users.find("ann")).to_json()["_source"]["_kuzzle_info"]
    assert "status" not in info


async def test_the_last_administrator_who_can_sign_in_stays(house: Any) -> None:
    """ADM-10: who is disabled does not count, whichever way the other would go."""
    services = house.services
    await make(house, "bob", "root")
    await services.statuses.disable("bob", "root")
    for last in (
        services.statuses.disable("root", "root"),
        services.users.delete("root"),
        services.users.update("root", {}, "root", ("default",)),
    ):
        with pytest.raises(errors.LastAdministrator):
            await last
    await services.users.delete("bob")
    assert await services.users.admin_exists()


async def test_two_administrators_do_not_disable_each_other_at_once(house: Any) -> None:
    """ADM-10"""
    await make(house, "bob", "root")
    disable = house.services.statuses.disable
    done = await asyncio.gather(
        disable("bob", "root"), disable("root", "bob"), return_exceptions=True
    )
    assert sorted(str(type(one).__name__) for one in done) == [
        "StoredUser", "ostiary.user.last_administrator"
    ]  # fmt: skip


@pytest.mark.parametrize("kuid", ["nobody", "-1", ""])
async def test_nobody_is_neither_disabled_nor_enabled(house: Any, kuid: str) -> None:
    for change in (house.services.statuses.disable, house.services.statuses.enable):
        with pytest.raises(errors.UserNotFound):
            await change(kuid, "root")
