"""What a provider publishes, asked for once by all who need it, and kept for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from math import ceil
from time import monotonic
from typing import Generic, TypeVar

from ostiary_oauth import errors

T = TypeVar("T")

REST = 5.0
"""Seconds that a provider is left alone after it has failed."""

PAUSE = 60.0
"""Seconds between two questions that somebody else can cause."""

PATIENCE = 4.0
"""Seconds until an answer that nothing stands in for."""

SHORT_PATIENCE = 2.0
"""Seconds until an answer that the one before can stand in for."""


class Remembered(Generic[T]):
    """One thing that a provider publishes.

    Whoever waits for it may give up: the question goes on, and its answer serves the next.

    :param name: of the strategy.
    :param ask: raises ``ProviderUnavailable`` if the provider does not say it.
    :param fresh: seconds after which it is asked for again.
    :param kept: seconds for which it holds while the provider does not answer.
    :param clock: counts seconds.
    """

    def __init__(
        self,
        name: str,
        ask: Callable[[], Awaitable[T]],
        *,
        fresh: float,
        kept: float,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._name, self._ask, self._clock = name, ask, clock
        self._fresh, self._kept = fresh, kept
        self._held: tuple[T, float] | None = None
        self._asked: float | None = None
        self._forced: float | None = None
        self._failed = False
        self._flight: asyncio.Task[None] | None = None

    async def get(self) -> T:
        """Return it.

        :raises errors.ProviderUnavailable: there is nothing that holds.
        """
        if self._within(self._fresh) is None and self._rested(REST):
            await self._join()
        return self._answer()

    async def newer(self) -> T:
        """Return it as it is now, unless somebody has had it asked for so within the last minute.

        When it was last asked for as usual does not matter: right after that it may change, too.
        """
        now = self._clock()
        paused = self._forced is None or now - self._forced >= PAUSE
        if paused and (not self._failed or self._rested(REST)):
            self._forced = now
            await self._join()
        elif self._flight is not None and not self._flight.done():
            await self._join()
        return self._answer()

    def _answer(self) -> T:
        held = self._within(self._kept)
        if held is None:
            raise errors.ProviderUnavailable(self._name, retry_after=ceil(REST))
        return held[0]

    def _within(self, seconds: float) -> tuple[T, float] | None:
        """Return what is held, if it is not older."""
        if self._held is None or self._clock() - self._held[1] >= seconds:
            return None
        return self._held

    def _rested(self, seconds: float) -> bool:
        """Tell whether the provider was left alone for so long."""
        return self._asked is None or self._clock() - self._asked >= seconds

    async def _join(self) -> None:
        """Wait until the provider was asked, by whomever."""
        loop = asyncio.get_running_loop()
        flight = self._flight
        if flight is None or flight.done() or flight.get_loop() is not loop:
            flight = self._flight = loop.create_task(self._renew())
        await asyncio.shield(flight)

    async def _renew(self) -> None:
        """Ask the provider; the answer of before stays if there is none."""
        patience = PATIENCE if self._within(self._kept) is None else SHORT_PATIENCE
        self._failed = True
        try:
            async with asyncio.timeout(patience):
                self._held = await self._ask(), self._clock()
            self._failed = False
        except (TimeoutError, errors.ProviderUnavailable):
            # The log knows already; who asks is told what holds, or that nothing does.
            pass
        finally:
            self._asked = self._clock()
