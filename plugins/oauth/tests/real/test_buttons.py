"""From the button to the token: real providers, and a real browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .visitors import Visitor

BOTH = ["npm", "canaille"]


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


def test_whom_the_provider_knows_already_is_not_asked_again_and_is_the_same_user(
    visitor: Visitor,
) -> None:
    """OAU-11: provider and subject are who it is."""
    visitor.open_application("code")
    visitor.sign_in("npm", "dan")
    first = visitor.user()
    visitor.open_application("code")
    visitor.press("npm")
    visitor.page.wait_for_url("**/index.html")
    assert visitor.user() == first


def test_a_provider_that_answers_with_a_form_leads_to_the_same_page(visitor: Visitor) -> None:
    """Its page posts from another site, so the browser leaves the cookie of the login out."""
    visitor.open_application("code", elsewhere=True)
    visitor.sign_in("form", "cid")
    assert visitor.user() in visitor.world.users()


@pytest.mark.parametrize("strategy", BOTH)
def test_who_does_not_consent_is_told_so_by_the_page(visitor: Visitor, strategy: str) -> None:
    """OAU-17: of what the provider says, nothing is shown."""
    visitor.open_application("code")
    visitor.press(strategy)
    if strategy == "canaille":
        visitor.log_in(strategy, "eve")
    visitor.cancel(strategy)
    assert visitor.error() == "plugin.strategy.missing_user"
