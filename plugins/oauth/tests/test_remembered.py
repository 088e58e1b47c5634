"""What a provider publishes: how often it is asked, and for how long its answer holds."""

from __future__ import annotations

import asyncio

import pytest

from ostiary_oauth import errors
from ostiary_oauth.web.remembered import PAUSE, REST, Remembered

pytestmark = pytest.mark.anyio


class Published:
    """Something that changes every time that it is asked for, or fails."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.asked = 0
        self.down = False
        self.gate = asyncio.Event()
        self.gate.set()
        self.it = Remembered("work", self._ask, fresh=600, kept=3600, clock=lambda: self.now)

    async def _ask(self) -> int:
        self.asked += 1
        await self.gate.wait()
        if self.down:
            raise errors.ProviderUnavailable("work")
        return self.asked


async def test_all_who_need_it_at_once_ask_once() -> None:
    """OAU-18."""
    published = Published()
    assert await asyncio.gather(*(published.it.get() for _ in range(50))) == [1] * 50


async def test_it_is_asked_for_again_when_it_is_no_longer_fresh() -> None:
    published = Published()
    await published.it.get()
    published.now += 599
    assert await published.it.get() == 1
    published.now += 1
    assert await published.it.get() == 2


async def test_the_last_good_answer_holds_while_the_provider_is_down_and_then_no_more() -> None:
    """OAU-07: a key that was withdrawn is believed for an hour at most."""
    published = Published()
    await published.it.get()
    published.down, published.now = True, published.now + 3599
    assert await published.it.get() == 1
    published.now += 1
    with pytest.raises(errors.ProviderUnavailable):
        await published.it.get()
    published.down, published.now = False, published.now + REST
    assert await published.it.get() == 3


async def test_a_provider_that_fails_is_left_alone_for_a_moment() -> None:
    """OAU-18: a flood of logins is no flood of questions."""
    published = Published()
    published.down = True
    for _ in range(20):
        with pytest.raises(errors.ProviderUnavailable) as failed:
            await published.it.get()
        assert failed.value.retry_after
    assert published.asked == 1
    published.now += REST
    published.down = False
    assert await published.it.get() == 2


async def test_strangers_can_have_it_asked_for_once_a_minute() -> None:
    """OAU-18: forged key ids make no flood of questions."""
    published = Published()
    await published.it.get()
    assert [await published.it.newer() for _ in range(20)] == [2] * 20
    published.now += PAUSE
    assert [await published.it.newer() for _ in range(20)] == [3] * 20


async def test_what_strangers_ask_for_spares_a_provider_that_has_just_failed() -> None:
    """OAU-18: it is left alone for a moment whoever asks."""
    published = Published()
    published.down = True
    for ask in (published.it.get, published.it.newer):
        with pytest.raises(errors.ProviderUnavailable):
            await ask()
    assert published.asked == 1


async def test_who_gives_up_spoils_it_for_nobody() -> None:
    published = Published()
    published.gate.clear()
    first, second = (asyncio.create_task(published.it.get()) for _ in range(2))
    while not published.asked:
        await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    published.gate.set()
    assert first.cancelled()
    assert await second == 1
    assert published.asked == 1


def test_another_event_loop_asks_anew() -> None:
    published = Published()
    assert asyncio.run(published.it.get()) == 1
    published.now += 600
    assert asyncio.run(published.it.get()) == 2
