"""API keys: shown once, bound to their owner, ended when they are said to be."""

from __future__ import annotations

import asyncio
from hashlib import sha256
from typing import Any
from uuid import UUID

import pytest

from ostiary import errors
from ostiary.arguments import Duration
from ostiary.services.batches import Batch
from ostiary.services.sessions import Origin
from ostiary.storage.tables import api_keys as table
from ostiary.testing.clock import HOUR

pytestmark = pytest.mark.anyio

MINUTE = 60_000


async def test_the_store_holds_the_digest_of_a_key_and_nothing_else_of_it(bench: Any) -> None:
    """KEY-03"""
    made, text = await bench.key()
    assert text.startswith("kapikey-")
    assert made.to_json()["_source"]["fingerprint"] == sha256(text.encode()).hexdigest()
    (row,) = await bench.house.rows(table)
    assert row.fingerprint == made.fingerprint
    assert text not in str(row)
    assert text.rpartition(".")[2] not in str(row)
    assert text not in repr(made)


async def test_a_key_stands_for_its_owner_until_it_is_deleted(bench: Any, open_house: Any) -> None:
    """KEY-05: in every process, at once."""
    other = (await open_house()).services
    made, text = await bench.key()
    assert (await other.tokens.find(text)).account.kuid == "ann"
    assert await bench.good(text)
    with pytest.raises(errors.DocumentNotFound):
        await bench.api_keys.delete("ann2", made.id)
    await bench.api_keys.delete("ann", made.id)
    assert not await bench.good(text)
    await other.changes.catch_up()
    with pytest.raises(errors.TokenInvalid):
        await other.tokens.find(text)
    with pytest.raises(errors.DocumentNotFound):
        await bench.api_keys.delete("ann", made.id)


async def test_a_key_expires_to_the_millisecond_and_is_purged_later(bench: Any) -> None:
    """KEY-05, TOK-34"""
    _, text = await bench.key(wanted=HOUR)
    _, endless = await bench.key(wanted=-1)
    bench.clock.advance(HOUR - 1)
    assert await bench.good(text)
    bench.clock.advance(1)
    assert [await bench.good(one) for one in (text, endless)] == [False, True]
    bench.clock.advance(MINUTE)
    assert await bench.api_keys.purge(Batch(10)) == 0
    bench.clock.advance(1)
    assert [await bench.api_keys.purge(Batch(10)) for _ in range(2)] == [1, 0]
    assert await bench.good(endless)


async def test_signing_out_everywhere_spares_keys(bench: Any) -> None:
    _, text = await bench.key()
    token = await bench.issue()
    await bench.tokens.revoke(await bench.tokens.find(text))
    await bench.tokens.revoke_all("ann")
    assert [await bench.good(one) for one in (text, token)] == [True, False]


async def test_the_keys_of_a_deleted_user_are_gone_and_not_revived(bench: Any) -> None:
    """TOK-13, KEY-06"""
    _, text = await bench.key()
    _, other = await bench.key("ann2")
    assert await bench.good(text)
    await bench.house.services.users.delete("ann")
    assert not await bench.good(text)
    assert len(await bench.house.rows(table)) == 1
    await bench.house.create("ann")
    assert [await bench.good(one) for one in (text, other)] == [False, True]


async def test_who_was_deleted_and_created_anew_gets_no_key_of_the_first(bench: Any) -> None:
    """TOK-13: a key that was asked for before is not made."""
    account = await bench.account()
    await bench.house.services.users.delete("ann")
    for anew in (False, True):
        if anew:
            await bench.house.create("ann")
        with pytest.raises(errors.UserNotFound):
            await bench.api_keys.create(account, "a robot", None, author="root")


async def test_a_key_follows_what_its_owner_may(bench: Any) -> None:
    """KEY-06"""
    _, text = await bench.key()
    assert (await bench.tokens.find(text)).account.user.profile_ids == ("default",)
    await bench.house.services.users.update("ann", {}, "root", ("admin", "default"))
    assert await bench.good(text)
    assert (await bench.tokens.find(text)).account.user.profile_ids == ("admin", "default")


async def test_of_fifty_keys_with_one_id_one_is_made(bench: Any) -> None:
    """KEY-07: whoever they are for."""
    kuids = ["ann", "ann2"] * 25
    made = await asyncio.gather(
        *(bench.key(kuid, id="the-robot") for kuid in kuids), return_exceptions=True
    )
    refused = [one for one in made if isinstance(one, errors.DocumentExists)]
    assert len(refused) == 49
    assert len(await bench.house.rows(table)) == 1


async def test_a_key_without_a_name_is_named_by_a_uuid(bench: Any) -> None:
    made, _ = await bench.key()
    assert str(UUID(made.id)) == made.id


@pytest.mark.parametrize("id", [".", "a\nb", "x" * 513])
async def test_an_odd_id_is_refused(bench: Any, id: str) -> None:
    """INP-03"""
    with pytest.raises(errors.InvalidArgument):
        await bench.key(id=id)


@pytest.mark.parametrize("wanted", [None, -1, HOUR + 1])
async def test_no_key_lives_longer_than_the_maximum_unless_it_is_overridden(
    bench: Any, new_bench: Any, wanted: int | None, caplog: pytest.LogCaptureFixture
) -> None:
    """KEY-08, TOK-19: and the log tells who has."""
    bounded = new_bench(of_keys=HOUR)
    with pytest.raises(errors.TtlExceeded):
        await bounded.key(wanted=wanted)
    assert (await bounded.key(wanted=HOUR))[0].ttl == HOUR
    assert "overridden" not in caplog.text
    ttl = None if wanted is None else Duration(wanted)
    made, _ = await bounded.api_keys.create(
        await bench.account(), "a robot", ttl, author="root", unbounded=True
    )
    assert made.ttl == (wanted or -1)
    assert "overridden by 'root'" in caplog.text


async def test_a_user_has_so_many_keys_and_no_more(bench: Any, new_bench: Any) -> None:
    """KEY-09: also of many at once; what has expired does not count."""
    few = new_bench(most=3)
    made = await asyncio.gather(*(few.key(wanted=HOUR) for _ in range(20)), return_exceptions=True)
    assert sum(isinstance(one, errors.TooManyKeys) for one in made) == 17
    await few.key("ann2")
    few.clock.advance(HOUR)
    await few.key()


async def test_the_last_use_of_a_key_is_noted_by_the_minute(bench: Any) -> None:
    """KEY-09"""
    made, text = await bench.key()
    assert "lastUsedAt" not in made.to_json()["_source"]
    for _ in range(3):
        await bench.tokens.find(text)
    bench.clock.advance(2 * MINUTE)
    assert bench.tokens.peek(text) is not None
    assert await bench.activity.flush(Batch(10)) == 1
    (row,) = await bench.house.rows(table)
    assert row.last_seen == bench.clock() - bench.clock() % MINUTE


async def test_a_key_is_no_session_and_a_session_no_key(bench: Any) -> None:
    """TOK-24: neither the prefix nor the signature makes one the other."""
    made, key = await bench.key(wanted=HOUR)
    token = await bench.issue()
    swapped = [
        key.replace("kapikey-", "kauth-"),
        token.replace("kauth-", "kapikey-"),
        key.removeprefix("kapikey-"),
    ]
    assert [await bench.good(text) for text in swapped] == [False] * 3
    with pytest.raises(errors.RefreshForbidden) as caught:
        await bench.refresh(key)
    assert caught.value.props == ["API Key"]
    keys = bench.house.core.signing_keys
    with pytest.raises(errors.TokenInvalid):
        keys.verify(key.removeprefix("kapikey-"))
    assert keys.verify(key.removeprefix("kapikey-"), "apikey+jwt")["_id"] == "ann"
    assert await bench.sessions.of(await bench.account()) != ([], 0)
    with pytest.raises(errors.SessionNotFound):
        await bench.sessions.revoke("ann", made.id)


async def test_no_token_is_made_with_a_key_that_was_deleted_meanwhile(bench: Any) -> None:
    """KEY-05"""
    made, key = await bench.key()
    session = await bench.tokens.find(key)
    issued = await bench.tokens.derive(session, None, Origin(), single_use=False)
    assert await bench.good(issued.token)
    await bench.api_keys.delete("ann", made.id)
    with pytest.raises(errors.TokenInvalid):
        await bench.tokens.derive(session, None, Origin(), single_use=False)
