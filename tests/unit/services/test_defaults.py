"""The base roles and profiles: written once, open only in ``--dev``, closed for good."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ostiary.request import ANONYMOUS, Connection, Request
from ostiary.services.defaults import Defaults
from ostiary.services.rights import BASE
from ostiary.settings.rights import BaseProfiles, BaseRoles
from ostiary.storage.tables import installation, profiles, roles
from ostiary.testing.clock import Clock

pytestmark = pytest.mark.anyio


@pytest.fixture
async def fresh(house: Any) -> Defaults:
    """The defaults of a store as the revisions leave it."""
    async with house.store.begin() as db:
        for table in (installation, profiles, roles):
            await db.execute(table.delete())
    standard = BaseRoles().by_id(), BaseProfiles().rate_limits()
    return Defaults(house.store, house.services.changes, house.services.events, Clock(), *standard)


async def anonymous_may(house: Any, controller: str, action: str) -> bool:
    await house.services.changes.catch_up()
    account = await house.services.accounts.find(ANONYMOUS)
    request = Request(controller, action, {}, None, None, Connection("http", ""), "1")
    return bool(account.rights.allow(request))


async def test_a_new_server_is_closed(house: Any, fresh: Defaults) -> None:
    """AZ-01"""
    assert await fresh.establish(opened=False)
    assert not await fresh.is_open()
    assert await anonymous_may(house, "auth", "login")
    assert not await anonymous_may(house, "auth", "logout")
    assert not await anonymous_may(house, "security", "createUser")


async def test_in_dev_everybody_may_do_everything_until_it_is_restricted(
    house: Any, fresh: Defaults
) -> None:
    assert await fresh.establish(opened=True)
    assert await anonymous_may(house, "security", "createUser")
    await fresh.restrict()
    assert not await anonymous_may(house, "security", "createUser")
    assert await fresh.is_open(), "what was made by --dev stays marked"
    await fresh.restrict(close=True)
    assert not await fresh.is_open()


async def test_what_is_established_is_not_established_again(house: Any, fresh: Defaults) -> None:
    assert await fresh.establish(opened=False)
    assert not await fresh.establish(opened=True)
    assert not await fresh.is_open()
    assert not await anonymous_may(house, "security", "createUser")


async def test_of_many_first_starts_one_establishes(house: Any, fresh: Defaults) -> None:
    found = await asyncio.gather(*(fresh.establish(opened=False) for _ in range(10)))
    assert sorted(found) == [False] * 9 + [True]


async def test_the_base_roles_and_profiles_are_those_of_the_settings(
    house: Any, fresh: Defaults
) -> None:
    await fresh.establish(opened=False)
    assert {row.id: row.controllers for row in await house.rows(roles)} == BaseRoles().by_id()
    limits = {row.id: row.rate_limit for row in await house.rows(profiles)}
    assert limits == BaseProfiles().rate_limits()
    assert set(limits) == set(BASE)
