"""A real server with strategies at two providers, and who attacks it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx2
import pytest

from ostiary.testing.server import ThrowAwayServer
from ostiary.testing.wire import HttpApi, Outcome

from .provider import CALLBACK, Loopback, running
from .signing_in import SETUP_SECRET, administrator

PLUGIN = "plugin.kuzzle-plugin-auth-passport-oauth."
UNAVAILABLE = PLUGIN + "provider_unavailable"
REFUSED = "plugin.strategy.missing_user"
OVER = "ostiary.login.flow_over"
"""Errors that attacks end with."""

FRESH = 40
"""Strategies whose provider was not asked for its document yet."""

COMMON = """
[logging]
level = "debug"

[security.hashing]
timeCost = 5
memoryCost = 7168
nice = 0

[limits]
loginFailuresPerAddress = 1000000

[security.standard.profiles]
default = {rateLimit = 0}
anonymous = {rateLimit = 0}

[plugins.oauth]
allowInsecureHttp = true
"""


@dataclass(frozen=True)
class Begun:
    """A login under way: where a browser is sent, and what it holds."""

    strategy: str
    location: str
    cookie: str

    @property
    def state(self) -> str:
        return dict(parse_qsl(urlsplit(self.location).query))["state"]


@dataclass(frozen=True)
class Siege:
    """The server, the provider that is honest until it is bent, and another one."""

    server: ThrowAwayServer
    loopback: Loopback
    other: Loopback
    admin: str

    def send(self, verb: str, url: str, *arguments: Any, **named: Any) -> Outcome:
        """Send a request on a connection of its own."""
        with closing(HttpApi(self.server.port)) as api:
            return api.send(verb, url, *arguments, **named)

    def begin(self, strategy: str = "work", query: str = "") -> Begun:
        """Begin a login with a new browser."""
        outcome = self.send("POST", f"/_login/{strategy}{query}")
        assert outcome.status == 302, outcome.body
        cookie = outcome.headers["set-cookie"].partition(";")[0]
        return Begun(strategy, outcome.headers["location"], cookie)

    def come_back(
        self, begun: Begun, back: Mapping[str, str], strategy: str | None = None
    ) -> Outcome:
        """Come back from the provider with the browser that has begun."""
        url = f"/_login/{strategy or begun.strategy}?{urlencode(back)}"
        return self.send("GET", url, headers={"Cookie": begun.cookie})

    def sign_in(self, strategy: str = "work") -> Outcome:
        """Sign in, or try to; the provider may have failed already when it is gone to."""
        outcome = self.send("POST", f"/_login/{strategy}")
        if outcome.status != 302:
            return outcome
        cookie = outcome.headers["set-cookie"].partition(";")[0]
        begun = Begun(strategy, outcome.headers["location"], cookie)
        return self.come_back(begun, consent(begun.location))

    def users(self) -> int:
        """Return how many users there are."""
        found = self.send("POST", "/users/_search", {}, jwt=self.admin).result
        return int(found["total"])

    def user(self, kuid: str) -> dict[str, Any]:
        """Return what is told of a user."""
        told: dict[str, Any] = self.send("GET", f"/users/{kuid}", jwt=self.admin).result
        return told


def consent(location: str) -> dict[str, str]:
    """Go where a browser is sent, say yes, and return what it comes back with."""
    answer = httpx2.get(location, trust_env=False)
    assert answer.status_code == 302, answer.text
    return dict(parse_qsl(urlsplit(answer.headers["location"]).query))


def failed(siege: Siege, attempt: Callable[[], Outcome], *ids: str) -> Outcome:
    """Make sure that an attempt ends with an error of the catalogue, and makes no user."""
    before = siege.users()
    outcome = attempt()
    assert outcome.status in (400, 401, 403, 503), outcome.body
    assert outcome.error_id in ids, outcome.error
    assert "script" not in json.dumps(outcome.body)
    assert "set-cookie" not in outcome.headers
    assert siege.users() == before
    return outcome


@contextmanager
def besieged(loopback: Loopback, other: Loopback) -> Iterator[Siege]:
    """Run a server whose users sign in at two providers."""
    environment = {"OSTIARY_SETUP_SECRET": SETUP_SECRET}
    settings = _settings(loopback, other)
    with ThrowAwayServer(settings=settings, environment=environment) as server:
        try:
            yield Siege(server, loopback, other, administrator(server))
        finally:
            print(server.log)  # noqa: T201 - pytest shows it beside a test that failed


@pytest.fixture(scope="session")
def second() -> Iterator[Loopback]:
    with running() as loopback:
        yield loopback


@pytest.fixture(scope="session")
def standing(site: Loopback, second: Loopback) -> Iterator[Siege]:
    with besieged(site, second) as siege:
        yield siege


@pytest.fixture
def siege(standing: Siege) -> Siege:
    standing.loopback.restart()
    standing.other.restart()
    return standing


def _settings(loopback: Loopback, other: Loopback) -> str:
    def openid(name: str, provider: Loopback, **more: Any) -> str:
        members = {"provider": "oidc", "issuer": provider.url, "scope": ["openid", "email"], **more}
        return _table(name, provider, members)

    document = f"{loopback.url}/.well-known/openid-configuration"
    plain = {
        "provider": "oauth2",
        "scope": ["user"],
        "authorizationURL": f"{loopback.url}/authorize",
        "tokenURL": f"{loopback.url}/token",
        "userinfoURL": f"{loopback.url}/profile",
        "identifierAttribute": "id",
    }
    return COMMON + "".join(
        [
            openid("work", loopback, keepTokens=True),
            openid("other", other),
            _table("plain", loopback, plain),
            *(
                openid(f"fresh{number}", loopback, discoveryURL=f"{document}?number={number}")
                for number in range(FRESH)
            ),
        ]
    )


def _table(name: str, provider: Loopback, members: Mapping[str, Any]) -> str:
    whole = {
        "clientID": provider.client_id,
        "clientSecret": provider.client_secret,
        "callbackURL": CALLBACK,
        "persist": ["name", "email", "picture", members.get("identifierAttribute", "sub")],
        **members,
    }
    lines = [f"{key} = {json.dumps(value)}" for key, value in whole.items()]
    return "\n".join(["", f"[plugins.oauth.strategies.{name}]", *lines, ""])
