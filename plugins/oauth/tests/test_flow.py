"""The flow of OpenID Connect and OAuth 2.0, with a provider that does as it should, or does not."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from collections.abc import Callable
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ostiary import errors as core
from ostiary_oauth import errors

from .provider import CALLBACK, Loopback
from .visiting import Visitor

pytestmark = pytest.mark.anyio

Coming = Callable[..., Visitor]


def query_of(location: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(location).query))


async def test_a_login_at_an_openid_provider_proves_who_somebody_is(visitor: Coming) -> None:
    proved = await visitor().sign_in()
    assert (proved.issuer, proved.subject) == (visitor().loopback.url, "248289761001")
    assert (proved.email, proved.email_verified) == ("jane@example.org", True)
    assert proved.session == "session-1"
    assert proved.claims == {
        "sub": "248289761001",
        "name": "Jane Doe",
        "email": "jane@example.org",
        "email_verified": True,
    }


async def test_a_login_at_an_oauth2_provider_proves_who_somebody_is(visitor: Coming) -> None:
    proved = await visitor(protocol="oauth2").sign_in()
    assert (proved.issuer, proved.subject) == (visitor().loopback.url, "583231")
    assert proved.claims["login"] == "jane"


@pytest.mark.parametrize("protocol", ["oidc", "oauth2"])
async def test_a_request_is_for_a_code_with_pkce_and_where_it_goes_is_fixed(
    visitor: Coming, protocol: str
) -> None:
    """OAU-02."""
    begun = await visitor(protocol=protocol).begin()
    query = query_of(begun.location)
    assert begun.state is not None
    digest = sha256(begun.state["verifier"].encode()).digest()
    assert query["response_type"] == "code"
    assert query["client_id"] == "ostiary"
    assert query["redirect_uri"] == CALLBACK
    assert query["code_challenge_method"] == "S256"
    assert query["code_challenge"] == base64.urlsafe_b64encode(digest).decode().rstrip("=")
    assert query.get("nonce") == begun.state.get("nonce")
    assert ("nonce" in query) == (protocol == "oidc")
    # The core adds its own, which it has bound to the browser.
    assert "state" not in query
    assert begun.handle is None


async def test_each_flow_has_a_verifier_and_a_nonce_of_its_own(visitor: Coming) -> None:
    """OAU-02, OAU-05."""
    guest = visitor()
    states = [(await guest.begin()).state or {} for _ in range(8)]
    assert len({state["verifier"] for state in states}) == 8
    assert len({state["nonce"] for state in states}) == 8
    assert all(43 <= len(state["verifier"]) <= 128 for state in states)
    assert all(len(state["nonce"]) >= 22 for state in states)


async def test_no_setting_changes_what_makes_a_request_safe(visitor: Coming) -> None:
    """OAU-02."""
    params = {
        "prompt": "login",
        "state": "fixed",
        "nonce": "fixed",
        "redirect_uri": "https://evil.example",
        "response_type": "token",
        "code_challenge": "x",
        "code_challenge_method": "plain",
    }
    begun = await visitor(authorization_params=params).begin()
    query = parse_qs(urlsplit(begun.location).query)
    assert query["prompt"] == ["login"]
    assert query["response_type"] == ["code"]
    assert query["redirect_uri"] == [CALLBACK]
    assert query["code_challenge_method"] == ["S256"]
    assert query["nonce"] != ["fixed"]
    assert "state" not in query


async def test_scopes_are_written_as_the_provider_wants_them(visitor: Coming) -> None:
    begun = await visitor(
        protocol="oauth2", scope=("public_profile", "email"), scope_separator=","
    ).begin()
    assert query_of(begun.location)["scope"] == "public_profile,email"
    assert "scope" not in query_of((await visitor(protocol="oauth2", scope=()).begin()).location)


async def test_what_the_first_step_brought_is_kept_beside_the_secrets(visitor: Coming) -> None:
    begun = await visitor().begin({"invitation": "abc", "verifier": "chosen by a client"})
    assert begun.state is not None
    assert begun.state["invitation"] == "abc"
    assert begun.state["verifier"] != "chosen by a client"


async def test_a_code_of_another_flow_opens_nothing(visitor: Coming, loopback: Loopback) -> None:
    """OAU-05: who has stolen a code has not its verifier."""
    guest = visitor()
    stolen = await guest.agree(await guest.begin())
    with pytest.raises(core.LoginRefused) as refusal:
        await guest.complete(stolen, await guest.begin())
    assert refusal.value.reason == "the provider does not take the code: invalid_grant"
    assert loopback.tokens == {}


async def test_a_code_is_good_once(visitor: Coming) -> None:
    """OAU-05."""
    guest = visitor()
    begun = await guest.begin()
    back = await guest.agree(begun)
    await guest.complete(back, begun)
    with pytest.raises(core.LoginRefused):
        await guest.complete(back, begun)


async def test_an_id_token_of_another_flow_is_refused(visitor: Coming, loopback: Loopback) -> None:
    """OAU-06: a code that was injected brings the nonce of who began."""
    loopback.claim = lambda claims: {**claims, "nonce": "of-another-flow"}
    assert await visitor().refused() == "the id token is not for this login: nonce"


@pytest.mark.parametrize("nonce", [None, 7, "", ["x"], {}, True])
async def test_an_id_token_without_a_nonce_is_refused(
    visitor: Coming, loopback: Loopback, nonce: Any
) -> None:
    """OAU-06."""
    loopback.claim = lambda claims: {**claims, "nonce": nonce}
    assert await visitor().refused() == "the id token is not for this login: nonce"
    loopback.claim = lambda claims: {key: claims[key] for key in claims if key != "nonce"}
    assert await visitor().refused() == "the id token is not for this login: nonce"


@pytest.mark.parametrize("issuer", ["https://other.example", "", 7, ["x"], None])
async def test_an_answer_of_another_provider_is_refused_before_its_code_is_used(
    visitor: Coming, loopback: Loopback, issuer: Any
) -> None:
    """OAU-09: compared when it is there; missing although announced is no answer either."""
    loopback.back = lambda back: {**back, "iss": issuer}
    await visitor().refused()
    assert "/token" not in [path for _, path, _ in loopback.asked]


async def test_an_answer_of_another_provider_is_refused_where_none_was_announced(
    visitor: Coming, loopback: Loopback
) -> None:
    """OAU-09."""
    loopback.iss_parameter = False
    loopback.back = lambda back: {**back, "iss": f"{loopback.url}/other"}
    assert await visitor().refused() == "the answer is another provider's"
    loopback.back = dict
    await visitor().sign_in()


async def test_an_error_of_another_provider_is_no_answer_of_this_one(
    visitor: Coming, loopback: Loopback
) -> None:
    """OAU-09 (RFC 9207, 2.4): who answers is looked at first."""
    loopback.back = lambda _: {"error": "server_error", "iss": "https://other.example"}
    assert await visitor().refused() == "the answer is another provider's"


@pytest.mark.parametrize(
    "issuer, right",
    [
        ("https://github.com/login/oauth", True),
        ("https://github.com", True),
        ("https://api.example", True),
        ("https://github.com.evil.example/login/oauth", False),
        ("https://evil.example/https://github.com/", False),
        ("http://github.com/login/oauth", False),
        (7, False),
    ],
)
async def test_an_oauth2_provider_answers_from_where_it_is(
    visitor: Coming, issuer: Any, *, right: bool
) -> None:
    """OAU-09: it has no issuer but its origin; GitHub says a path below it."""
    guest = visitor(
        protocol="oauth2",
        issuer="https://api.example",
        authorization_endpoint="https://github.com/login/oauth/authorize",
    )
    begun = await guest.begin()
    with pytest.raises(core.LoginRefused) as refusal:
        await guest.complete({"code": "none", "iss": issuer}, begun)
    assert (refusal.value.reason != "the answer is another provider's") == right


async def test_who_says_no_at_the_provider_is_not_let_in(
    visitor: Coming, loopback: Loopback
) -> None:
    loopback.back = lambda back: {"error": "access_denied", "iss": back["iss"]}
    guest = visitor()
    with pytest.raises(core.LoginRefused) as refusal:
        await guest.sign_in()
    assert refusal.value.id == "plugin.strategy.missing_user"
    assert refusal.value.reason == "the user or the provider has said no"


@pytest.mark.parametrize("error", ["server_error", "<script>", 7, {"a": 1}, "", "x" * 9000])
async def test_an_error_of_the_provider_is_a_clear_one_that_repeats_nothing(
    visitor: Coming, loopback: Loopback, error: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """OAU-17."""
    loopback.back = lambda back: {
        "error": error,
        "error_description": "<b>evil</b>",
        "iss": back["iss"],
    }
    with pytest.raises(errors.ProviderRefused) as refusal:
        await visitor().sign_in()
    assert refusal.value.props == ["loopback"]
    assert refusal.value.status == 400
    assert "<" not in caplog.text
    assert len(caplog.text) < 400


@pytest.mark.parametrize("code", [None, "", 7, ["x"], {}, "a\nb", "a\0b", "é\u2028", "x" * 9000])
async def test_what_is_no_code_is_not_sent_to_the_provider(
    visitor: Coming, loopback: Loopback, code: Any
) -> None:
    loopback.back = lambda back: {**back, "code": code}
    assert await visitor().refused() == "no code came back"
    assert "/token" not in [path for _, path, _ in loopback.asked]


@pytest.mark.parametrize(
    "answer, error",
    [
        ({"error": "invalid_grant", "error_description": "<b>no</b>"}, core.LoginRefused),
        ({"error": "bad_verification_code"}, core.LoginRefused),
        ({"error": {"message": "<b>", "code": 100}}, core.LoginRefused),
        ({"error": "invalid_client"}, errors.ClientRefused),
        ({"error": "temporarily_unavailable"}, errors.ProviderUnavailable),
        ({}, errors.ProviderUnavailable),
        ([], errors.ProviderUnavailable),
        (None, errors.ProviderUnavailable),
        ({"access_token": 7}, errors.ProviderUnavailable),
        ({"access_token": "x"}, errors.ProviderUnavailable),
        ({"access_token": "x", "id_token": {}}, errors.ProviderUnavailable),
        ({"access_token": "x", "id_token": "x", "expires_in": [1]}, errors.ProviderUnavailable),
        ({"access_token": "x", "id_token": "x", "expires_in": 1e400}, errors.ProviderUnavailable),
        ({"access_token": "x", "id_token": "not.a.token"}, core.LoginRefused),
    ],
)
@pytest.mark.parametrize("status", [200, 400])
async def test_whatever_the_token_endpoint_answers_is_a_clear_error(
    visitor: Coming, loopback: Loopback, answer: Any, error: type[Exception], status: int
) -> None:
    """OAU-17: the error of who signs in, of the operator, or of the provider; never a fault of ours."""
    loopback.answers["/token"] = lambda _: Response(
        json.dumps(answer), status, media_type="application/json"
    )
    with pytest.raises(error) as raised:
        await visitor().sign_in()
    assert "<" not in str(raised.value)


async def test_a_client_that_is_not_accepted_is_the_operators_affair(
    visitor: Coming, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR), pytest.raises(errors.ClientRefused) as refusal:
        await visitor(client_secret="another").sign_in()
    assert refusal.value.status == 503
    assert "invalid_client" in caplog.text
    assert "another" not in caplog.text


async def test_a_provider_that_is_too_slow_is_given_up_in_time(
    visitor: Coming, loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OAU-18: a hook has eight seconds."""
    from ostiary_oauth import web

    assert web.TALK <= 6
    monkeypatch.setattr(web, "TALK", 0.2)
    guest = visitor()
    begun = await guest.begin()
    back = await guest.agree(begun)

    async def late(request: Request) -> Response:
        await asyncio.sleep(1)
        return JSONResponse({})

    loopback.answers["/token"] = late
    with pytest.raises(errors.ProviderUnavailable):
        await guest.complete(back, begun)


async def test_nothing_that_is_secret_is_shown_or_logged(
    visitor: Coming, caplog: pytest.LogCaptureFixture
) -> None:
    """OAU-19."""
    guest = visitor()
    with caplog.at_level(logging.DEBUG):
        begun = await guest.begin()
        back = await guest.agree(begun)
        proved = await guest.complete(back, begun)
    assert begun.state is not None
    secrets = [
        guest.loopback.client_secret,
        begun.state["verifier"],
        *(proved.tokens[name] for name in ("access_token", "refresh_token", "id_token")),
    ]
    told = repr(begun) + repr(proved) + repr(guest.strategy) + _ours(caplog)
    assert not [secret for secret in secrets if secret in told]
    assert back["code"] not in told


async def test_what_the_provider_gives_is_there_for_who_keeps_it(visitor: Coming) -> None:
    tokens = (await visitor().sign_in()).tokens
    assert {"access_token", "refresh_token", "id_token", "expires_at"} <= tokens.keys()


def _ours(caplog: pytest.LogCaptureFixture) -> str:
    """Return what was logged, less what the provider, which runs in this process, has."""
    return "\n".join(
        record.getMessage() for record in caplog.records if not record.name.startswith("uvicorn")
    )
