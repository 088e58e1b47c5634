"""A page that signs in for another one: by any strategy, and what it gets leads there, once."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs

import pytest

from ostiary.settings import Settings
from ostiary.testing.packages import installed, steps
from ostiary.testing.wire import Api, Outcome

APP, PIN = "https://app.example/signed-in", "2468"
OVER = "ostiary.login.flow_over"


@pytest.fixture(scope="module")
def house(
    settings_here: Callable[..., Settings],
    new_site: Callable[..., Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Any]:
    """A server with a strategy of two steps, and an application that sends its users there."""
    with installed(tmp_path_factory.mktemp("packages"), steps()), ExitStack() as stack:
        changes = {"plugins__allow": ["local", "steps"], "security__returnAddresses": [APP]}
        yield stack.enter_context(new_site(settings_here("leading", **changes)))


@pytest.fixture
def http(house: Any) -> Iterator[Api]:
    with closing(house.open("http")) as api:
        yield api


VERIFIER = secrets.token_urlsafe(32)
CHALLENGE = base64.urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
FOR_ANOTHER: dict[str, Any] = {"returnTo": APP, "codeChallenge": CHALLENGE, "leadBack": True}


def led(outcome: Outcome) -> dict[str, str]:
    """Return what the page is told to which a browser is to be sent."""
    assert outcome.status == 200, outcome.body
    assert set(outcome.result) == {"headers", "statusCode"}
    address, _, fragment = outcome.result["headers"]["Location"].partition("#")
    assert address == APP
    assert "set-cookie" not in outcome.headers
    return {name: values[0] for name, values in parse_qs(fragment).items()}


def handed_in(api: Api, told: dict[str, str], verifier: str = VERIFIER) -> Outcome:
    body = {"loginCode": told["loginCode"], "codeVerifier": verifier}
    return api.call("auth:login", body, strategy=told["strategy"])


def test_a_page_gets_a_code_for_another_one(house: Any, http: Api) -> None:
    ann = house.person("member")
    fields = ann.credentials
    told = led(http.call("auth:login", fields, strategy="local", **FOR_ANOTHER, cookieAuth=True))
    assert set(told) == {"loginCode", "strategy"}
    assert handed_in(http, told, "x" * 43).error_id == OVER
    assert handed_in(http, told).result["_id"] == ann.kuid
    assert handed_in(http, told).error_id == OVER


def test_a_login_of_several_steps_ends_there_too(house: Any, http: Api) -> None:
    body = {"content": {"profileIds": ["member"]}, "credentials": {"steps": {"badge": "ben"}}}
    assert house.http.call("security:createUser", body, jwt=house.jwt, _id="ben").status == 200
    asked = http.call("auth:login", {"badge": "ben"}, strategy="steps", **FOR_ANOTHER)
    assert asked.status == 202
    answer = {"challenge": asked.result["challenge"], "pin": PIN}
    told = led(http.call("auth:login", answer, strategy="steps"))
    assert handed_in(http, told).result["_id"] == "ben"


def test_what_goes_wrong_is_told_the_page_that_asks(house: Any, http: Api) -> None:
    ann = house.person("member")
    fields = {**ann.credentials, "password": "another one, and wrong"}
    outcome = http.call("auth:login", fields, strategy="local", **FOR_ANOTHER)
    assert (outcome.status, outcome.error_id) == (401, "plugin.strategy.missing_user")


@pytest.mark.parametrize(
    "change, error",
    [
        ({"returnTo": None}, "api.assert.missing_argument"),
        ({"codeChallenge": None}, "api.assert.missing_argument"),
        ({"returnTo": "https://evil.example/"}, "ostiary.login.return_address"),
    ],
)
def test_it_says_where_to_and_what_will_come_with_the_code(
    http: Api, change: dict[str, Any], error: str
) -> None:
    args = {name: one for name, one in {**FOR_ANOTHER, **change}.items() if one is not None}
    outcome = http.call("auth:login", {"username": "a"}, strategy="local", **args)
    assert (outcome.status, outcome.error_id) == (400, error)


@pytest.mark.parametrize("to", ["/-/signed-in/steps", "/-/signed-in/steps?then=/-/account"])
def test_a_page_of_the_server_itself_need_not_be_listed(http: Api, to: str) -> None:
    outcome = http.call(
        "auth:login", {"badge": "x"}, strategy="steps", returnTo=to, cookieAuth=True
    )
    assert outcome.error_id != "ostiary.login.return_address"


@pytest.mark.parametrize(
    "to", ["/", "/_me", "/-", "//evil.example", "/-//x", "/-/../_me", "/-/a#b", "/-/\\x", "/-/a\n"]
)
def test_nothing_else_of_it_is_a_page(http: Api, to: str) -> None:
    outcome = http.call(
        "auth:login", {"badge": "x"}, strategy="steps", returnTo=to, cookieAuth=True
    )
    assert (outcome.status, outcome.error_id) == (400, "ostiary.login.return_address")
