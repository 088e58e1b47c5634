"""People in front of a browser: what they click, and what their browser is seen to send."""

from __future__ import annotations

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
        self.context.set_default_timeout(15_000)
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

    def log_in_at_npm(self, name: str) -> None:
        """Log in at oidc-provider, on its page."""
        self.page.get_by_placeholder("Enter any login").fill(name)
        self.page.get_by_placeholder("and password").fill("any password")
        self.page.get_by_role("button", name="Sign-in").click()

    def consent_at_npm(self) -> None:
        """Let oidc-provider tell the server who it is, on its page."""
        self.page.get_by_role("button", name="Continue").click()

    def log_in_at_canaille(self, name: str) -> None:
        """Log in at Canaille, on its two pages."""
        self.page.locator("#login").fill(name)
        self.page.get_by_role("button", name="Continue").click()
        self.page.locator("#password").fill(name * 2)
        self.page.get_by_role("button", name="Sign in").click()

    def consent_at_canaille(self) -> None:
        """Let Canaille tell the server who it is, on its page."""
        self.page.get_by_role("button", name="Accept").click()

    def user(self) -> str:
        """Return the user whom the page of the application shows."""
        expect(self.page.locator("#user")).not_to_be_empty()
        return self.page.locator("#user").inner_text()

    def _note(self, request: Request) -> None:
        headers: dict[str, Any] = request.headers
        self.sent += [request.url, headers.get("referer", "")]
