"""Answers of a provider that mislead, do not end, do not fit, or speak to somebody else."""

from __future__ import annotations

import gzip
import threading
from typing import Any

import pytest
from starlette.responses import RedirectResponse, Response

from ostiary.testing.wire import Outcome

from .besieged import FRESH, PLUGIN, REFUSED, UNAVAILABLE, Siege, failed
from .malicious import always, body, dripping, said
from .provider import Answer, Loopback

DOCUMENT = "/.well-known/openid-configuration"
INTERNAL = "http://127.0.0.1:1/latest/meta-data/"
SCRIPT = "<script>alert(1)</script>"

BROKEN: dict[str, Answer] = {
    "a redirect within": always(RedirectResponse(INTERNAL, 302)),
    "a redirect that keeps the method": always(RedirectResponse(INTERNAL, 307)),
    "a redirect with an answer": body(b"{}", 303, location=INTERNAL),
    "too large": body(b'{"a": "' + b"a" * 300_000 + b'"}'),
    "a gzip bomb": body(gzip.compress(b" " * 50_000_000), content_encoding="gzip"),
    "without an end": dripping(10**9, 0, b" " * 65_536),
    "HTML": always(Response(f"<html>{SCRIPT}</html>", media_type="text/html")),
    "a failure in HTML": always(Response(SCRIPT, 500, media_type="text/html")),
    "too busy": said({"error": SCRIPT}, 503),
    "no JSON": body(b"{'a'"),
    "deep JSON": body(b"[" * 200_000),
    "a list": said([]),
    "nothing": body(b""),
}
TOKEN_ANSWERS: dict[str, Any] = {
    "no tokens": {},
    "only null": {"access_token": None, "id_token": None},
    "a list for an id token": {"access_token": "a", "id_token": [1]},
    "lifetimes that are none": {"access_token": "a", "expires_in": "soon"},
    "a lifetime that is a list": {"access_token": "a", "expires_in": [1], "expires_at": {}},
}


@pytest.mark.parametrize("path", ["/token", "/userinfo"])
@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN.keys())
def test_an_answer_that_is_none_is_a_provider_that_is_not_there(
    siege: Siege, path: str, answer: Answer
) -> None:
    """OAU-17, OAU-18: no redirect is followed, nothing large is read, nothing is repeated."""
    siege.loopback.signed = ("sub",)
    siege.loopback.answers[path] = answer
    failed(siege, siege.sign_in, UNAVAILABLE)


@pytest.mark.parametrize("answer", TOKEN_ANSWERS.values(), ids=TOKEN_ANSWERS.keys())
@pytest.mark.parametrize("strategy", ["work", "plain"])
def test_tokens_that_are_none_open_nothing(siege: Siege, strategy: str, answer: Any) -> None:
    siege.loopback.answers["/token"] = said(answer)
    siege.loopback.answers["/profile"] = said({"error": SCRIPT}, 401)
    failed(siege, lambda: siege.sign_in(strategy), UNAVAILABLE, REFUSED)


@pytest.mark.parametrize("status", [200, 400, 401])
@pytest.mark.parametrize("name", ["invalid_grant", "invalid_client", "server_error", SCRIPT, 7, []])
def test_an_error_of_the_token_endpoint_is_not_repeated(
    siege: Siege, status: int, name: Any
) -> None:
    """OAU-17."""
    error = {"error": name, "error_description": SCRIPT, "error_uri": f"javascript:{SCRIPT}"}
    siege.loopback.answers["/token"] = said(error, status)
    failed(siege, siege.sign_in, REFUSED, UNAVAILABLE, PLUGIN + "client_refused")
    assert SCRIPT not in siege.server.log


@pytest.mark.parametrize("error", ["access_denied", "server_error", SCRIPT, "x" * 5000])
def test_an_error_that_a_browser_brings_is_not_repeated(siege: Siege, error: str) -> None:
    """OAU-17."""
    begun = siege.begin()
    back = {"error": error, "error_description": SCRIPT, "state": begun.state}
    back["iss"] = siege.loopback.url
    ids = (REFUSED, PLUGIN + "provider_refused")
    failed(siege, lambda: siege.come_back(begun, back), *ids)


PROFILES: dict[str, Any] = {
    "another user": {"sub": "another", "name": "Jane"},
    "nobody": {"name": "Jane"},
    "a number": {"sub": 248289761001},
}


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES.keys())
def test_the_userinfo_of_another_user_opens_nothing(siege: Siege, profile: Any) -> None:
    """OAU-14."""
    siege.loopback.signed = ("sub",)
    siege.loopback.answers["/userinfo"] = said(profile)
    failed(siege, siege.sign_in, REFUSED)


def test_userinfo_of_another_type_is_none(siege: Siege) -> None:
    """OAU-14: what an encoded token says that nobody has checked."""
    siege.loopback.signed = ("sub",)
    token = siege.loopback.signed_by_key(dict(siege.loopback.user)).encode()
    answer = Response(token, media_type="application/jwt")
    siege.loopback.answers["/userinfo"] = always(answer)
    failed(siege, siege.sign_in, UNAVAILABLE)


@pytest.mark.parametrize(
    "id", [None, "", True, 1.5, 1e300, [], {}, "i" * 256, "a\tb", "\u202ejane"], ids=repr
)
def test_a_profile_that_names_no_account_opens_nothing(siege: Siege, id: Any) -> None:
    """OAU-13: at a provider of plain OAuth 2.0, too."""
    siege.loopback.profile = {"id": id, "login": "jane"}
    failed(siege, lambda: siege.sign_in("plain"), REFUSED)


STRANGE = (
    b'{"sub": "248289761001", "name": "\\ud800\\u0000", "email": "a\\u0000@\\ud800", '
    b'"picture": ' + b'{"a":' * 60 + b"1" + b"}" * 60 + b"}"
)


def test_a_profile_that_no_store_can_hold_fails_no_login(siege: Siege) -> None:
    siege.loopback.signed = ("sub",)
    siege.loopback.answers["/userinfo"] = body(STRANGE)
    kuid = siege.sign_in().result["_id"]
    kept = siege.send("GET", f"/credentials/work/{kuid}", jwt=siege.admin).result
    assert not {"name", "picture"} & kept.keys()
    assert kept.get("email") is None


def test_a_slow_provider_is_given_up_and_nobody_else_waits(siege: Siege) -> None:
    """OAU-18: while its answers drip, another provider's users sign in."""
    fresh = f"fresh{FRESH - 1}"
    siege.loopback.answers["/token"] = dripping(10**9, 0.05)
    siege.loopback.answers[DOCUMENT] = dripping(1, 30.0)
    outcomes: list[Outcome] = []
    slow = [
        threading.Thread(target=lambda name=name: outcomes.append(siege.sign_in(name)))
        for name in ("plain", fresh)
    ]
    for thread in slow:
        thread.start()
    assert [siege.sign_in("other").status for _ in range(3)] == [200] * 3
    assert outcomes == []
    for thread in slow:
        thread.join()
    assert [outcome.error_id for outcome in outcomes] == [UNAVAILABLE] * 2


METADATA: dict[str, dict[str, Any]] = {
    "OAU-20 another issuer": {"issuer": "https://id.example.org"},
    "OAU-20 no issuer": {"issuer": None},
    "OAU-20 a list of issuers": {"issuer": ["https://id.example.org"]},
    "OAU-18 tokens over http": {"token_endpoint": "http://169.254.169.254/token"},
    "OAU-18 keys within": {"jwks_uri": "http://10.0.0.1/jwks"},
    "OAU-18 a file of keys": {"jwks_uri": "file:///etc/passwd"},
    "OAU-18 a script": {"authorization_endpoint": f"javascript:{SCRIPT}"},
    "OAU-18 another host behind a name": {"token_endpoint": "https://id.example.org@10.0.0.1/"},
    "OAU-18 no keys": {"jwks_uri": None},
    "OAU-02 a state of its own": {"authorization_endpoint": "http://127.0.0.1:1/a?state=b"},
    "OAU-17 numbers": {"authorization_endpoint": 7, "token_endpoint": 7},
}


def fresh_strategy(number: int, answer: Answer, loopback: Loopback) -> str:
    """Return a strategy that asks for the document for the first time, and is answered so."""
    loopback.answers[DOCUMENT] = answer
    return f"fresh{number}"


@pytest.mark.parametrize("number", range(len(METADATA)), ids=METADATA.keys())
def test_a_document_that_is_not_right_leads_nowhere(siege: Siege, number: int) -> None:
    """OAU-18, OAU-20."""
    loopback = siege.loopback
    right = {
        "issuer": loopback.url,
        "authorization_endpoint": f"{loopback.url}/authorize",
        "token_endpoint": f"{loopback.url}/token",
        "jwks_uri": f"{loopback.url}/jwks",
    }
    bent = right | list(METADATA.values())[number]
    strategy = fresh_strategy(number, said(bent), loopback)
    failed(siege, lambda: siege.sign_in(strategy), UNAVAILABLE)


@pytest.mark.parametrize("number", range(len(BROKEN)), ids=BROKEN.keys())
def test_a_document_that_is_none_leads_nowhere(siege: Siege, number: int) -> None:
    """OAU-17, OAU-18."""
    answer = list(BROKEN.values())[number]
    strategy = fresh_strategy(len(METADATA) + number, answer, siege.loopback)
    outcome = failed(siege, lambda: siege.sign_in(strategy), UNAVAILABLE)
    assert outcome.headers["retry-after"]
    failed(siege, lambda: siege.sign_in(strategy), UNAVAILABLE)
    assert [path for _, path, _ in siege.loopback.asked] == [DOCUMENT]


KEYS: dict[str, Answer] = {
    "no set": said({}),
    "secret keys": said({"keys": [{"kty": "oct", "kid": "rsa", "k": "c2VjcmV0"}]}),
    "a redirect": BROKEN["a redirect within"],
    "a bomb": BROKEN["a gzip bomb"],
    "no JSON": BROKEN["no JSON"],
}


@pytest.mark.parametrize("number", range(len(KEYS)), ids=KEYS.keys())
def test_keys_that_are_none_prove_nothing(siege: Siege, number: int) -> None:
    """OAU-07, OAU-18."""
    siege.loopback.answers["/jwks"] = list(KEYS.values())[number]
    strategy = f"fresh{len(METADATA) + len(BROKEN) + number}"
    failed(siege, lambda: siege.sign_in(strategy), UNAVAILABLE)
