"""Tokens: how long they live, how they are replaced, and that they end when they are said to."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest

from ostiary import errors
from ostiary.arguments import Duration
from ostiary.services.batches import Batch
from ostiary.services.lifetimes import Lifetimes
from ostiary.services.sessions import Origin
from ostiary.services.tokens import LONGEST
from ostiary.storage.tables import tokens as table
from ostiary.testing.clock import HOUR

pytestmark = pytest.mark.anyio

FAR = 10**9
"""No change is later."""

GRACE, MINUTE = 1000, 60_000


def claims(token: str) -> dict[str, Any]:
    middle = token.split(".")[1]
    decoded: dict[str, Any] = json.loads(base64.b64decode(middle + "=" * (-len(middle) % 4)))
    return decoded


async def test_a_token_lives_for_two_hours_and_not_a_millisecond_longer(bench: Any) -> None:
    """TOK-15, TOK-16, REL-08"""
    token = await bench.issue()
    assert claims(token)["exp"] - claims(token)["iat"] == 7200
    bench.clock.advance(2 * HOUR - 1)
    assert await bench.good(token)
    bench.clock.advance(1)
    assert not await bench.good(token)


async def test_a_token_that_is_remembered_expires_too(bench: Any) -> None:
    """TOK-16"""
    token = await bench.issue(wanted=50)
    await bench.tokens.find(token)
    assert bench.tokens.peek(token) is not None
    bench.clock.advance(50)
    assert bench.tokens.peek(token) is None


async def test_a_clock_that_jumps_ends_tokens_and_revives_nothing(bench: Any) -> None:
    """REL-08"""
    token = await bench.issue()
    bench.clock.advance(3 * HOUR)
    assert not await bench.good(token)
    token = await bench.issue()
    await bench.tokens.revoke(await bench.tokens.find(token))
    bench.clock.advance(-3 * HOUR)
    assert not await bench.good(token)


async def test_going_back_in_time_revives_nothing_revoked(bench: Any) -> None:
    """REL-08"""
    token = await bench.issue()
    await bench.tokens.revoke(await bench.tokens.find(token))
    bench.clock.advance(-3 * HOUR)
    assert not await bench.good(token)


async def test_a_token_without_end_is_never_over_and_never_refreshed(bench: Any) -> None:
    token = await bench.issue(wanted=-1)
    assert "exp" not in claims(token)
    bench.clock.advance(1_000_000 * HOUR)
    assert await bench.good(token)
    with pytest.raises(errors.RefreshForbidden):
        await bench.refresh(token)


@pytest.mark.parametrize("wanted", [-1, HOUR + 1, 2**53])
async def test_nothing_lives_longer_than_the_maximum(
    bench: Any, new_bench: Any, wanted: int
) -> None:
    """TOK-17, TOK-18"""
    bounded = new_bench(Lifetimes(default=1000, longest=HOUR, grace=GRACE))
    with pytest.raises(errors.TtlExceeded):
        await bounded.issue(wanted=wanted)
    token = await bounded.issue(wanted=HOUR)
    with pytest.raises(errors.TtlExceeded):
        await bounded.refresh(token, wanted)


async def test_tokens_of_one_instant_are_different(bench: Any) -> None:
    """TOK-22"""
    assert len({await bench.issue() for _ in range(20)}) == 20


async def test_the_store_holds_no_token(bench: Any) -> None:
    """TOK-32"""
    token = await bench.issue()
    (row,) = await bench.house.rows(table)
    assert token not in str(row)
    assert token.rpartition(".")[2] not in str(row)


async def test_a_refreshed_token_lives_on_for_the_grace_period(bench: Any) -> None:
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


async def test_within_the_grace_period_a_second_refresh_gives_the_same_token(bench: Any) -> None:
    """TOK-20"""
    old = await bench.issue()
    session = await bench.tokens.find(old)
    first = await bench.tokens.refresh(session, Duration(5000), Origin())
    bench.clock.advance(GRACE - 1)
    assert await bench.tokens.refresh(session, None, Origin()) == first
    bench.clock.advance(1)
    with pytest.raises(errors.TokenInvalid):
        await bench.tokens.refresh(session, None, Origin())


async def test_fifty_refreshes_at_once_give_one_token(bench: Any) -> None:
    """TOK-21"""
    old = await bench.issue()
    found = await asyncio.gather(*(bench.refresh(old) for _ in range(50)))
    assert len({issued.token for issued in found}) == 1
    assert len(await bench.house.rows(table)) == 2


async def test_a_revoked_token_cannot_be_refreshed(bench: Any) -> None:
    """TOK-10"""
    token = await bench.issue()
    session = await bench.tokens.find(token)
    await bench.tokens.revoke(session)
    with pytest.raises(errors.TokenInvalid):
        await bench.tokens.refresh(session, None, Origin())
    assert await bench.house.rows(table) == []


async def test_revoking_everything_of_a_user_touches_no_other(bench: Any) -> None:
    """TOK-11, TOK-12"""
    mine = [await bench.issue() for _ in range(3)]
    others = [await bench.issue("ann2"), await bench.issue("an")]
    assert all([await bench.good(token) for token in (*mine, *others)])
    await bench.tokens.revoke_all("ann")
    assert not any([await bench.good(token) for token in mine])
    assert all([await bench.good(token) for token in others])


@pytest.mark.parametrize("remembered", [True, False])
async def test_who_is_created_anew_inherits_no_token(bench: Any, *, remembered: bool) -> None:
    """TOK-13"""
    token, house = await bench.issue(), bench.house
    if remembered:
        assert await bench.good(token)
    await house.services.users.delete("ann")
    assert not await bench.good(token)
    await house.create("ann")
    assert not await bench.good(token)


async def test_a_token_issued_to_who_was_just_deleted_is_worth_nothing(bench: Any) -> None:
    """TOK-13"""
    account = await bench.house.services.accounts.find("ann")
    await bench.house.services.users.delete("ann")
    issued = await bench.tokens.issue(account, None, Origin(), unless_changed_since=FAR)
    assert issued is not None
    token = issued.token
    assert not await bench.good(token)
    await bench.house.create("ann")
    assert not await bench.good(token)


async def test_what_is_no_token_of_ours_is_refused(bench: Any) -> None:
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


async def test_what_is_over_is_purged_in_batches_and_nothing_else(bench: Any) -> None:
    """TOK-34"""
    for _ in range(5):
        await bench.issue(wanted=1000)
    endless, lasting = await bench.issue(wanted=-1), await bench.issue(wanted=HOUR)
    await bench.refresh(await bench.issue(wanted=HOUR))
    bench.clock.advance(HOUR // 2)
    assert [await bench.tokens.purge(Batch(4)) for _ in range(3)] == [4, 2, 0]
    assert await bench.good(endless)
    assert await bench.good(lasting)
    assert len(await bench.house.rows(table)) == 3


async def test_no_repr_holds_a_token(bench: Any) -> None:
    account = await bench.house.services.accounts.find("ann")
    issued = await bench.tokens.issue(account, None, Origin(), unless_changed_since=FAR)
    assert issued is not None
    assert issued.token not in repr(issued)
    assert issued.token not in repr(await bench.tokens.find(issued.token))


async def test_logging_out_around_a_refresh_leaves_neither_token(bench: Any) -> None:
    """TOK-14"""
    for which in (0, 1):
        old = await bench.issue()
        pair = [old, (await bench.refresh(old)).token]
        await bench.tokens.revoke(await bench.tokens.find(pair[which]))
        assert [await bench.good(token) for token in pair] == [False, False]


async def test_a_token_of_single_use_dies_with_its_first_use_of_fifty(bench: Any) -> None:
    """TOK-23: and stands in no memory from which it could be used again."""
    token = (await bench.derive(await bench.issue(), single_use=True)).token

    async def use() -> bool:
        try:
            return (await bench.tokens.find(token)).single_use is True
        except errors.TokenInvalid:
            return False

    uses = await asyncio.gather(*(use() for _ in range(50)))
    assert sum(uses) == 1
    assert bench.tokens.peek(token) is None
    assert not await bench.good(token)


async def test_two_processes_do_not_both_use_a_token_of_single_use(
    bench: Any, open_house: Any
) -> None:
    """TOK-23"""
    other = await open_house()
    for _ in range(10):
        token = (await bench.derive(await bench.issue(wanted=-1), single_use=True)).token
        uses = await asyncio.gather(
            *(tokens.find(token) for tokens in (bench.tokens, other.services.tokens)),
            return_exceptions=True,
        )
        assert sorted(type(use).__name__ for use in uses) == ["Session", "security.token.invalid"]


async def test_a_token_of_single_use_is_not_refreshed(bench: Any) -> None:
    """TOK-24"""
    token = (await bench.derive(await bench.issue(), single_use=True)).token
    with pytest.raises(errors.RefreshForbidden):
        await bench.refresh(token)
    assert not await bench.good(token)


@pytest.mark.parametrize("wanted", [-1, HOUR + 1])
async def test_a_token_that_is_made_from_another_always_has_an_end(
    bench: Any, new_bench: Any, wanted: int
) -> None:
    """TOK-18: within the maximum, too."""
    bounded = new_bench(Lifetimes(default=1000, longest=HOUR, grace=GRACE))
    token = await bounded.issue()
    with pytest.raises(errors.TtlExceeded):
        await bounded.derive(token, wanted)
    endless = new_bench(Lifetimes(default=-1, longest=-1, grace=GRACE))
    token = await endless.issue()
    for end in (None, -1):
        with pytest.raises(errors.InvalidExpiration) as caught:
            await endless.derive(token, end)
        assert len(caught.value.props) == 2
    assert (await bench.derive(await bench.issue(), HOUR)).ttl == HOUR


async def test_no_token_is_made_from_one_that_has_ended_meanwhile(bench: Any) -> None:
    """TOK-14"""
    for single_use in (False, True):
        for end in (bench.tokens.revoke_all, bench.house.services.users.delete):
            token = await bench.issue()
            if single_use:
                token = (await bench.derive(token, single_use=True)).token
            session = await bench.tokens.find(token)
            await end("ann")
            await bench.house.services.changes.catch_up()
            with pytest.raises(errors.TokenInvalid):
                await bench.tokens.derive(session, None, Origin(), single_use=False)
        await bench.house.create("ann")
        await bench.house.services.changes.catch_up()


async def test_a_chain_of_refreshes_comes_to_its_end(new_bench: Any, bench: Any) -> None:
    """TOK-33"""
    bounded = new_bench(Lifetimes(default=2 * HOUR, longest=-1, grace=GRACE, session=5 * HOUR))
    token, ends = await bounded.issue(), []
    for _ in range(4):
        bounded.clock.advance(HOUR)
        issued = await bounded.refresh(token)
        token = issued.token
        ends.append(issued.ttl)
    assert ends == [2 * HOUR, 2 * HOUR, 2 * HOUR, HOUR]
    made = await bounded.derive(token)
    assert made.ttl == HOUR
    bounded.clock.advance(HOUR - 1)
    assert await bounded.good(token)
    bounded.clock.advance(1)
    assert not await bounded.good(token)
    assert not await bounded.good(made.token)


async def test_a_new_end_of_sessions_binds_tokens_that_are_there(
    bench: Any, new_bench: Any
) -> None:
    """TOK-33: those without end among them."""
    token = await bench.issue(wanted=-1)
    bounded = new_bench(Lifetimes(default=HOUR, longest=-1, grace=GRACE, session=5 * HOUR))
    assert (await bounded.tokens.find(token)).expires_at == bounded.clock() + 5 * HOUR
    assert (await bounded.sessions.of(await bounded.account()))[0][0].expires_at is not None


async def fate(bench: Any, session: Any) -> str:
    """Tell what has become of a token, as whoever is tied to it finds it."""
    await bench.house.services.changes.catch_up()
    found = await bench.tokens.fate(session.fingerprint)
    if found is None:
        return "gone"
    if found.expires_at is not None and found.expires_at <= bench.clock():
        return "expired"
    return "live" if found.fingerprint == session.fingerprint else f"now {found.fingerprint.hex()}"


async def test_what_became_of_a_token_can_be_told(bench: Any) -> None:
    first = await bench.tokens.find(await bench.issue())
    assert await fate(bench, first) == "live"
    second = (await bench.tokens.refresh(first, None, Origin())).session
    third = (await bench.tokens.refresh(second, None, Origin())).session
    for session in (first, second):
        assert await fate(bench, session) == f"now {third.fingerprint.hex()}"
        assert (await bench.tokens.fate(session.fingerprint)).id == first.id
    assert await fate(bench, third) == "live"
    bench.clock.advance(3 * HOUR)
    assert {await fate(bench, one) for one in (first, second, third)} == {"expired"}
    await bench.tokens.revoke(third)
    assert {await fate(bench, one) for one in (first, second, third)} == {"gone"}


async def test_what_expired_is_known_for_a_minute(bench: Any) -> None:
    session = await bench.tokens.find(await bench.issue(wanted=1000))
    bench.clock.advance(1000 + MINUTE)
    assert await bench.tokens.purge(Batch(10)) == 0
    assert await fate(bench, session) == "expired"
    bench.clock.advance(1)
    assert await bench.tokens.purge(Batch(10)) == 1
    assert await fate(bench, session) == "gone"


async def test_the_token_of_who_is_shut_out_is_gone_and_has_not_expired(bench: Any) -> None:
    session = await bench.tokens.find(await bench.issue())
    _, key = await bench.key()
    of_key = await bench.tokens.find(key)
    assert await fate(bench, of_key) == "live"
    await bench.house.services.statuses.disable("ann", "root")
    assert {await fate(bench, one) for one in (session, of_key)} == {"gone"}


async def test_whoever_gets_a_token_gets_its_session_too(bench: Any) -> None:
    old = await bench.issue()
    first, second = [await bench.refresh(old) for _ in range(2)]
    found = await bench.tokens.find(first.token)
    for issued in (first, second):
        assert issued.session.fingerprint == found.fingerprint
        assert issued.session.account is found.account
        assert (issued.session.id, issued.session.expires_at) == (found.id, found.expires_at)


async def test_everybody_is_signed_out_and_keeps_their_api_keys(
    bench: Any, open_house: Any
) -> None:
    other = (await open_house()).services
    mine = [await bench.issue(kuid) for kuid in ("ann", "ann2")]
    _, key = await bench.key()
    for token in mine:
        await other.tokens.find(token)
    await bench.tokens.revoke_everyone()
    assert [await bench.good(token) for token in (*mine, key)] == [False, False, True]
    await other.changes.catch_up()
    for token in mine:
        with pytest.raises(errors.TokenInvalid):
            await other.tokens.find(token)
