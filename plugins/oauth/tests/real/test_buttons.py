"""From the button to the token: real providers, and a real browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from .visitors import Visitor
from .world import Parts, World, opened


@pytest.fixture(scope="module")
def world(parts: Parts) -> Iterator[World]:
    with opened(parts) as everything:
        yield everything


@pytest.fixture
def visitor(world: World, browser: Browser) -> Iterator[Visitor]:
    context = browser.new_context()
    yield Visitor(world, context)
    context.close()


def test_try(visitor: Visitor) -> None:
    visitor.open_application("plain")
