"""Accounts: remembered while they are true, and nobody goes on holding one that is not."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ostiary import errors
from ostiary.request import ANONYMOUS
from ostiary.services.accounts import Accounts
from ostiary.services.activity import Activity
from ostiary.services.grants import Grants
from ostiary.services.lifetimes import Lifetimes
from ostiary.services.lookup import Lookup
from ostiary.services.rights import ADMIN, Rights
from ostiary.services.sessions import Origin
from ostiary.services.tokens import Tokens
from ostiary.services.user_rows import StoredUser
from ostiary.services.users import Users
from ostiary.testing.clock import Clock

pytestmark = pytest.mark.anyio

FAR = 10**9
"""No change is later."""


class SlowUsers(Users):
    """Reads a user, and lets things happen before it answers: as a far database does."""

    def __init__(self, like: Users) -> None:
        vars(self).update(vars(like))
        self.reached, self.go_on = asyncio.Event(), asyncio.Event()

    async def find_with_strategies(self, kuid: str) -> tuple[StoredUser, tuple[str, ...]] | None:
        found = await super().find_with_strategies(kuid)
        self.reached.set()
        await self.go_on.wait()
        return found


class SlowGrants(Grants):
    """As ``SlowUsers``, for what profiles grant."""

    def __init__(self, like: Any) -> None:
        super().__init__(like)
        self.reached, self.go_on = asyncio.Event(), asyncio.Event()

    async def _compile(self, ids: tuple[str, ...]) -> Rights:
        found = await super()._compile(ids)
        self.reached.set()
        await self.go_on.wait()
        return found


async def test_an_account_is_remembered_until_it_changes(house: Any) -> None:
    accounts, changes = house.services.accounts, house.services.changes
    await house.create("ann", badge="1")
    await changes.catch_up()
    account = await accounts.find("ann")
    assert await accounts.find("ann") is accounts.peek("ann") is account
    assert (account.kuid, account.strategies, account.stale) == ("ann", ("badge",), False)
    await house.services.users.update("ann", {"name": "Ann"}, "ann")
    await changes.catch_up()
    assert account.stale
    assert accounts.peek("ann") is None
    assert (await accounts.find("ann")).user.content == {"name": "Ann"}


async def test_other_users_are_left_alone(house: Any) -> None:
    """AUTH-26"""
    for kuid in ("ann", "ann2", "an"):
        await house.create(kuid)
    await house.services.changes.catch_up()
    others = [await house.services.accounts.find(kuid) for kuid in ("ann2", "an")]
    await house.services.users.delete("ann")
    await house.services.changes.catch_up()
    assert [account.stale for account in others] == [False, False]


async def test_changed_rights_outdate_every_account(house: Any) -> None:
    """TOK-29"""
    nobody = await house.services.accounts.find(ANONYMOUS)
    await house.services.defaults.restrict()
    await house.services.changes.catch_up()
    assert nobody.stale
    assert house.services.accounts.peek(ANONYMOUS) is None


async def test_who_does_not_exist_is_not_remembered(house: Any) -> None:
    assert await house.services.accounts.find("ann") is None
    await house.create("ann")
    assert (await house.services.accounts.find("ann")).kuid == "ann"


async def test_what_changed_while_it_was_read_is_read_again(house: Any) -> None:
    services = house.services
    users = SlowUsers(services.users)
    accounts = Accounts(users, services.grants, services.changes, 100_000)
    await house.create("ann")
    reading = asyncio.create_task(accounts.find("ann"))
    await users.reached.wait()
    await services.users.update("ann", {}, "ann", (ADMIN,))
    await services.changes.catch_up()
    users.go_on.set()
    account = await reading
    assert account is not None
    assert account.user.profile_ids == (ADMIN,)
    assert accounts.peek("ann") is account


async def test_rights_that_changed_while_they_were_read_are_not_remembered(house: Any) -> None:
    grants = SlowGrants(house.store)
    house.services.changes.listen(lambda what, _id: grants.forget() if what == "rights" else None)
    reading = asyncio.create_task(grants.rights(("anonymous",)))
    await grants.reached.wait()
    await house.services.defaults.restrict()
    await house.services.changes.catch_up()
    grants.go_on.set()
    old = await reading
    assert await grants.rights(("anonymous",)) is not old


async def test_a_session_ends_although_its_account_was_long_forgotten(house: Any) -> None:
    """TOK-13: sessions outlive accounts in memory, and must hear of their end all the same."""
    services, clock = house.services, Clock()
    accounts = Accounts(services.users, services.grants, services.changes, 2_000)
    lifetimes = Lifetimes(7_200_000, -1, 1000)
    tokens = Tokens(
        house.store,
        house.core.signing_keys,
        Lookup(house.store, accounts, services.changes, lifetimes, clock),
        services.changes,
        services.events,
        Activity(house.store),
        lifetimes,
        clock,
        capacity=100_000,
    )
    await house.create("ann")
    await services.changes.catch_up()
    account = await accounts.find("ann")
    assert account is not None
    issued = await tokens.issue(account, None, Origin(), unless_changed_since=FAR)
    assert issued is not None
    token = issued.token
    await tokens.find(token)
    for number in range(5):
        await accounts.find(await house.create(f"u{number}"))
    assert accounts.peek("ann") is None
    assert (await tokens.find(token)).account.kuid == "ann"
    for number in range(5):
        await accounts.find(f"u{number}")
    await services.users.delete("ann")
    await services.changes.catch_up()
    assert tokens.peek(token) is None
    with pytest.raises(errors.TokenInvalid):
        await tokens.find(token)


async def test_of_two_readings_of_one_account_both_hear_of_a_change(house: Any) -> None:
    services = house.services
    users = SlowUsers(services.users)
    accounts = Accounts(users, services.grants, services.changes, 100_000)
    await house.create("ann")
    await services.changes.catch_up()
    readings = [asyncio.create_task(accounts.find("ann")) for _ in range(2)]
    await users.reached.wait()
    users.go_on.set()
    first, second = await asyncio.gather(*readings)
    await services.users.delete("ann")
    await services.changes.catch_up()
    assert first is not None
    assert second is not None
    assert first.stale
    assert second.stale
