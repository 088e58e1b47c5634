"""Tokens: how long they live, how they are replaced, and that they end when they are said to."""

from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import replace
from typing import Any

import pytest

from ostiary import errors
from ostiary.arguments import Duration
from ostiary.services.activity import Activity
from ostiary.services.lifetimes import Lifetimes
from ostiary.services.lookup import Lookup
from ostiary.services.sessions import Origin
from ostiary.services.tokens import LONGEST, Tokens
from ostiary.storage.tables import tokens as table
from ostiary.testing.clock import HOUR, Clock

pytestmark = pytest.mark.anyio

FAR = 10**9
"""No change is later."""

GRACE = 1000
LIFETIMES = Lifetimes(default=2 * HOUR, longest=-1, grace=GRACE)


class Bench:
    """The tokens of a house, by a clock that stands still, and one user."""

    def __init__(self, house: Any, lifetimes: Lifetimes = LIFETIMES) -> None:
        services = house.services
        self.house, self.clock = house, Clock()
        self.activity = Activity(house.store)
        self.tokens = Tokens(
            house.store,
            house.core.signing_keys,
            Lookup(house.store, services.accounts, lifetimes, self.clock),
            services.changes,
            self.activity,
            lifetimes,
            self.clock,
            capacity=1000,
        )

    async def issue(self, kuid: str = "ann", wanted: int | None = None) -> str:
        account = await self.house.services.accounts.find(kuid)
        ttl = None if wanted is None else Duration(wanted)
        issued = await self.tokens.issue(account, ttl, Origin("badge"), unless_changed_since=FAR)
        assert issued is not None
        return issued.token

    async def refresh(self, token: str, wanted: int | None = None) -> Any:
        ttl = None if wanted is None else Duration(wanted)
        return await self.tokens.refresh(await self.tokens.find(token), ttl, Origin())

    async def good(self, token: str) -> bool:
        """Tell whether a token is good, as the next request would find it."""
        await self.house.services.changes.catch_up()
        try:
            return await self.tokens.find(token) is not None
        except errors.TokenInvalid:
            assert self.tokens.peek(token) is None
            return False


@pytest.fixture
async def bench(house: Any) -> Bench:
    for kuid in ("ann", "ann2", "an"):
        await house.create(kuid)
    await house.services.changes.catch_up()
    return Bench(house)


def claims(token: str) -> dict[str, Any]:
    middle = token.split(".")[1]
    decoded: dict[str, Any] = json.loads(base64.b64decode(middle + "=" * (-len(middle) % 4)))
    return decoded


async def test_a_token_lives_for_two_hours_and_not_a_millisecond_longer(bench: Bench) -> None:
    """TOK-15, TOK-16"""
    token = await bench.issue()
    assert claims(token)["exp"] - claims(token)["iat"] == 7200
    bench.clock.advance(2 * HOUR - 1)
    assert await bench.good(token)
    bench.clock.advance(1)
    assert not await bench.good(token)


async def test_a_token_that_is_remembered_expires_too(bench: Bench) -> None:
    """TOK-16"""
    token = await bench.issue(wanted=50)
    await bench.tokens.find(token)
    assert bench.tokens.peek(token) is not None
    bench.clock.advance(50)
    assert bench.tokens.peek(token) is None


async def test_going_back_in_time_revives_nothing_revoked(bench: Bench) -> None:
    token = await bench.issue()
    await bench.tokens.revoke(await bench.tokens.find(token))
    bench.clock.advance(-3 * HOUR)
    assert not await bench.good(token)


async def test_a_token_without_end_is_never_over_and_never_refreshed(bench: Bench) -> None:
    token = await bench.issue(wanted=-1)
    assert "exp" not in claims(token)
    bench.clock.advance(1_000_000 * HOUR)
    assert await bench.good(token)
    with pytest.raises(errors.RefreshForbidden):
        await bench.refresh(token)


@pytest.mark.parametrize("wanted", [-1, HOUR + 1, 2**53])
async def test_nothing_lives_longer_than_the_maximum(bench: Bench, wanted: int) -> None:
    """TOK-17, TOK-18"""
    bounded = Bench(bench.house, replace(LIFETIMES, default=1000, longest=HOUR))
    with pytest.raises(errors.TtlExceeded):
        await bounded.issue(wanted=wanted)
    token = await bounded.issue(wanted=HOUR)
    with pytest.raises(errors.TtlExceeded):
        await bounded.refresh(token, wanted)


async def test_tokens_of_one_instant_are_different(bench: Bench) -> None:
    """TOK-22"""
    assert len({await bench.issue() for _ in range(20)}) == 20


async def test_the_store_holds_no_token(bench: Bench) -> None:
    """TOK-32"""
    token = await bench.issue()
    (row,) = await bench.house.rows(table)
    assert token not in str(row)
    assert token.rpartition(".")[2] not in str(row)


async def test_a_refreshed_token_lives_on_for_the_grace_period(bench: Bench) -> None:
    """TOK-20"""
    old = await bench.issue()
    new = (await bench.refresh(old)).token
    assert new != old
    bench.clock.advance(GRACE - 1)
    assert await bench.good(old)
    bench.clock.advance(1)
    assert not await bench.good(old)
    assert await bench.good(new)
    assert (await bench.tokens.find(new)).strategy == "badge"


async def test_within_the_grace_period_a_second_refresh_gives_the_same_token(bench: Bench) -> None:
    """TOK-20"""
    old = await bench.issue()
    session = await bench.tokens.find(old)
    first = await bench.tokens.refresh(session, Duration(5000), Origin())
    bench.clock.advance(GRACE - 1)
    assert await bench.tokens.refresh(session, None, Origin()) == first
    bench.clock.advance(1)
    with pytest.raises(errors.TokenInvalid):
        await bench.tokens.refresh(session, None, Origin())


async def test_fifty_refreshes_at_once_give_one_token(bench: Bench) -> None:
    """TOK-21"""
    old = await bench.issue()
    found = await asyncio.gather(*(bench.refresh(old) for _ in range(50)))
    assert len({issued.token for issued in found}) == 1
    assert len(await bench.house.rows(table)) == 2


async def test_a_revoked_token_cannot_be_refreshed(bench: Bench) -> None:
    """TOK-10"""
    token = await bench.issue()
    session = await bench.tokens.find(token)
    await bench.tokens.revoke(session)
    with pytest.raises(errors.TokenInvalid):
        await bench.tokens.refresh(session, None, Origin())
    assert await bench.house.rows(table) == []


async def test_revoking_everything_of_a_user_touches_no_other(bench: Bench) -> None:
    """TOK-11, TOK-12"""
    mine = [await bench.issue() for _ in range(3)]
    others = [await bench.issue("ann2"), await bench.issue("an")]
    assert all([await bench.good(token) for token in (*mine, *others)])
    await bench.tokens.revoke_all("ann")
    assert not any([await bench.good(token) for token in mine])
    assert all([await bench.good(token) for token in others])


@pytest.mark.parametrize("remembered", [True, False])
async def test_who_is_created_anew_inherits_no_token(bench: Bench, *, remembered: bool) -> None:
    """TOK-13"""
    token, house = await bench.issue(), bench.house
    if remembered:
        assert await bench.good(token)
    await house.services.users.delete("ann")
    assert not await bench.good(token)
    await house.create("ann")
    assert not await bench.good(token)


async def test_a_token_issued_to_who_was_just_deleted_is_worth_nothing(bench: Bench) -> None:
    """TOK-13"""
    account = await bench.house.services.accounts.find("ann")
    await bench.house.services.users.delete("ann")
    issued = await bench.tokens.issue(account, None, Origin(), unless_changed_since=FAR)
    assert issued is not None
    token = issued.token
    assert not await bench.good(token)
    await bench.house.create("ann")
    assert not await bench.good(token)


async def test_what_is_no_token_of_ours_is_refused(bench: Bench) -> None:
    """TOK-04, TOK-06, TOK-08, TOK-24"""
    token = await bench.issue()
    jwt = token.removeprefix("kauth-")
    wrong = [
        "",
        "kauth-",
        jwt,
        f"kapikey-{jwt}",
        token[:-1],
        f"{token}=",
        f" {token}",
        token + "A" * LONGEST,
        token.swapcase(),
        "kauth-\ud800",
        "kauth-é.é.é",
    ]
    assert [text for text in wrong if await bench.good(text)] == []
    unknown, _ = bench.house.core.signing_keys.sign({"_id": "ann", "iat": 1, "jti": "0"})
    assert not await bench.good(f"kauth-{unknown}")


async def test_what_is_over_is_purged_in_batches_and_nothing_else(bench: Bench) -> None:
    """TOK-34"""
    for _ in range(5):
        await bench.issue(wanted=1000)
    endless, lasting = await bench.issue(wanted=-1), await bench.issue(wanted=HOUR)
    await bench.refresh(await bench.issue(wanted=HOUR))
    bench.clock.advance(HOUR // 2)
    assert [await bench.tokens.purge(4) for _ in range(3)] == [4, 2, 0]
    assert await bench.good(endless)
    assert await bench.good(lasting)
    assert len(await bench.house.rows(table)) == 3


async def test_no_repr_holds_a_token(bench: Bench) -> None:
    account = await bench.house.services.accounts.find("ann")
    issued = await bench.tokens.issue(account, None, Origin(), unless_changed_since=FAR)
    assert issued is not None
    assert issued.token not in repr(issued)
    assert issued.token not in repr(await bench.tokens.find(issued.token))


async def test_logging_out_around_a_refresh_leaves_neither_token(bench: Bench) -> None:
    """TOK-14"""
    for which in (0, 1):
        old = await bench.issue()
        pair = [old, (await bench.refresh(old)).token]
        await bench.tokens.revoke(await bench.tokens.find(pair[which]))
        assert [await bench.good(token) for token in pair] == [False, False]
