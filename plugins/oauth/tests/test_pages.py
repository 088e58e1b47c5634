"""The server's own pages lead through a provider, in a real browser, with and without scripts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from ostiary.testing.wire import HttpApi

from .signing_in import House, house

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from .provider import Loopback


@pytest.fixture
def served(loopback: Loopback) -> Iterator[House]:
    """A server on another site than the provider's: by another name."""
    with house(loopback, workers=1) as made:
        loopback.callback = f"http://localhost:{made.server.port}/_login/work"
        made.configure(keep_tokens=False)
        yield made


def test_a_button_leads_through_the_provider_to_one_s_account(
    served: House, browser: Browser, loopback: Loopback
) -> None:
    url = f"http://localhost:{served.server.port}"
    users = set()
    for scripts in (True, False):
        with closing(browser.new_context(java_script_enabled=scripts)) as context:
            page = context.new_page()
            page.goto(f"{url}/?then=/-/account")
            page.get_by_role("button", name="Continue with").click()
            if not scripts:
                page.get_by_role("link", name="Go on", exact=True).click()
            page.wait_for_url("**/-/account")
            assert page.get_by_role("button", name="Sign out").is_visible()
            (token,) = [one for one in context.cookies() if one["name"] == "authToken"]
            with closing(HttpApi(served.server.port)) as api:
                users.add(api.call("auth:getCurrentUser", jwt=token["value"]).result["_id"])
    assert len(users) == 1
    assert [path for _, path, _ in loopback.asked].count("/authorize") == 2


def test_who_was_not_let_in_can_try_again(
    served: House, browser: Browser, loopback: Loopback
) -> None:
    loopback.claim = lambda claims: {**claims, "aud": "somebody else"}
    with closing(browser.new_context()) as context:
        page = context.new_page()
        page.goto(f"http://localhost:{served.server.port}/")
        page.get_by_role("button", name="Continue with").click()
        page.get_by_role("alert").wait_for()
        assert "Signing in there did not succeed." in page.get_by_role("alert").inner_text()
        loopback.claim = dict
        page.get_by_role("button", name="Continue with").click()
        page.wait_for_url("**/-/account")
