"""Servers whose pages are visited, and visitors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest
from playwright.sync_api import Browser

from ostiary.settings import load
from ostiary.testing.wire import HttpApi, serving

from .visitors import SCREENS, Screen, Visitor

SETUP_SECRET = "the setup secret of a test"
PASSWORD = "a password long enough"
QUICK = {
    "server.port": 0,
    "security.hashing.timeCost": 5,
    "security.hashing.memoryCost": 7168,
    "logging.level": "warning",
    "security.setupSecret": SETUP_SECRET,
    "security.standard.profiles.default.rateLimit": 0,
    "security.standard.profiles.anonymous.rateLimit": 0,
    "limits.loginFailuresPerAccount": 100,
    "limits.loginFailuresPerAddress": 1_000_000,
    "plugins.allow": ["local"],
}

UNSENT_MAIL = {
    "host": "127.0.0.1",
    # Nobody listens there: mail waits.
    "port": 9,
    "security": "none",
    "from": "no-reply@example.com",
}


class Site:
    """A server with pages, and what its administrator does by the API."""

    def __init__(self, api: HttpApi) -> None:
        self.api, self.url = api, f"http://127.0.0.1:{api.port}"
        self.jwt: str | None = None

    def administer(self) -> Site:
        """Make the first administrator, ``root``."""
        self.api.send(
            "POST",
            "/_createFirstAdmin/root",
            {"content": {"name": "Root"}, "credentials": {"local": self.credentials("root")}},
            {"X-Ostiary-Setup": SETUP_SECRET},
        )
        answer = self.api.call("auth:login", self.credentials("root"), strategy="local")
        self.jwt = answer.result["jwt"]
        return self

    def credentials(self, username: str) -> dict[str, str]:
        return {"username": username, "password": PASSWORD}

    def call(self, name: str, body: Any = None, **args: Any) -> Any:
        """Run an action as the administrator."""
        answer = self.api.call(name, body, jwt=self.jwt, **args)
        assert answer.status == 200, answer.body
        return answer.result

    def person(self, name: str, /, *profile_ids: str, **content: Any) -> str:
        """Make a user who signs in by their kuid and ``PASSWORD``."""
        self.call(
            "security:createUser",
            {
                "content": {"profileIds": list(profile_ids or ("default",)), **content},
                "credentials": {"local": self.credentials(name)},
            },
            _id=name,
        )
        return name

    def role(self, name: str, **controllers: list[str]) -> str:
        """Make a role and a profile of one name; arguments are actions by controller."""
        granted = {
            one: {"actions": dict.fromkeys(actions, True)} for one, actions in controllers.items()
        }
        self.call("security:createOrReplaceRole", {"controllers": granted}, _id=name)
        self.call("security:createOrReplaceProfile", {"policies": [{"roleId": name}]}, _id=name)
        return name


class NewSite(Protocol):
    """Serves until the test, or the module, is over; arguments as ``server__port=0``."""

    def __call__(self, *, dev: bool = False, **changes: Any) -> Site: ...


@contextmanager
def running(
    folder: Path, *, dev: bool = False, failsafe: bool = False, **changes: Any
) -> Iterator[Site]:
    """Serve from a folder, which is empty at first."""
    named = {name.replace("__", "."): value for name, value in changes.items()}
    settings = load(
        config=None,
        environment={"HOME": str(folder)},
        overrides={"data.dir": str(folder), **QUICK, **named},
        dev=dev,
        failsafe=failsafe,
    )
    with serving(settings) as port, closing(HttpApi(port)) as api:
        yield Site(api)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A closed server with an administrator, which the tests of a module share."""
    with running(tmp_path_factory.mktemp("site")) as made:
        yield made.administer()


@pytest.fixture
def new_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NewSite]:
    """Make a server of one's own, without an administrator."""
    with ExitStack() as stack:

        def make(*, dev: bool = False, **changes: Any) -> Site:
            folder = tmp_path_factory.mktemp("site")
            return stack.enter_context(running(folder, dev=dev, **changes))

        yield make


@pytest.fixture
def visitor(site: Site) -> Iterator[Visitor]:
    """Somebody who visits the shared server without scripts."""
    with Visitor(site.url) as made:
        yield made


@pytest.fixture(params=sorted(SCREENS))
def screen(
    request: pytest.FixtureRequest, open_screen: Callable[[str, str], Screen], site: Site
) -> Screen:
    """A browser in front of the shared server: on a desktop, and on a phone."""
    return open_screen(site.url, request.param)


@pytest.fixture(scope="session")
def packages(from_npm: Callable[[str, Path], Path]) -> Path:
    """What the tests of pages need from npm."""
    return from_npm("pages", Path(__file__).with_name("npm")) / "node_modules"


@pytest.fixture(scope="session")
def axe(packages: Path) -> str:
    """The script that finds what keeps people from using a page."""
    return (packages / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture
def open_screen(browser: Browser, axe: str) -> Iterator[Callable[[str, str], Screen]]:
    """Open a browser in front of a server: its URL, and the name of a screen."""
    with ExitStack() as stack:

        def make(url: str, name: str) -> Screen:
            context = browser.new_context(**SCREENS[name])
            stack.callback(context.close)
            return Screen(url, name, context, axe)

        yield make
