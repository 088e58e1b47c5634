"""Limits of failed logins, by a clock that the tests move."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, closing
from typing import Any

import pytest
from sqlalchemy import func, select

from ostiary import Call, Redirect, errors
from ostiary.services import turns
from ostiary.services.batches import Batch
from ostiary.services.flows import NextStep
from ostiary.services.login_limits import Attempt, LoginLimits
from ostiary.services.sessions import Origin
from ostiary.services.subjects import Allowances, Place
from ostiary.storage.tables import devices, login_counters
from ostiary.testing.clock import SECOND, Clock

pytestmark = pytest.mark.anyio

MINUTE, DAY = 60 * SECOND, 86_400 * SECOND
FREE, OF_ADDRESS, WINDOW = 10, 30, 15 * MINUTE
HOME, ELSEWHERE = "203.0.113.7", "198.51.100.9"
WRONG = errors.LoginRefused("no")
GROWING = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]


class Door:
    """Limits over the store of a house; whoever fails here has given a wrong secret."""

    def __init__(self, house: Any, free: int = FREE, of_address: int = OF_ADDRESS) -> None:
        self.store, self.clock = house.store, Clock()
        allowances = Allowances(free, of_address, WINDOW)
        self.limits = LoginLimits(house.store, allowances, lambda: b"key" * 11, self.clock)

    def attempt(
        self, name: str | None = "ann", address: str = ELSEWHERE, cookie: str | None = None
    ) -> AbstractAsyncContextManager[Attempt]:
        return self.limits.attempt("local", name, Place(address, cookie))

    async def fail(self, *who: Any, error: errors.OstiaryError = WRONG) -> int:
        """Fail, and return for how many seconds one has to wait; 0 is not at all."""
        try:
            async with self.attempt(*who):
                raise error
        except errors.TooManyLogins as refused:
            return refused.retry_after or -1
        except type(error):
            return 0

    async def fails(self, times: int, *who: Any) -> list[int]:
        return [await self.fail(*who) for _ in range(times)]

    async def flood(self, times: int = 12) -> None:
        """Fail with the account of ann, each time from another address."""
        for number in range(times):
            await self.fail("ann", f"198.51.100.{number}")
        assert await self.fail("ann", "198.51.100.200") > 0

    async def succeed(
        self, name: str = "ann", address: str = HOME, cookie: str | None = None
    ) -> str:
        """Sign in, and return what the cookie of the device holds afterwards."""
        async with self.attempt(name, address, cookie) as attempt, self.store.begin() as db:
            await self.limits.succeed(db, attempt)
        stamped = self.limits.stamped(attempt, Place(address, cookie))
        assert stamped is not None
        return stamped

    async def rows(self, table: Any = login_counters) -> int:
        async with self.store.read() as db:
            return int(await db.scalar(select(func.count()).select_from(table)))


@pytest.fixture
def door(house: Any) -> Door:
    return Door(house)


async def test_some_failures_are_free_and_then_the_wait_doubles_up_to_a_quarter_of_an_hour(
    door: Door,
) -> None:
    """AUTH-20, AUTH-22"""
    assert await door.fails(FREE) == [0] * FREE
    for seconds in GROWING:
        assert await door.fail() == seconds
        door.clock.advance(seconds * SECOND)
        assert await door.fail() == 0


async def test_a_refusal_after_a_right_secret_is_no_failure(door: Door) -> None:
    """AUTH-22: who has to change a password first is not held back for it."""
    proved = errors.LoginRefused("Too old.", proved=True)
    assert [await door.fail(error=proved) for _ in range(3 * FREE)] == [0] * 3 * FREE
    assert await door.fails(FREE) == [0] * FREE
    assert await door.fail() > 0


async def test_who_asks_while_waiting_does_not_wait_longer(door: Door) -> None:
    """AUTH-22"""
    await door.fails(FREE + 1)
    door.clock.advance(SECOND)
    await door.fail()
    assert await door.fails(20) == [2] * 20
    door.clock.advance(SECOND)
    assert await door.fail() == 1


async def test_failures_are_forgotten_when_there_was_none_for_the_window(door: Door) -> None:
    """AUTH-26"""
    await door.fails(FREE - 1)
    door.clock.advance(WINDOW - 1)
    assert await door.fails(2) == [0, 1]
    door.clock.advance(WINDOW + SECOND)
    assert await door.fails(FREE + 1) == [0] * FREE + [1]


async def test_nobody_else_is_held_back(door: Door) -> None:
    """AUTH-26: neither another account, nor another address, nor the same name elsewhere."""
    await door.fails(FREE)
    assert await door.fail("ann", ELSEWHERE) == 1
    assert await door.fail("bob", ELSEWHERE) == 0
    async with door.limits.attempt("card", "ann", Place(ELSEWHERE)):
        pass
    await door.fails(OF_ADDRESS, None, ELSEWHERE)
    assert await door.fail("bob", ELSEWHERE) > 0
    assert await door.fail("bob", HOME) == 0


async def test_many_accounts_tried_from_one_address_are_limited_by_the_address(door: Door) -> None:
    """AUTH-24"""
    waits = [await door.fail(f"user-{number}") for number in range(OF_ADDRESS + 1)]
    assert waits == [0] * OF_ADDRESS + [1]


async def test_the_network_of_an_ipv6_address_is_one_address(door: Door) -> None:
    """AUTH-24"""
    for number in range(OF_ADDRESS):
        await door.fail(f"user-{number}", f"2001:db8:1:2:{number:x}::1")
    assert await door.fail("ann", "2001:db8:1:2:ffff::1") == 1
    assert await door.fail("ann", "2001:db8:1:3::1") == 0


async def test_a_strategy_that_names_no_account_is_limited_by_address(door: Door) -> None:
    assert await door.fails(OF_ADDRESS + 1, None) == [0] * OF_ADDRESS + [1]
    assert await door.fail(None, HOME) == 0


async def test_guesses_at_the_same_time_do_not_overrun_the_limit(door: Door) -> None:
    """AUTH-21"""
    waits = await asyncio.gather(*(door.fail() for _ in range(50)))
    assert sorted(waits) == [0] * FREE + [1] * (50 - FREE)


async def test_who_knows_the_secret_may_use_it_many_times_at_once(door: Door) -> None:
    """What is not decided yet counts as failed, so the others wait instead of being refused."""
    await door.fails(2)
    cookies = await asyncio.gather(*(door.succeed("ann", ELSEWHERE) for _ in range(40)))
    assert len(set(cookies)) == 40
    cookies = await asyncio.gather(*(door.succeed("ann", HOME, cookies[0]) for _ in range(40)))
    assert len(door.limits._turns) == 0
    assert await door.fails(FREE - 1, "ann", "192.0.2.1") == [0] * (FREE - 2) + [1]


async def test_who_succeeds_leaves_no_counter(door: Door) -> None:
    for _ in range(FREE + OF_ADDRESS):
        await door.succeed()
    assert await door.limits.purge(Batch(10)) == 3
    assert await door.rows() == 0


async def test_a_success_gives_back_itself_and_no_failure_of_others(door: Door) -> None:
    await door.fails(FREE - 3)
    async with door.attempt("ann", HOME) as attempt:
        assert await door.fail() == 0
        await door.limits.give_back(attempt)
    assert await door.fails(3) == [0, 0, 1]


async def test_a_lock_that_another_failure_has_put_stays(door: Door) -> None:
    await door.fails(FREE - 1)
    async with door.attempt() as slow:
        door.clock.advance(SECOND)
        assert await door.fail() == 0
        await door.limits.give_back(slow)
    assert await door.fail() == 2


async def test_who_comes_while_the_last_free_attempt_is_made_waits_for_its_outcome(
    door: Door,
) -> None:
    await door.fails(FREE - 1)
    async with door.attempt("ann", HOME) as attempt:
        other = asyncio.create_task(door.fail())
        await asyncio.sleep(0)
        assert not other.done()
        await door.limits.give_back(attempt)
    assert await other == 0


async def test_nobody_waits_for_ever_for_the_outcome_of_another_attempt(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "PATIENCE", 0.01)
    await door.fails(FREE - 1)
    async with door.attempt("ann", HOME):
        assert await door.fail() == 1


async def test_strangers_cannot_keep_a_device_out_that_signed_in_before(door: Door) -> None:
    """AUTH-22"""
    cookie = await door.succeed()
    await door.flood()
    assert await door.fails(FREE + 1, "ann", "192.0.2.1", cookie) == [0] * FREE + [1]
    assert await door.fail("ann", "192.0.2.1", None) > 0


async def test_a_known_device_gets_in_from_an_address_that_others_have_spoilt(door: Door) -> None:
    """AUTH-22"""
    cookie = await door.succeed()
    for number in range(OF_ADDRESS + 2):
        await door.fail(f"user-{number}", HOME)
    assert await door.fail("bob", HOME) > 0
    assert await door.succeed("ann", HOME, cookie)


async def test_an_address_that_signed_in_before_stands_in_for_a_cookie(door: Door) -> None:
    """AUTH-22"""
    await door.succeed("ann", HOME)
    await door.flood()
    assert await door.fails(FREE + 1, "ann", HOME) == [0] * FREE + [1]


async def test_a_known_address_is_no_way_around_the_limit_of_the_address(door: Door) -> None:
    """AUTH-24: many users share it, and one of them may be the attacker."""
    for number in range(OF_ADDRESS + 1):
        await door.succeed(f"user-{number}", HOME)
    waits = [await door.fail(f"user-{number}", HOME) for number in range(OF_ADDRESS + 1)]
    assert waits == [0] * OF_ADDRESS + [1]


async def test_a_device_is_known_for_thirty_days(door: Door) -> None:
    cookie = await door.succeed()
    door.clock.advance(30 * DAY)
    await door.flood()
    assert await door.fail("ann", "192.0.2.1", cookie) == 0
    assert await door.fail("ann", HOME) > 0
    door.clock.advance(DAY)
    await door.flood()
    assert await door.fail("ann", "192.0.2.1", cookie) > 0


async def test_a_device_is_known_by_all_the_accounts_that_use_it(door: Door) -> None:
    cookie = None
    for name in ("ann", "bob", "ann", "eve"):
        cookie = await door.succeed(name, HOME, cookie)
    assert cookie is not None
    assert cookie.count(".") == 3
    await door.flood()
    assert await door.fail("ann", ELSEWHERE, cookie) == 0
    for number in range(10):
        cookie = await door.succeed(f"user-{number}", HOME, cookie)
    assert len(cookie) < 150
    assert await door.fail("ann", ELSEWHERE, cookie) > 0


async def test_no_cookie_helps_that_was_not_made_here_for_this_account(door: Door) -> None:
    """AUTH-15"""
    cookie = await door.succeed("ann")
    id, _, stamp = cookie.partition(".")
    of_bob = await door.succeed("bob", ELSEWHERE)
    await door.flood()
    for forged in (
        "",
        ".",
        id,
        stamp,
        of_bob,
        f"{of_bob.partition('.')[0]}.{stamp}",
        f"{id}.{stamp[:-1]}{'A' if stamp[-1] != 'A' else 'B'}",
        f"{id}.{'A' * 24}",
        f"{id}.__8{stamp[3:]}",
        cookie + "é",
        cookie.replace(".", ".."),
        "x" * 100_000,
        f"{id}{'.' + 'A' * 24}" * 5 + f".{stamp}",
    ):
        assert await door.fail("ann", "192.0.2.1", forged) > 0, forged
    assert await door.fail("ann", "192.0.2.1", cookie) == 0


async def test_what_is_no_address_is_counted_too(door: Door) -> None:
    """AUTH-15"""
    for address in ("", "unknown", "\xff", "é" * 10_000):
        waits = [await door.fail(f"user-{number}", address) for number in range(OF_ADDRESS + 1)]
        assert waits == [0] * OF_ADDRESS + [1]


async def test_the_store_holds_no_name_and_no_address(door: Door) -> None:
    """LEAK-05: what was typed as a name may be a password."""
    await door.fail("my password", HOME)
    await door.succeed("my password", ELSEWHERE)
    async with door.store.read() as db:
        held = [(await db.execute(select(table))).all() for table in (login_counters, devices)]
    assert "my password" not in repr(held)
    assert b"my password" not in b"".join(row.subject for row in held[0])
    other = Door(door)
    other.limits = LoginLimits(
        door.store, Allowances(1, 1, WINDOW), lambda: b"other key", door.clock
    )
    assert await other.fail("my password", HOME) == 0


async def test_counters_of_invented_names_are_few_and_go_away(door: Door) -> None:
    """AUTH-26: what one address can add is bounded, and nothing lives longer than half an hour."""
    for number in range(3 * OF_ADDRESS):
        await door.fail(f"invented-{number}")
    assert await door.rows() == OF_ADDRESS + 1
    await door.succeed()
    assert await door.limits.purge(Batch(10)) == 2
    assert await door.limits.purge(Batch(10)) == 0
    door.clock.advance(WINDOW + SECOND)
    assert await door.limits.purge(Batch(10)) == 10
    while await door.limits.purge(Batch(10)) == 10:
        pass
    assert (await door.rows(), await door.rows(devices)) == (0, 1)
    door.clock.advance(30 * DAY)
    assert await door.limits.purge(Batch(10)) == 1
    assert await door.rows(devices) == 0


async def test_what_came_to_no_verdict_is_no_failure(door: Door) -> None:
    for error in (
        errors.Overloaded(retry_after=1),
        errors.StoreUnavailable(),
        errors.TtlExceeded(),
    ):
        assert await door.fail(error=error) == 0
    assert await door.limits.purge(Batch(10)) == 2
    assert await door.rows() == 0


async def test_a_plugin_that_breaks_down_keeps_nobody_else_out_and_tells_nothing_for_free(
    door: Door,
) -> None:
    """AUTH-16"""
    for _ in range(FREE):
        assert await door.fail(error=errors.PluginUnexpectedError("it")) == 0
    assert await door.fail() == 1
    assert await door.fails(OF_ADDRESS, None) == [0] * OF_ADDRESS


async def test_a_login_held_back_is_logged_once_a_minute_without_a_name(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    """LEAK-05, LEAK-07"""
    caplog.set_level(logging.INFO)
    await door.fails(FREE + 30, "my password")
    assert [record.getMessage() for record in caplog.records] == [
        f"logins with 'local' from {ELSEWHERE} have to wait for 1 s"
    ]
    door.clock.advance(MINUTE)
    await door.fails(2, "my password")
    assert len(caplog.records) == 2
    assert "my password" not in caplog.text


async def test_without_allowances_nothing_is_counted(house: Any) -> None:
    door = Door(house)
    door.limits = LoginLimits(house.store, None, lambda: b"key", Clock())
    assert await door.fails(200) == [0] * 200
    async with door.attempt() as attempt, house.store.begin() as db:
        await door.limits.succeed(db, attempt)
        assert door.limits.stamped(attempt, Place(HOME)) is None
    assert (await door.rows(), await door.rows(devices)) == (0, 0)


async def sign_in(house: Any, badge: Any) -> Any:
    place = Place(HOME)
    return await house.services.logins.sign_in(
        "badge", {"badge": badge}, Call(), None, Origin(), place
    )


async def test_logins_are_refused_when_they_cannot_be_counted(house: Any) -> None:
    """AUTH-16: without the limiter nobody gets as far as the strategy."""
    await house.create("ann", badge="1")
    asked: list[str] = []

    async def note(kuid: str) -> None:
        asked.append(kuid)

    house.during("badge", "verify", note)
    assert (await sign_in(house, "1")).issued.kuid == "ann"
    asked.clear()
    with closing(sqlite3.connect(house.core.settings.data.dir / "core.db")) as file:
        file.execute("ALTER TABLE login_counters RENAME TO lost")
    with pytest.raises(Exception, match="login_counters"):
        await sign_in(house, "1")
    assert asked == []


async def test_a_strategy_is_not_asked_once_the_limit_is_reached(house: Any) -> None:
    """AUTH-20, AUTH-21, AUTH-22: and that a user exists makes no difference."""
    await house.create("ann", badge="ann")
    asked: list[str] = []

    async def refuse(kuid: str) -> None:
        asked.append(kuid)
        raise errors.LoginRefused("no")

    house.during("badge", "verify", refuse)
    for name in ("ann", "nobody"):
        asked.clear()
        attempts = (sign_in(house, name) for _ in range(50))
        outcomes = await asyncio.gather(*attempts, return_exceptions=True)
        assert len(asked) == FREE
        kinds = sorted(type(outcome).__name__ for outcome in outcomes)
        assert kinds == [errors.TooManyLogins.__name__] * 40 + [errors.LoginRefused.__name__] * 10


async def test_a_redirection_is_no_failure(house: Any) -> None:
    async def elsewhere(_kuid: str) -> Redirect:
        return Redirect("https://door.example/")

    house.during("badge", "verify", elsewhere)
    for _ in range(FREE + 1):
        outcome = await sign_in(house, "1")
        assert isinstance(outcome, NextStep)
    await house.services.login_limits.purge(Batch(10))
    assert await Door(house).rows() == 0


@pytest.mark.parametrize(
    "account",
    [lambda _self, given: given["name"], lambda *_: 5, lambda *_: b"ann"],
    ids=["raises", "number", "bytes"],
)
async def test_a_strategy_that_cannot_name_the_account_lets_nobody_in(
    house: Any, monkeypatch: pytest.MonkeyPatch, account: Callable[..., Any]
) -> None:
    """AUTH-16"""
    await house.create("ann", badge="1")
    strategy = house.services.strategies.find("badge")
    monkeypatch.setattr(type(strategy), "account", account)
    with pytest.raises(errors.PluginUnexpectedError):
        await sign_in(house, "1")
    assert await Door(house).rows() == 0


async def test_a_strategy_that_cannot_name_accounts_hides_no_others(
    house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.create("ann", badge="1")
    strategy = house.services.strategies.find("badge")
    monkeypatch.setattr(type(strategy), "account", lambda *_: 5)
    account = await house.services.accounts.find("ann")
    assert await house.services.sign_ins.of(account, size=1) == []
    assert await house.services.holding_back.search(user="ann", size=1) == ([], 0)


async def test_an_account_is_found_by_the_keys_of_former_days(house: Any) -> None:
    """ISO-12: the audit log keeps hashes that were made before the master key was replaced."""
    former, current = b"former" * 6, b"current" * 5
    before = LoginLimits(house.store, None, lambda: former, Clock())
    after = LoginLimits(house.store, None, lambda: current, Clock(), lambda: [current, former])
    found = after.digests("local", "ann")
    assert found == (after.digest("local", "ann"), before.digest("local", "ann"))
    assert len({*found, after.digest("local", "bob")}) == 3
