"""A provider on loopback for each test, as if it had just been started, and who signs in there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from ostiary import Redirect, errors
from ostiary_oauth.protocol import flow
from ostiary_oauth.provider import Proved, Provider
from ostiary_oauth.strategy import OAuthStrategy

from .provider import Loopback, running


@dataclass(frozen=True)
class Visitor:
    """Somebody who signs in at the provider, by one strategy."""

    loopback: Loopback
    strategy: OAuthStrategy

    async def begin(self, kept: Mapping[str, Any] | None = None) -> Redirect:
        return await flow.begin(self.strategy, kept or {})

    async def agree(self, begun: Redirect) -> dict[str, str]:
        """Say yes at the provider, and return what comes back."""
        return await asyncio.to_thread(self.loopback.consent, begun.location)

    async def complete(self, back: Mapping[str, Any], begun: Redirect) -> Proved:
        assert begun.state is not None
        return await flow.complete(self.strategy, back, begun.state)

    async def sign_in(self) -> Proved:
        begun = await self.begin()
        return await self.complete(await self.agree(begun), begun)

    async def refused(self) -> str:
        """Sign in in vain, and return why."""
        with pytest.raises(errors.LoginRefused) as refusal:
            await self.sign_in()
        assert refusal.value.props == [self.strategy.refusal]
        return refusal.value.reason or ""


@pytest.fixture(scope="session")
def site() -> Iterator[Loopback]:
    with running() as loopback:
        yield loopback


@pytest.fixture
def loopback(site: Loopback) -> Loopback:
    site.restart()
    return site


@pytest.fixture
def visitor(loopback: Loopback) -> Callable[..., Visitor]:
    """Return a function that returns a visitor, given what the settings say otherwise."""

    def coming(provider: Provider | None = None, **changes: Any) -> Visitor:
        strategy = OAuthStrategy.of(provider or loopback.provider(**changes))
        return Visitor(loopback, strategy)

    return coming
