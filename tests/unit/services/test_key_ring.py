"""The ring of signing keys: it turns without signing anybody out, or with."""

from __future__ import annotations

from typing import Any

import pytest

from ostiary import errors
from ostiary.services.batches import Batch
from ostiary.services.sessions import Origin
from ostiary.services.signing import SESSION
from ostiary.testing.clock import HOUR

pytestmark = pytest.mark.anyio


async def test_a_new_key_signs_and_nobody_is_signed_out(bench: Any, open_house: Any) -> None:
    """TOK-31: in every process, none of which is started again."""
    other = (await open_house()).services
    token, (_, key) = await bench.issue(), await bench.key()
    await other.tokens.find(token)
    id = await bench.ring.rotate()
    assert [await bench.good(text) for text in (token, key)] == [True, True]
    new = await bench.issue()
    await other.changes.catch_up()
    assert (await other.tokens.find(new)).account.kuid == "ann"
    assert (await other.tokens.find(key)).account.kuid == "ann"
    first, second = await bench.ring.keys()
    assert (second.id, second.retired_at) == (id, None)
    assert first.retired_at == bench.clock()
    assert (first.tokens, first.api_keys) == (1, 1)
    assert second.tokens == 1


async def test_the_news_of_a_new_key_may_be_late(bench: Any, open_house: Any) -> None:
    """TOK-31: a token is refused by no machine that has not heard of the key yet."""
    other = (await open_house()).services
    await bench.ring.rotate()
    await bench.house.services.changes.catch_up()
    new = await bench.issue()
    assert (await other.tokens.find(new)).account.kuid == "ann"


async def test_a_refresh_is_repeated_with_the_key_that_signed_it(
    bench: Any, new_bench: Any, open_house: Any
) -> None:
    """TOK-20, TOK-31: also where that key is not known yet."""
    other = new_bench(of=await open_house())
    old = await bench.issue()
    session = await other.tokens.find(old)
    await bench.ring.rotate()
    await bench.house.services.changes.catch_up()
    first = await bench.refresh(old)
    assert (await other.tokens.refresh(session, None, Origin())).token == first.token
    await bench.ring.rotate()
    await bench.house.services.changes.catch_up()
    assert (await bench.refresh(old)).token == first.token


async def test_a_key_is_kept_while_something_lives_that_it_signed(bench: Any) -> None:
    """TOK-31"""
    token, (made, key) = await bench.issue(), await bench.key()
    await bench.ring.rotate()
    bench.clock.advance(HOUR + 1)
    await bench.ring.purge()
    assert len(await bench.ring.keys()) == 2
    assert await bench.good(token)

    bench.clock.advance(HOUR + 60_000)
    await bench.tokens.purge(Batch(100))
    await bench.ring.purge()
    assert len(await bench.ring.keys()) == 2
    assert await bench.good(key)

    await bench.api_keys.delete("ann", made.id)
    bench.clock.advance(HOUR)
    await bench.ring.purge()
    assert len(await bench.ring.keys()) == 1
    assert not await bench.good(key)
    assert await bench.good(await bench.issue())


async def test_a_key_is_kept_for_an_hour_in_which_a_process_may_sign_with_it(bench: Any) -> None:
    await bench.ring.rotate()
    await bench.ring.purge()
    assert len(await bench.ring.keys()) == 2
    bench.clock.advance(HOUR + 1)
    await bench.ring.purge()
    assert len(await bench.ring.keys()) == 1


async def test_keys_that_nothing_needs_are_looked_for_once_an_hour(bench: Any) -> None:
    await bench.ring.purge()
    await bench.ring.rotate()
    bench.clock.advance(HOUR - 1)
    await bench.ring.purge()
    assert len(await bench.ring.keys()) == 2


async def test_everything_ends_with_the_keys_that_signed_it(bench: Any, open_house: Any) -> None:
    """TOK-31: what a thief of the old keys could forge ends as well."""
    other = (await open_house()).services
    keys = bench.house.core.signing_keys
    token, (_, key) = await bench.issue(wanted=-1), await bench.key()
    forged = keys.sign({"_id": "ann", "iat": 1, "jti": "0"})[0]
    for text in (token, key):
        await other.tokens.find(text)
    await bench.ring.rotate(revoke_all=True)
    assert [await bench.good(text) for text in (token, key)] == [False, False]
    with pytest.raises(errors.TokenInvalid):
        keys.verify(forged)
    await other.changes.catch_up()
    for text in (token, key):
        with pytest.raises(errors.TokenInvalid):
            await other.tokens.find(text)
    assert len(await bench.ring.keys()) == 1
    assert await bench.good(await bench.issue())


async def test_a_process_that_slept_reads_the_ring_again(bench: Any, open_house: Any) -> None:
    """It is told that rights have changed, and nothing else."""
    keys = (await open_house()).core.signing_keys
    await bench.ring.rotate()
    await bench.house.services.changes.catch_up()
    before = keys.sign({"_id": "ann"})[1]
    keys.heard("rights", "")
    _, _, after = await keys.mint(SESSION, "ann", issued_at=1, expires_at=None)
    assert before != after
