"""What stands in the address of a callback besides the answer of the provider (contract, 16)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx2
import pytest

from ostiary.testing.wire import HttpApi, Outcome

from .answered import sent_back
from .provider import CALLBACK, running
from .signing_in import House, house

FORM = {"Content-Type": "application/x-www-form-urlencoded", "Origin": "https://id.example.org"}
CROSS_SITE = {"Sec-Fetch-Site": "cross-site"}
MORE, WANTED, DEFAULT = "cookieAuth=true&expiresIn=90m", 5_400_000, 7_200_000

AGAIN = """
[security.authToken]
maxTTL = "1d"

[plugins.oauth.strategies.posting]
provider = "oidc"
issuer = "{url}"
clientID = "{client_id}"
clientSecret = "{secret}"
callbackURL = "{callback}"
authorizationParams = {{response_mode = "form_post"}}
"""


@pytest.fixture(scope="module")
def serving() -> Iterator[House]:
    """A server at whose callbacks cookies are asked for."""
    with running() as loopback:
        loopback.callback = f"{CALLBACK}?{MORE}"
        again = AGAIN.format(
            url=loopback.url,
            client_id=loopback.client_id,
            secret=loopback.client_secret,
            callback=loopback.callback,
        )
        with house(loopback, workers=1, more=again) as started:
            yield started


def gone(api: HttpApi, strategy: str, query: str = "") -> tuple[dict[str, str], Any]:
    """Go to the provider; return the cookie of the login, and the provider's answer."""
    begun = api.send("GET", f"/_login/{strategy}{query}")
    held = {"Cookie": begun.headers["set-cookie"].partition(";")[0], **CROSS_SITE}
    return held, httpx2.get(begun.headers["location"], trust_env=False)


def check_cookie(api: HttpApi, signed: Outcome, ttl: int) -> None:
    """Check that a token is in a cookie that opens something, and nowhere else."""
    assert set(signed.result) == {"_id", "expiresAt", "ttl"}
    assert signed.result["ttl"] == ttl
    cookie = signed.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    me = api.send("GET", "/_me", None, {"Cookie": cookie.partition(";")[0]})
    assert me.result["_id"] == signed.result["_id"]


def test_a_callback_that_asks_for_a_cookie_and_a_lifetime_gets_them(serving: House) -> None:
    with closing(HttpApi(serving.server.port)) as api:
        held, answer = gone(api, "work")
        query = urlsplit(answer.headers["location"]).query
        assert query.startswith(f"{MORE}&code=")
        check_cookie(api, api.send("GET", f"/_login/work?{query}", None, held), WANTED)


def test_what_the_first_step_asks_for_is_not_what_the_callback_does(serving: House) -> None:
    with closing(HttpApi(serving.server.port)) as api:
        held, answer = gone(api, "work", "?expiresIn=1h&cookieAuth=true")
        query = urlsplit(answer.headers["location"]).query.removeprefix(f"{MORE}&")
        signed = api.send("GET", f"/_login/work?{query}", None, held).result
        assert set(signed) == {"_id", "jwt", "expiresAt", "ttl"}
        assert signed["ttl"] == DEFAULT


def test_a_callback_that_a_form_is_posted_to_gets_them_too(serving: House) -> None:
    with closing(HttpApi(serving.server.port)) as api:
        held, answer = gone(api, "posting")
        back, fields = sent_back(answer)
        query = urlsplit(back).query
        assert query == MORE
        body = urlencode(fields).encode()
        posted = api.send("POST", f"/_login/posting?{query}", body, {**FORM, **CROSS_SITE})
        assert posted.status == 303, posted.body
        url = f"/_login/posting{posted.headers['location']}"
        check_cookie(api, api.send("GET", url, None, held), WANTED)


def test_a_form_itself_cannot_ask_for_them(serving: House) -> None:
    """What it says is the provider's; the address of the callback is the operator's."""
    with closing(HttpApi(serving.server.port)) as api:
        held, answer = gone(api, "posting")
        _, fields = sent_back(answer)
        body = urlencode({**fields, "cookieAuth": "true", "expiresIn": "2h"}).encode()
        posted = api.send("POST", "/_login/posting", body, {**FORM, **CROSS_SITE})
        url = f"/_login/posting{posted.headers['location']}"
        assert "jwt" in api.send("GET", url, None, held).result


def test_a_callback_cannot_ask_for_a_longer_lifetime_than_there_is(serving: House) -> None:
    with closing(HttpApi(serving.server.port)) as api:
        held, answer = gone(api, "work")
        query = urlsplit(answer.headers["location"]).query.replace("90m", "2d")
        refused = api.send("GET", f"/_login/work?{query}", None, held)
        assert (refused.status, refused.error_id) == (400, "security.token.ttl_exceeded")
        assert "set-cookie" not in refused.headers
