"""A provider that says who has left while they are on their way in: no token is made any more.

OpenID Connect Back-Channel Logout 1.0.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Iterator
from contextlib import closing
from hashlib import sha256
from typing import NoReturn
from urllib.parse import urlencode, urlsplit

import httpx2
import pytest

from ostiary.testing.postgresql import started
from ostiary.testing.wire import HttpApi, Outcome

from .provider import Loopback, running
from .signing_in import House, house
from .test_logout import grant, logout_token, notify

PAGE = "https://app.example.org/signed-in"
LISTED = f'\n[security]\nreturnAddresses = ["{PAGE}"]\n'


@pytest.fixture(scope="module")
def loopback() -> Iterator[Loopback]:
    with running() as provider:
        yield provider


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def serving(
    request: pytest.FixtureRequest, loopback: Loopback, missing: Callable[[str, str], NoReturn]
) -> Iterator[House]:
    if request.param == "sqlite":
        with house(loopback, more=LISTED) as made:
            yield grant(made)
        return
    with started(missing) as database, house(loopback, database, more=LISTED) as made:
        yield grant(made)


@pytest.fixture
def sid(loopback: Loopback) -> str:
    """The session of somebody new at the provider."""
    loopback.user["sub"], sid = secrets.token_hex(8), secrets.token_hex(8)
    loopback.claim = lambda claims: {**claims, "sid": sid}
    return sid


class Page:
    """A page that has a one-time code, and what belongs to it."""

    def __init__(self, serving: House) -> None:
        self.serving, self.verifier = serving, secrets.token_urlsafe(32)
        digest = sha256(self.verifier.encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        given = urlencode({"returnTo": PAGE, "codeChallenge": challenge})
        with closing(HttpApi(serving.server.port)) as api:
            begun = api.send("GET", f"/_login/work?{given}")
            cookie = {"Cookie": begun.headers["set-cookie"].partition(";")[0]}
            sent = httpx2.get(begun.headers["location"], trust_env=False)
            query = urlsplit(sent.headers["location"]).query
            back = api.send("GET", f"/_login/work?{query}", None, cookie)
        to, _, self.code = back.headers["location"].partition("#loginCode=")
        assert to == PAGE

    def redeem(self) -> Outcome:
        fields = {"loginCode": self.code, "codeVerifier": self.verifier}
        return self.serving.send("POST", "/_login/work", fields)


def over(outcome: Outcome) -> bool:
    return (outcome.status, outcome.error_id) == (401, "ostiary.login.flow_over")


def test_a_code_is_worth_nothing_once_the_provider_has_ended_its_session(
    serving: House, loopback: Loopback, sid: str
) -> None:
    page = Page(serving)
    loopback.claim = lambda claims: {**claims, "sid": "another"}
    other = Page(serving)
    assert notify(serving, logout_token(loopback, sid=sid)).status == 200
    assert over(page.redeem())
    assert over(page.redeem())
    assert other.redeem().status == 200


@pytest.mark.usefixtures("sid")
def test_a_code_is_worth_nothing_once_the_provider_has_ended_all_of_an_account(
    serving: House, loopback: Loopback
) -> None:
    assert Page(serving).redeem().status == 200
    page, subject = Page(serving), loopback.user["sub"]
    loopback.user["sub"] = secrets.token_hex(8)
    other = Page(serving)
    assert notify(serving, logout_token(loopback, sub=subject)).status == 200
    assert over(page.redeem())
    assert other.redeem().status == 200


def test_who_comes_back_after_having_left_is_let_in(
    serving: House, loopback: Loopback, sid: str
) -> None:
    page = Page(serving)
    assert notify(serving, logout_token(loopback, sid=sid)).status == 200
    assert Page(serving).redeem().status == 200
    assert over(page.redeem())
