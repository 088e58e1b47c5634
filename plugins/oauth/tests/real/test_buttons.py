"""From the button to the token: real providers, and a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from playwright.sync_api import Browser

from .visitors import Visitor
from .world import Parts, World, opened

BOTH = ["npm", "canaille"]


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
    visitor.sign_in(strategy, "ann")
    answer = visitor.answer()
    assert answer["status"] == 200, answer
    with visitor.world.administrator() as call:
        user = call("security:getUser", _id=answer["result"]["_id"])
        assert user["_source"]["profileIds"] == ["default"]
        held = call("security:getCredentials", strategy=strategy, _id=user["_id"])
    company = "Canaille" if strategy == "canaille" else "the provider"
    told = {"sub": "ann", "email": "ann@example.org", "name": f"ann of {company}"}
    assert held == {"kuid": user["_id"], **told}


@pytest.mark.parametrize("strategy", BOTH)
def test_with_a_cookie_the_page_is_signed_in_when_it_is_there_again(
    visitor: Visitor, strategy: str
) -> None:
    """The page never sees the token."""
    visitor.open_application("cookie")
    visitor.sign_in(strategy, "bob")
    assert visitor.user() in visitor.world.users()
    (cookie,) = [one for one in visitor.context.cookies() if one["name"].endswith("authToken")]
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Strict"


@pytest.mark.parametrize("strategy", BOTH)
@pytest.mark.parametrize("elsewhere", [False, True], ids=["beside", "elsewhere"])
def test_a_one_time_code_becomes_a_token_for_the_page_that_began(
    visitor: Visitor, strategy: str, elsewhere: bool
) -> None:
    visitor.open_application("code", elsewhere=elsewhere)
    visitor.sign_in(strategy, "cid")
    assert visitor.user() in visitor.world.users()
