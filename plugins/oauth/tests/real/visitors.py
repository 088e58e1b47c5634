"""People in front of a browser: what they click, and what their browser is seen to send."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import BrowserContext, Page, Request, expect

from .world import World


@dataclass
class Visitor:
    """Somebody with a browser of their own.

    :ivar sent: every address that it has asked for, in order, with what it said it came from.
    """

    world: World
    context: BrowserContext
    sent: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.context.set_default_timeout(8_000)
        self.context.on("request", self._note)
        self.page = self.context.new_page()

    def open_application(self, way: str, *, elsewhere: bool = False) -> Page:
        """Open the page of the application."""
        site = self.world.site
        origin = site.elsewhere if elsewhere else site.beside
        self.page.goto(f"{origin}/index.html?server={self.world.url}&way={way}")
        expect(self.page.locator("#user")).not_to_be_empty()
        return self.page

    def press(self, strategy: str) -> None:
        """Press the button of a strategy."""
        self.page.get_by_role("button", name=f"Sign in with {strategy} of the test").click()

    def log_in(self, strategy: str, name: str) -> None:
        """Log in at the provider of a strategy, on its own page."""
        page = self.page
        if strategy == "canaille":
            page.locator("#login").fill(name)
            page.get_by_role("button", name="Continue").click()
            page.locator("#password").fill(name * 2)
            page.get_by_role("button", name="Sign in").click()
        else:
            page.get_by_placeholder("Enter any login").fill(name)
            page.get_by_placeholder("and password").fill("any password")
            page.get_by_role("button", name="Sign-in").click()

    def consent(self, strategy: str) -> None:
        """Let the provider tell the server who it is, on its own page."""
        word = "Accept" if strategy == "canaille" else "Continue"
        self.page.get_by_role("button", name=word).click()

    def answer(self) -> dict[str, Any]:
        """Return what the server shows, where it shows JSON."""
        self.page.wait_for_url(f"{self.world.url}/**")
        shown: dict[str, Any] = json.loads(self.page.locator("pre").inner_text())
        return shown

    def sign_in(self, strategy: str, name: str) -> None:
        """Go from the button to where the provider sends the browser in the end."""
        self.press(strategy)
        self.log_in(strategy, name)
        self.consent(strategy)

    def stop_before_the_return(self, strategy: str, name: str) -> str:
        """Sign in at oidc-provider up to the last redirection; return where it leads."""
        self.press(strategy)
        self.log_in(strategy, name)
        self.page.get_by_role("button", name="Continue").wait_for()
        url = str(self.page.locator("form").evaluate("form => form.action"))
        # With the cookies of this browser, which follows no redirection then.
        asking = self.context.request
        answer = asking.post(url, form={"prompt": "consent"}, max_redirects=0)
        while not (url := answer.headers["location"]).startswith(self.world.url):
            answer = asking.get(url, max_redirects=0)
        return url

    def cancel(self, strategy: str) -> None:
        """Do not let the provider of a strategy tell who it is."""
        if strategy == "canaille":
            self.page.get_by_role("button", name="Deny").click()
        else:
            self.page.get_by_role("link", name="Cancel").click()

    def error(self) -> str:
        """Return the error that the page of the application shows."""
        expect(self.page.locator("#user")).to_have_text("nobody")
        expect(self.page.locator("#error")).not_to_be_empty()
        return self.page.locator("#error").inner_text()

    def user(self) -> str:
        """Return the user whom the page of the application shows."""
        expect(self.page.locator("#user")).not_to_be_empty()
        return self.page.locator("#user").inner_text()

    def _note(self, request: Request) -> None:
        headers: dict[str, Any] = request.headers
        self.sent += [request.url, headers.get("referer", "")]
