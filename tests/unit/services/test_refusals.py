"""Refusals in the audit log: told at once, and bounded however many there are."""

from __future__ import annotations

from typing import Any

import pytest

from ostiary import errors
from ostiary.acting import Source, acting
from ostiary.events import ActionRefused, SignInRefused
from ostiary.services.refusals import Refusals
from ostiary.storage.tables import audit
from ostiary.testing.clock import Clock

pytestmark = pytest.mark.anyio

MINUTE = 60_000


class Expired(errors.LoginRefusal):
    id, code, message = "plugin.toy.expired", 0x04_7A_0001, "Too old."


def wrong(account: bytes = b"ann", reason: str = "wrong password") -> SignInRefused:
    return SignInRefused(reason=reason, strategy="badge", account=account)


async def rows(house: Any) -> list[Any]:
    return [row for row in await house.rows(audit) if row.event.endswith("Refused")]


async def test_a_refusal_is_told_before_it_is_answered(house: Any) -> None:
    """LEAK-07."""
    refusals = Refusals(house.services.events, house.services.tally, Clock())
    with acting(Source(protocol="http", address="10.0.0.1", agent="curl", request="r1")):
        await refusals.note(wrong())
    (row,) = await rows(house)
    assert (row.event, row.reason, row.account) == ("SignInRefused", "wrong password", b"ann")
    assert (row.protocol, row.address, row.agent, row.request) == ("http", "10.0.0.1", "curl", "r1")


async def test_the_same_again_within_a_minute_is_a_number(house: Any) -> None:
    clock = Clock()
    refusals = Refusals(house.services.events, house.services.tally, clock)
    with acting(Source(address="10.0.0.1")):
        for _ in range(5):
            await refusals.note(wrong())
        assert len(await rows(house)) == 1
        clock.advance(MINUTE)
        await refusals.sweep()
    first, repeated = await rows(house)
    assert first.details is None
    assert repeated.details == {"count": 4}
    assert repeated.address == "10.0.0.1"


async def test_another_account_address_or_reason_is_another_refusal(house: Any) -> None:
    refusals = Refusals(house.services.events, house.services.tally, Clock())
    for address in ("10.0.0.1", "10.0.0.2"):
        with acting(Source(address=address)):
            await refusals.note(wrong())
            await refusals.note(wrong(b"bob"))
            await refusals.note(wrong(reason="unknown account"))
    assert len(await rows(house)) == 6


async def test_attackers_fill_neither_disk_nor_memory(house: Any) -> None:
    """LEAK-06: rows a minute are bounded, whatever varies from one attempt to the next."""
    clock = Clock()
    refusals = Refusals(house.services.events, house.services.tally, clock, most=5)
    for number in range(100):
        with acting(Source(address=f"10.0.0.{number}", agent=f"{number}", request=f"{number}")):
            await refusals.note(wrong(str(number).encode()))
            await refusals.note(ActionRefused(reason="no", action="security:createUser"))
    assert len(await rows(house)) == 5
    clock.advance(MINUTE)
    await refusals.sweep()
    told = (await rows(house))[5:]
    assert {row.event for row in told} == {"SignInRefused", "ActionRefused"}
    assert sum(row.details["count"] for row in told) == 195
    assert {(row.account, row.address, row.agent) for row in told} == {(None, None, None)}


async def test_reasons_that_a_plugin_makes_up_are_bounded_too(house: Any) -> None:
    clock = Clock()
    refusals = Refusals(house.services.events, house.services.tally, clock, most=1)
    for number in range(500):
        await refusals.note(wrong(reason=f"reason {number}"))
    clock.advance(MINUTE)
    await refusals.sweep()
    told = await rows(house)
    assert len(told) < 100
    assert sum((row.details or {}).get("count", 1) for row in told) == 500


async def test_what_was_counted_is_told_when_the_process_ends(open_house: Any) -> None:
    house = await open_house()
    for _ in range(3):
        await house.services.refusals.note(wrong())
    await house.services.refusals.flush()
    assert [row.details for row in await rows(house)] == [None, {"count": 2}]


@pytest.mark.parametrize(
    "error, reason",
    [
        (errors.LoginRefused("No.", kuid="ann", reason="wrong badge"), "wrong badge"),
        (errors.LoginRefused("No."), "refused by the strategy"),
        (Expired(kuid="ann", resetToken="secret"), Expired.id),
        (Expired(reason="too old"), "too old"),
        (errors.PluginUnexpectedError("strategy badge failed"), "the plugin failed"),
        (errors.TtlExceeded(), "security.token.ttl_exceeded"),
    ],
)
async def test_a_login_tells_why_it_was_refused(
    house: Any, error: errors.OstiaryError, reason: str
) -> None:
    refusals = Refusals(house.services.events, house.services.tally, Clock())
    with pytest.raises(type(error)):
        async with refusals.of_sign_in("badge", b"account"):
            raise error
    await refusals.of_action(error, "auth:login", None)
    (row,) = await rows(house)
    assert (row.event, row.reason, row.strategy) == ("SignInRefused", reason, "badge")


async def test_a_login_that_was_not_looked_at_is_told_as_such(house: Any) -> None:
    refusals = Refusals(house.services.events, house.services.tally, Clock())
    with pytest.raises(errors.TooManyLogins):
        async with refusals.of_sign_in("badge", b"account"):
            raise errors.TooManyLogins(retry_after=7)
    (row,) = [row for row in await house.rows(audit) if row.event == "SignInHeldBack"]
    assert row.details == {"wait": 7}
