"""From the button to the token: real providers, and a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

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
    with world.told(), closing(browser.new_context()) as context:
        yield Visitor(world, context)


@pytest.mark.parametrize("strategy", ["npm", "signed", "public", "canaille"])
def test_a_button_leads_through_the_provider_to_a_token(visitor: Visitor, strategy: str) -> None:
    visitor.open_application("plain")
    visitor.press(strategy)
    visitor.log_in(strategy, "ann")
    visitor.consent(strategy)
    answer = visitor.answer()
    assert answer["status"] == 200, answer
    with visitor.world.administrator() as call:
        user = call("security:getUser", _id=answer["result"]["_id"])
        assert user["_source"]["profileIds"] == ["default"]
        held = call("security:getCredentials", strategy=strategy, _id=user["_id"])
    company = "Canaille" if strategy == "canaille" else "the provider"
    told = {"sub": "ann", "email": "ann@example.org", "name": f"ann of {company}"}
    assert held == {"kuid": user["_id"], **told}


def test_who_comes_back_is_the_same_user(visitor: Visitor) -> None:
    """OAU-11: whom the provider knows already it does not ask again."""
