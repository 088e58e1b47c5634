"""Sessions as their owners see them: listed, told apart, ended one by one."""

from __future__ import annotations

from typing import Any

import pytest

from ostiary import errors
from ostiary.services.batches import Batch
from ostiary.services.sessions import Origin
from ostiary.storage.tables import tokens as table
from ostiary.testing.clock import HOUR

pytestmark = pytest.mark.anyio

MINUTE = 60_000


async def listed(bench: Any, kuid: str = "ann") -> list[Any]:
    await bench.house.services.changes.catch_up()
    sessions, total = await bench.sessions.of(await bench.account(kuid))
    assert total == len(sessions)
    return list(sessions)


async def test_a_session_tells_where_it_was_opened_and_opens_nothing(bench: Any) -> None:
    account = await bench.account()
    origin = Origin("badge", agent="curl/8", address="192.0.2.1")
    issued = await bench.tokens.issue(account, None, origin, unless_changed_since=10**9)
    (one,) = await listed(bench)
    now = bench.clock()
    assert one.to_json(issued.session) == {
        "_id": one.id,
        "createdAt": now,
        "lastSeenAt": now - now % MINUTE,
        "expiresAt": now + 2 * HOUR,
        "address": "192.0.2.1",
        "agent": "curl/8",
        "strategy": "badge",
        "singleUse": False,
        "current": True,
    }
    assert not one.to_json(None)["current"]
    assert not await bench.good(one.id)
    assert not await bench.good(f"kauth-{one.id}")


async def test_a_session_stays_the_same_when_its_token_is_refreshed(bench: Any) -> None:
    token = await bench.issue()
    (first,) = await listed(bench)
    for _ in range(3):
        bench.clock.advance(HOUR)
        token = (await bench.refresh(token)).token
    (last,) = await listed(bench)
    assert (last.id, last.began_at) == (first.id, first.began_at)
    assert last.origin.strategy == "badge"
    assert last.expires_at == bench.clock() + 2 * HOUR


async def test_only_what_is_open_is_listed(bench: Any) -> None:
    for wanted in (1000, HOUR, -1):
        await bench.issue(wanted=wanted)
    await bench.issue("ann2")
    assert len(await listed(bench)) == 3
    bench.clock.advance(1000)
    assert len(await listed(bench)) == 2
    bench.clock.advance(HOUR)
    assert [one.expires_at for one in await listed(bench)] == [None]
    assert await listed(bench, "an") == []


async def test_one_session_ends_and_no_other(bench: Any) -> None:
    """Also the token that was just replaced, and no session of somebody else."""
    old, other = await bench.issue(), await bench.issue()
    stranger = await bench.issue("ann2")
    id = (await bench.tokens.find(old)).id
    new = (await bench.refresh(old)).token
    with pytest.raises(errors.SessionNotFound):
        await bench.sessions.revoke("ann2", id)
    await bench.sessions.revoke("ann", id)
    assert [await bench.good(one) for one in (old, new, other, stranger)] == [
        False, False, True, True
    ]  # fmt: skip
    with pytest.raises(errors.SessionNotFound):
        await bench.sessions.revoke("ann", id)


async def test_tokens_of_an_earlier_version_are_sessions_of_their_own(bench: Any) -> None:
    tokens = [await bench.issue() for _ in range(2)]
    async with bench.house.store.begin() as db:
        await db.execute(table.update().values(session=None, began_at=None))
    ids = {(await bench.tokens.find(token)).id for token in tokens}
    assert ids == {one.id for one in await listed(bench)}
    assert {one.began_at for one in await listed(bench)} == {bench.clock()}
    await bench.tokens.revoke(await bench.tokens.find(tokens[0]))
    assert [await bench.good(token) for token in tokens] == [False, True]


async def test_the_last_use_is_known_by_the_minute_and_written_later(bench: Any) -> None:
    token = await bench.issue()
    await bench.tokens.find(token)
    assert await bench.activity.flush(Batch(10)) == 0
    began = bench.clock()
    bench.clock.advance(MINUTE * 5 // 2)
    for _ in range(3):
        assert bench.tokens.peek(token) is not None
    (one,) = await listed(bench)
    minute = bench.clock() - bench.clock() % MINUTE
    assert (one.began_at, one.last_seen) == (began, minute)
    (row,) = await bench.house.rows(table)
    assert row.last_seen < minute
    assert [await bench.activity.flush(Batch(10)) for _ in range(2)] == [1, 0]
    (row,) = await bench.house.rows(table)
    assert row.last_seen == minute
    assert (await listed(bench))[0].last_seen == minute


async def test_uses_are_written_in_batches_and_never_backwards(bench: Any) -> None:
    tokens = [await bench.issue() for _ in range(5)]
    for token in tokens:
        await bench.tokens.find(token)
    bench.clock.advance(10 * MINUTE)
    for token in tokens:
        bench.tokens.peek(token)
    later = bench.clock() + HOUR
    async with bench.house.store.begin() as db:
        first = (await bench.tokens.find(tokens[0])).fingerprint
        await db.execute(table.update().where(table.c.fingerprint == first).values(last_seen=later))
    assert [await bench.activity.flush(Batch(2)) for _ in range(4)] == [2, 2, 1, 0]
    seen = sorted(row.last_seen for row in await bench.house.rows(table))
    minute = bench.clock() - bench.clock() % MINUTE
    assert seen == [minute] * 4 + [later]


async def test_a_token_made_from_another_is_a_session_beside_it(bench: Any) -> None:
    token = await bench.issue()
    bench.clock.advance(HOUR)
    await bench.derive(token, single_use=True)
    made, first = sorted(await listed(bench), key=lambda one: not one.single_use)
    assert (made.single_use, first.single_use) == (True, False)
    assert made.id != first.id
    assert made.began_at == first.began_at == bench.clock() - HOUR
    assert made.origin.strategy == "badge"
