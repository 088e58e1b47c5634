"""There and back again in a real browser, by way of a provider on another site."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from playwright.sync_api import Browser, Page

from ostiary.testing.door import door
from ostiary.testing.packages import installed

from .conftest import Site, running
from .visitors import SCREENS, Screen

numbers = itertools.count(1)

# Before a browser is there: an event loop cannot be begun beside its own.
pytestmark = pytest.mark.usefixtures("site")


class Provider:
    """Sends browsers back with a code, as if somebody had signed in.

    :ivar code: what it sends them with.
    :ivar callback: where to.
    """

    code, callback = "", ""

    def back(self, asked: str) -> str:
        state = parse_qs(urlsplit(asked).query)["state"][0]
        return f"{self.callback}?{urlencode({'code': self.code, 'state': state})}"


@contextmanager
def providing(provider: Provider) -> Iterator[str]:
    """Run a provider; yield its address, which is on another site than the server's."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302)
            self.send_header("Location", provider.back(self.path))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/in"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def provider() -> Provider:
    return Provider()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, provider: Provider) -> Iterator[Site]:
    folders = (tmp_path_factory.mktemp(name) for name in ("packages", "site"))
    with providing(provider) as address, installed(next(folders), door()):
        changes: dict[str, Any] = {
            "plugins__allow": ["local", "door"],
            "plugins__<name>": {"door": {"provider": address}},
        }
        with running(next(folders), **changes) as made:
            # By this name it is another site than that of the provider.
            made.url = made.url.replace("127.0.0.1", "localhost")
            provider.callback = f"{made.url}/_login/door"
            yield made.administer()


@pytest.fixture
def ann(site: Site) -> str:
    name = f"ann-{next(numbers)}"
    fields = {"local": site.credentials(name), "door": {"badge": name}}
    body = {"content": {"profileIds": ["default"]}, "credentials": fields}
    site.call("security:createUser", body, _id=name)
    return name


def leave(page: Page) -> None:
    page.get_by_role("button", name="Continue with Door").click()


def test_who_comes_back_is_signed_in(screen: Screen, provider: Provider, ann: str) -> None:
    provider.code = ann
    page = screen.open("/?then=/-/console")
    leave(page)
    page.wait_for_url("**/-/console")
    screen.look("back-from-a-provider")
    assert page.get_by_role("button", name="Sign out").is_visible()


def test_whom_the_provider_does_not_let_in_can_try_again(
    screen: Screen, provider: Provider
) -> None:
    provider.code = "nobody"
    page = screen.open("/")
    leave(page)
    page.get_by_role("alert").wait_for()
    assert "Signing in there did not succeed." in page.get_by_role("alert").inner_text()
    assert "#" not in page.url
    screen.look("refused-by-a-provider")


def test_what_is_asked_behind_the_provider_is_answered(
    screen: Screen, provider: Provider, ann: str
) -> None:
    provider.code = f"{ann}+pin"
    page = screen.open("/")
    leave(page)
    page.get_by_text("What is the <i>number</i>?").wait_for()
    screen.look("asked-behind-a-provider")
    assert "#" not in page.url
    page.get_by_label("PIN").fill("2468")
    page.get_by_role("button", name="Go on").click()
    page.wait_for_url("**/-/account")


def test_without_scripts_a_link_leads_on(
    browser: Browser, site: Site, provider: Provider, ann: str, axe: str
) -> None:
    provider.code = ann
    context = browser.new_context(**SCREENS["phone"], java_script_enabled=False)
    try:
        screen = Screen(site.url, "phone", context, axe)
        page = screen.open("/")
        leave(page)
        page.get_by_role("link", name="Go on", exact=True).click()
        page.wait_for_url("**/-/account")
        assert page.get_by_role("button", name="Sign out").is_visible()
    finally:
        context.close()


def test_who_links_an_account_comes_back_signed_in_as_before(
    open_screen: Callable[[str, str], Screen], site: Site, provider: Provider
) -> None:
    name, provider.code = f"ben-{next(numbers)}", f"badge-{next(numbers)}"
    site.role("linking", auth=["createMyCredentials", "getCurrentUser", "login"])
    site.person(name, "linking")
    screen = open_screen(site.url, "desktop")
    page = screen.open("/")
    page.get_by_label("User name", exact=True).fill(name)
    page.get_by_label("Password", exact=True).fill(site.credentials(name)["password"])
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url("**/-/account")
    begin = "/_me/credentials/door/_create?noRedirect=true&returnTo=/-/signed-in/door"
    location = page.evaluate(
        """async (url) => {
            const headers = {"Content-Type": "application/json"};
            const answer = await fetch(url, {method: "POST", headers, body: "{}"});
            return (await answer.json()).result.headers.Location;
        }""",
        begin,
    )
    page.goto(location)
    page.wait_for_url("**/-/account?done=linked")
    assert "The account is linked" in page.get_by_role("status").inner_text()
    assert site.api.call("auth:login", site.credentials(name), strategy="local").status == 200
