"""A real server whose users sign in at the provider of ``provider``, on either data base."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx2

from ostiary.testing.postgresql import ThrowAwayPostgreSQL
from ostiary.testing.server import ThrowAwayServer
from ostiary.testing.wire import HttpApi, Outcome

from .provider import Loopback

SETUP_SECRET = "a setup secret that everybody knows"
ADMIN = {"username": "root", "password": "the password of an administrator"}
BYE = "https://app.example.org/bye?from=ostiary"

SETTINGS = """
[security.hashing]
timeCost = 5
memoryCost = 7168
nice = 0

[security.standard.profiles]
default = {{rateLimit = 0}}
anonymous = {{rateLimit = 0}}

[plugins.oauth]
allowInsecureHttp = true

[plugins.oauth.strategies.work]
provider = "oidc"
issuer = "{url}"
clientID = "{client_id}"
clientSecret = "{secret}"
callbackURL = "{callback}"
scope = ["openid", "email"]
persist = ["email"]
keepTokens = {keep}
postLogoutURIs = ["{bye}"]
"""


@dataclass
class House:
    """A server, and an administrator of it."""

    server: ThrowAwayServer
    provider: Loopback
    admin: str

    def sign_in(self) -> dict[str, Any]:
        """Sign in as whoever the provider says; return what the login answers."""
        result: dict[str, Any] = self.come_back().result
        return result

    def come_back(self) -> Outcome:
        """Go to the provider, and come back from it."""
        with closing(HttpApi(self.server.port)) as api:
            begun = api.send("POST", "/_login/work")
            cookie = begun.headers["set-cookie"].partition(";")[0]
            sent = httpx2.get(begun.headers["location"], trust_env=False)
            back = dict(parse_qsl(urlsplit(sent.headers["location"]).query))
            url = f"/_login/work?{urlencode(back)}"
            return api.send("GET", url, headers={"Cookie": cookie})

    def send(self, verb: str, url: str, *arguments: Any, **named: Any) -> Outcome:
        """Send a request on a connection of its own, so to any of the processes."""
        with closing(HttpApi(self.server.port)) as api:
            return api.send(verb, url, *arguments, **named)

    def token(self, kuid: str, **query: str) -> Outcome:
        """Ask for a token of the provider, as the administrator."""
        return self.send("GET", f"/_/tokens/work/{kuid}?{urlencode(query)}", jwt=self.admin)

    def whoever(self, jwt: str) -> list[int]:
        """Return what processes answer a token, each of them with all likelihood."""
        with ExitStack() as stack:
            apis = [stack.enter_context(closing(HttpApi(self.server.port))) for _ in range(8)]
            return [api.call("auth:getCurrentUser", jwt=jwt).status for api in apis]

    def configure(self, *, keep_tokens: bool) -> None:
        """Start again with other settings."""
        self.server.stop()
        settings = self.server.data.parent / "ostiary.toml"
        settings.write_text(settings_of(self.provider, keep_tokens=keep_tokens), encoding="utf-8")
        self.server.start()


@contextmanager
def house(
    provider: Loopback,
    database: ThrowAwayPostgreSQL | None = None,
    *,
    workers: int = 2,
    more: str = "",
) -> Iterator[House]:
    """Run a server; on SQLite unless it is given a server of PostgreSQL.

    :param more: settings besides; they may begin with those of the strategy.
    """
    environment = {"OSTIARY_SETUP_SECRET": SETUP_SECRET}
    url, name = None, ""
    if database is not None:
        name = asyncio.run(database.create_database())
        environment |= {"OSTIARY_MASTER_KEY": secrets.token_hex(32)}
        url = database.url(name)
    server = ThrowAwayServer(
        workers=workers,
        database=url,
        environment=environment,
        settings=settings_of(provider, keep_tokens=True) + more,
    )
    try:
        if database is not None:
            for words in (
                ["db", "provision", "--admin-url", database.admin_url(name)],
                ["db", "upgrade"],
            ):
                done = server.run(*words)
                assert done.returncode == 0, done.stderr
        server.start()
        yield House(server, provider, administrator(server))
    finally:
        print(server.log)  # noqa: T201 - pytest shows it beside a test that failed
        server.throw_away()


def administrator(server: ThrowAwayServer) -> str:
    """Make the first administrator of a server, and return their token."""
    with closing(HttpApi(server.port)) as api:
        headers = {"X-Ostiary-Setup": SETUP_SECRET}
        body = {"credentials": {"local": ADMIN}}
        made = api.send("POST", "/_createFirstAdmin/root", body, headers)
        assert made.status == 200, made.body
        token: str = api.send("POST", "/_login/local", ADMIN).result["jwt"]
        return token


def settings_of(provider: Loopback, *, keep_tokens: bool) -> str:
    """Return the settings of a server whose users sign in at a provider."""
    return SETTINGS.format(
        url=provider.url,
        client_id=provider.client_id,
        secret=provider.client_secret,
        callback=provider.callback,
        keep=str(keep_tokens).lower(),
        bye=BYE,
    )
