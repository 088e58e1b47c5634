"""Leaving here ends the session at the provider, and leaving there ends those here.

OpenID Connect RP-Initiated Logout 1.0, and Back-Channel Logout 1.0.
"""

from __future__ import annotations

import hmac
import json
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from joserfc import jws, jwt
from joserfc.jwk import RSAKey

from ostiary.testing.wire import Outcome, WebSocketApi

from .provider import RSA_KEY, Loopback, running
from .signing_in import BYE, House, house

EVENT = "http://schemas.openid.net/event/backchannel-logout"
GONE: Any = object()
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
STRANGE = RSAKey.generate_key(2048, {"kid": "rsa"})
SESSION = "kuzzle-plugin-auth-passport-oauth/session"


@pytest.fixture(scope="module")
def loopback() -> Iterator[Loopback]:
    with running() as provider:
        provider.metadata["end_session_endpoint"] = f"{provider.url}/leave?ui=plain"
        yield provider


def grant(house: House) -> House:
    """Let providers call, and users leave, as docs/rights.md says; and refresh their tokens."""
    granted = {
        "anonymous": {SESSION: {"actions": {"backchannel": True}}},
        "default": {
            SESSION: {"actions": {"logout": True}},
            "auth": {"actions": {"refreshToken": True}},
        },
    }
    for profile, controllers in granted.items():
        policies = {"policies": [{"roleId": profile}, {"roleId": f"more-{profile}"}]}
        for url, body in (
            (f"/roles/more-{profile}", {"controllers": controllers}),
            (f"/profiles/{profile}/_update", policies),
        ):
            assert house.send("PUT", url, body, jwt=house.admin).status == 200
    return house


@pytest.fixture(scope="module")
def serving(loopback: Loopback) -> Iterator[House]:
    with house(loopback) as made:
        yield grant(made)


@pytest.fixture
def sid(loopback: Loopback) -> str:
    """The session of somebody new at the provider."""
    loopback.user["sub"], sid = secrets.token_hex(8), secrets.token_hex(8)
    loopback.claim = lambda claims: {**claims, "sid": sid}
    return sid


def logout_token(
    loopback: Loopback,
    header: dict[str, Any] | None = None,
    key: Any = RSA_KEY,
    algorithm: str = "RS256",
    **changes: Any,
) -> str:
    """Return a right logout token of a subject, but for some changes."""
    now = int(time.time())
    claims = {
        "iss": loopback.url,
        "aud": loopback.client_id,
        "iat": now,
        "exp": now + 120,
        "jti": secrets.token_hex(8),
        "events": {EVENT: {}},
        "sub": loopback.user["sub"],
        **changes,
    }
    claims = {name: value for name, value in claims.items() if value is not GONE}
    head = {"alg": algorithm, "kid": "rsa", "typ": "logout+jwt", **(header or {})}
    # Not as the library encodes claims, which would not write what is wrong.
    content = json.dumps(claims).encode()
    return jws.serialize_compact(head, content, key, algorithms=[algorithm])


def signed_by_the_public_key(token: str) -> str:
    """Return a token that a public key, which everybody knows, has signed as a secret."""
    text = token.split(".")[1]
    head = urlsafe_b64encode(b'{"alg":"HS256","kid":"rsa","typ":"logout+jwt"}').decode()
    secret = RSA_KEY.as_pem(private=False)
    digest = hmac.digest(secret, f"{head}.{text}".encode(), "sha256")
    return f"{head}.{text}.{urlsafe_b64encode(digest).decode().rstrip('=')}"


def notify(serving: House, token: str, strategy: str = "work") -> Outcome:
    """Tell the server as a provider does."""
    body = urlencode({"logout_token": token}).encode()
    return serving.send("POST", f"/_/backchannel/{strategy}", body, FORM)


def leave(serving: House, jwt: str | None, **query: str) -> Outcome:
    return serving.send("POST", f"/_/session/work/_logout?{urlencode(query)}", jwt=jwt)


def led_to(location: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(location).query)


@pytest.mark.usefixtures("sid")
def test_who_leaves_is_sent_to_leave_at_the_provider_too(
    serving: House, loopback: Loopback
) -> None:
    """RP-Initiated Logout 1.0, 2."""
    mine, other = serving.sign_in()["jwt"], serving.sign_in()["jwt"]
    left = leave(serving, mine, postLogoutRedirectUri=BYE, state="a&b")
    assert left.status == 302
    location = left.headers["location"]
    assert left.result == {
        "headers": {"Location": location, "Content-Length": "0"},
        "statusCode": 302,
    }
    assert location.startswith(f"{loopback.url}/leave?ui=plain&")
    query = led_to(location)
    (hint,) = query.pop("id_token_hint")
    assert jwt.decode(hint, RSA_KEY).claims["sub"] == loopback.user["sub"]
    assert query == {
        "ui": ["plain"],
        "client_id": [loopback.client_id],
        "post_logout_redirect_uri": [BYE],
        "state": ["a&b"],
    }
    assert set(serving.whoever(mine)) == {401}
    assert set(serving.whoever(other)) == {200}


@pytest.mark.usefixtures("sid")
def test_a_page_that_uses_fetch_and_a_websocket_are_told_where_to_go(
    serving: House, loopback: Loopback
) -> None:
    told = leave(serving, serving.sign_in()["jwt"], noRedirect="")
    assert told.status == 200
    assert told.result["acknowledged"] is True
    assert told.result["location"].startswith(f"{loopback.url}/leave?")
    with closing(WebSocketApi(serving.server.port)) as socket:
        name = "kuzzle-plugin-auth-passport-oauth/session:logout"
        mine = serving.sign_in()["jwt"]
        assert socket.call(name, jwt=mine, strategy="work").result["statusCode"] == 302
        assert socket.call("auth:getCurrentUser", jwt=mine).status == 401


@pytest.mark.usefixtures("sid")
@pytest.mark.parametrize(
    "uri",
    [f"{BYE}&more", "https://app.example.org/bye", BYE.upper(), "https://evil.example", ""],
)
def test_nobody_is_sent_back_where_the_operator_has_not_said(serving: House, uri: str) -> None:
    """OAU-16: and the session goes on."""
    mine = serving.sign_in()["jwt"]
    refused = leave(serving, mine, postLogoutRedirectUri=uri)
    assert refused.error_id.endswith(".return_not_listed")
    assert uri == "" or uri not in json.dumps(refused.body["error"])
    assert leave(serving, mine, postLogoutRedirectUri=BYE, state="x" * 513).status == 400
    assert set(serving.whoever(mine)) == {200}


@pytest.mark.usefixtures("sid")
def test_only_a_session_that_was_begun_there_is_ended_so(serving: House) -> None:
    assert leave(serving, None).status == 401
    assert leave(serving, serving.sign_in()["jwt"] + "x").status == 401
    assert leave(serving, serving.admin).error_id.endswith(".other_session")
    assert set(serving.whoever(serving.admin)) == {200}


@pytest.mark.usefixtures("sid")
def test_who_leaves_leaves_here_whatever_the_provider_has(loopback: Loopback) -> None:
    """It has no page to leave at, or does not answer at all."""
    endpoint = loopback.metadata.pop("end_session_endpoint")
    try:
        with house(loopback, workers=1) as made:
            grant(made)
            mine = made.sign_in()["jwt"]
            left = leave(made, mine, postLogoutRedirectUri=BYE)
            assert left.result == {"acknowledged": True, "location": None}
            assert set(made.whoever(mine)) == {401}
            mine = made.sign_in()["jwt"]
            made.server.restart()
            loopback.metadata["issuer"] = "https://another.example"
            assert leave(made, mine).result == {"acknowledged": True, "location": None}
            assert set(made.whoever(mine)) == {401}
    finally:
        loopback.metadata.pop("issuer", None)
        loopback.metadata["end_session_endpoint"] = endpoint


def test_a_cookie_is_taken_away_from_who_leaves(loopback: Loopback, sid: str) -> None:
    with house(loopback, workers=1) as made:
        grant(made)
        cookie = f"authToken={made.sign_in()['jwt']}"
        headers = {"Cookie": cookie, "Sec-Fetch-Site": "same-origin"}
        left = made.send("POST", "/_/session/work/_logout", headers=headers)
        assert left.status == 302
        assert left.headers["set-cookie"].startswith("authToken=null;")


def test_the_provider_ends_the_one_session_that_it_names(
    serving: House, loopback: Loopback, sid: str
) -> None:
    """Back-Channel Logout 1.0, 2.7: in every process at the next request."""
    ended, refreshed = serving.sign_in()["jwt"], serving.sign_in()["jwt"]
    refreshed = serving.send("POST", "/_refreshToken", jwt=refreshed).result["jwt"]
    loopback.claim = lambda claims: {**claims, "sid": "another"}
    other = serving.sign_in()["jwt"]
    done = notify(serving, logout_token(loopback, sid=sid))
    assert (done.status, done.headers["cache-control"]) == (200, "no-store")
    assert set(serving.whoever(ended)) == set(serving.whoever(refreshed)) == {401}
    assert set(serving.whoever(other)) == {200}


@pytest.mark.usefixtures("sid")
def test_the_provider_ends_every_session_of_an_account(serving: House, loopback: Loopback) -> None:
    mine = [serving.sign_in()["jwt"] for _ in range(2)]
    subject = loopback.user["sub"]
    loopback.user["sub"] = secrets.token_hex(8)
    other = serving.sign_in()["jwt"]
    assert notify(serving, logout_token(loopback, sub=subject)).status == 200
    assert [set(serving.whoever(jwt)) for jwt in (*mine, other)] == [{401}, {401}, {200}]
    assert set(serving.whoever(serving.admin)) == {200}


def test_a_notice_may_be_json_and_be_about_nobody(
    serving: House, loopback: Loopback, sid: str
) -> None:
    body = {"logout_token": logout_token(loopback, sub="nobody")}
    assert serving.send("POST", "/_/backchannel/work", body).status == 200
    assert notify(serving, logout_token(loopback, sid="none")).status == 200


WRONG: dict[str, Callable[[Loopback], str]] = {
    "another issuer": lambda one: logout_token(one, iss="https://evil.example"),
    "no issuer": lambda one: logout_token(one, iss=GONE),
    "another client": lambda one: logout_token(one, aud="another"),
    "another client too": lambda one: logout_token(one, aud=[one.client_id, "another"]),
    "no client": lambda one: logout_token(one, aud=GONE),
    "over": lambda one: logout_token(one, exp=int(time.time()) - 61),
    "without end": lambda one: logout_token(one, exp=GONE),
    "a far end": lambda one: logout_token(one, exp=int(time.time()) + 90_000),
    "no number as end": lambda one: logout_token(one, exp=float("nan")),
    "of the future": lambda one: logout_token(one, iat=int(time.time()) + 120),
    "of no time": lambda one: logout_token(one, iat=GONE),
    "no name": lambda one: logout_token(one, jti=GONE),
    "a name of another kind": lambda one: logout_token(one, jti=[5]),
    "no event": lambda one: logout_token(one, events=GONE),
    "another event": lambda one: logout_token(one, events={EVENT.upper(): {}}),
    "an event of another kind": lambda one: logout_token(one, events={EVENT: "yes"}),
    "events of another kind": lambda one: logout_token(one, events=[EVENT]),
    "a nonce": lambda one: logout_token(one, nonce="n"),
    "nobody": lambda one: logout_token(one, sub=GONE),
    "a subject of another kind": lambda one: logout_token(one, sub={"a": 1}),
    "half a character": lambda one: logout_token(one, sid="\ud800"),
    "an access token": lambda one: logout_token(one, {"typ": "at+jwt"}),
    "another key": lambda one: logout_token(one, key=STRANGE),
    "the public key as a secret": lambda one: signed_by_the_public_key(logout_token(one)),
    "an algorithm that is not pinned": lambda one: logout_token(one, algorithm="RS512"),
    "no signature": lambda one: logout_token(one).rpartition(".")[0] + ".",
    "too long": lambda one: logout_token(one, more="x" * 9000),
    "no token": lambda _: "no token",
    "nothing": lambda _: "",
}


@pytest.fixture(scope="module")
def stays(serving: House, loopback: Loopback) -> str:
    """A session that no wrong token ends."""
    loopback.user["sub"] = "stays"
    loopback.claim = dict
    return str(serving.sign_in()["jwt"])


@pytest.mark.parametrize("wrong", WRONG)
def test_a_notice_that_is_none_ends_nothing(
    serving: House, loopback: Loopback, stays: str, wrong: str
) -> None:
    """OAU-07, OAU-08, OAU-17; Back-Channel Logout 1.0, 2.6 and 2.8."""
    loopback.user["sub"] = "stays"
    refused = notify(serving, WRONG[wrong](loopback))
    assert refused.status == 400
    assert refused.headers["cache-control"] == "no-store"
    assert refused.error_id.rpartition(".")[2] in ("wrong_logout_token", "missing_argument")
    assert serving.send("GET", "/users/_me", jwt=stays).status == 200


def test_a_notice_is_heard_once(serving: House, loopback: Loopback, sid: str) -> None:
    """TOK-24."""
    token = logout_token(loopback)
    assert notify(serving, token).status == 200
    mine = serving.sign_in()["jwt"]
    for _ in range(4):
        assert notify(serving, token).error_id.endswith(".wrong_logout_token")
    assert set(serving.whoever(mine)) == {200}


def test_an_id_token_is_no_notice(serving: House, loopback: Loopback, sid: str) -> None:
    seen: dict[str, Any] = {}

    def look(claims: dict[str, Any]) -> dict[str, Any]:
        seen.update(claims)
        return claims

    loopback.claim = look
    mine = serving.sign_in()["jwt"]
    refused = notify(serving, loopback.signed_by_key(seen))
    assert refused.error_id.endswith(".wrong_logout_token")
    assert set(serving.whoever(mine)) == {200}


def test_a_notice_is_no_id_token(serving: House, loopback: Loopback, sid: str) -> None:
    """OAU-06."""
    loopback.sign = lambda _claims: logout_token(loopback)
    try:
        assert serving.come_back().error_id == "plugin.strategy.missing_user"
    finally:
        loopback.sign = None


def test_many_wrong_notices_do_not_make_the_server_ask_the_provider(
    serving: House, loopback: Loopback, sid: str
) -> None:
    """OAU-18."""
    serving.sign_in()
    loopback.asked.clear()
    for number in range(40):
        header = {"kid": f"unknown {number}"}
        assert notify(serving, logout_token(loopback, header)).status == 400
    # Each of the two processes may look once whether there are new keys.
    assert len(loopback.asked) <= 2


def test_nobody_may_call_it_before_the_operator_says_so(loopback: Loopback, sid: str) -> None:
    with house(loopback, workers=1) as made:
        assert notify(made, logout_token(loopback)).status == 401


def test_a_notice_to_a_strategy_that_there_is_not_is_refused(
    serving: House, loopback: Loopback, sid: str
) -> None:
    refused = notify(serving, logout_token(loopback), "play")
    assert refused.error_id == "security.credentials.unknown_strategy"
