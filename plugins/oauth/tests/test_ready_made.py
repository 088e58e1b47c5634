"""Logins at ready-made providers: their description and their profiles, at a provider on loopback."""

from __future__ import annotations

import hmac
import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest

from ostiary.errors import LoginRefused
from ostiary_oauth.protocol import flow
from ostiary_oauth.provider import Proved
from ostiary_oauth.settings import providers
from ostiary_oauth.strategy import OAuthStrategy

from .provider import CALLBACK, CLIENT_SECRET, Loopback

pytestmark = pytest.mark.anyio

PROFILES = Path(__file__).parent / "profiles"


def profile_of(kind: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((PROFILES / f"{kind}.json").read_text(encoding="utf-8"))
    return read


def strategy_of(
    loopback: Loopback, kind: str, /, query: str = "", **settings: Any
) -> OAuthStrategy:
    """Return the strategy of a provider of a kind that is on this machine."""
    table = {
        "provider": kind,
        "clientID": loopback.client_id,
        "clientSecret": CLIENT_SECRET,
        "callbackURL": CALLBACK,
        "authorizationURL": f"{loopback.url}/authorize",
        "tokenURL": f"{loopback.url}/token",
        "userinfoURL": f"{loopback.url}/profile{query}",
        **settings,
    }
    given = {key: value for key, value in table.items() if value is not None}
    (provider,) = providers({"allowInsecureHttp": True, "strategies": {"loopback": given}})
    loopback.authentication = provider.client_authentication
    return OAuthStrategy.of(provider)


async def signed_in(loopback: Loopback, kind: str, /, query: str = "", **settings: Any) -> Proved:
    """Return what a login proves there."""
    strategy = strategy_of(loopback, kind, query, **settings)
    begun = await flow.begin(strategy, {})
    assert begun.state is not None
    return await flow.complete(strategy, loopback.consent(begun.location), begun.state)


def asked_of(loopback: Loopback, path: str) -> dict[str, str]:
    (given,) = (given for _, where, given in loopback.asked if where == path)
    return given


async def test_facebook_is_asked_for_fields_and_shown_that_the_server_has_the_secret(
    loopback: Loopback,
) -> None:
    loopback.profile = profile_of("facebook")
    proved = await signed_in(loopback, "facebook", "?fields=id,name,email")
    assert proved.subject == loopback.profile["id"]
    assert (proved.email, proved.email_verified) == ("ada@example.org", False)
    asked = asked_of(loopback, "/profile")
    (token,) = loopback.tokens
    proof = hmac.digest(CLIENT_SECRET.encode(), token.encode(), "sha256").hex()
    assert asked == {"fields": "id,name,email", "appsecret_proof": proof}
    assert asked_of(loopback, "/authorize")["scope"] == "public_profile,email"


async def test_x_tells_of_an_account_within_data(loopback: Loopback) -> None:
    loopback.profile = profile_of("twitter")
    proved = await signed_in(loopback, "twitter", "?user.fields=id,confirmed_email")
    assert proved.subject == loopback.profile["data"]["id"]
    assert (proved.email, proved.email_verified) == ("ada@example.org", True)
    assert asked_of(loopback, "/profile") == {"user.fields": "id,confirmed_email"}


async def test_github_tells_which_address_is_verified_in_a_list(loopback: Loopback) -> None:
    loopback.profile = profile_of("github")
    loopback.emails = [
        {"email": "shown@example.org", "primary": False, "verified": False, "visibility": None},
        {"email": "ada@example.org", "primary": True, "verified": True, "visibility": "private"},
    ]
    proved = await signed_in(loopback, "github", emailsURL=f"{loopback.url}/emails")
    assert proved.subject == "583231"
    assert (proved.email, proved.email_verified) == ("ada@example.org", True)


async def test_discord_says_whether_the_address_is_verified(loopback: Loopback) -> None:
    loopback.profile = {**profile_of("discord"), "verified": False}
    proved = await signed_in(loopback, "discord")
    assert proved.subject == loopback.profile["id"]
    assert (proved.email, proved.email_verified) == ("ada@example.org", False)


OPENID: dict[str, Any] = {"authorizationURL": None, "tokenURL": None, "userinfoURL": None}


@pytest.mark.parametrize("kind", ["salesforce", "google", "gitlab", "slack"])
async def test_an_openid_provider_is_found_by_its_issuer_alone(
    loopback: Loopback, kind: str
) -> None:
    loopback.user = profile_of(kind)
    proved = await signed_in(loopback, kind, **OPENID, issuer=loopback.url)
    assert (proved.issuer, proved.subject) == (loopback.url, loopback.user["sub"])
    assert (proved.email, proved.email_verified) == ("ada@example.org", True)


async def test_an_account_of_salesforce_may_be_named_by_what_only_its_profile_tells(
    loopback: Loopback,
) -> None:
    loopback.user = profile_of("salesforce")
    named = {"issuer": loopback.url, "identifierAttribute": "user_id"}
    proved = await signed_in(loopback, "salesforce", **OPENID, **named)
    assert proved.subject == loopback.user["user_id"]


async def test_any_provider_of_oauth2_is_described_by_settings_alone(loopback: Loopback) -> None:
    loopback.profile = {"user": {"number": 7, "mail": "ada@example.org", "checked": "true"}}
    proved = await signed_in(
        loopback,
        "oauth2",
        identifierAttribute="user.number",
        emailAttribute="user.mail",
        emailVerifiedAttribute="user.checked",
        clientAuthentication="client_secret_post",
    )
    assert (proved.issuer, proved.subject) == (loopback.url, "7")
    assert (proved.email, proved.email_verified) == ("ada@example.org", True)


async def test_x_of_old_is_signed_in_at_with_oauth1(loopback: Loopback) -> None:
    loopback.profile = profile_of("twitter-oauth1")
    strategy = strategy_of(
        loopback,
        "twitter-oauth1",
        requestTokenURL=f"{loopback.url}/oauth1/request",
        authorizationURL=f"{loopback.url}/oauth1/authorize",
        tokenURL=f"{loopback.url}/oauth1/access",
        userinfoURL=f"{loopback.url}/oauth1/profile?include_email=true",
    )
    begun = await flow.begin(strategy, {})
    answer = httpx2.get(begun.location, trust_env=False)
    back = dict(parse_qsl(urlsplit(answer.headers["location"]).query))
    assert back.pop("state") == begun.handle
    assert begun.state is not None
    proved = await flow.complete(strategy, back, begun.state)
    assert (proved.issuer, proved.subject) == (loopback.url, "2244994945")
    assert (proved.email, proved.email_verified) == ("ada@example.org", False)
    assert asked_of(loopback, "/oauth1/profile") == {"include_email": "true"}


TENANT = "9122040d-6c67-4c5b-b112-36a304b66dad"


async def test_an_account_of_microsoft_is_of_its_tenant(loopback: Loopback) -> None:
    """OAU-11"""
    loopback.user, loopback.iss_parameter = profile_of("microsoft"), False
    loopback.signed = ("sub", "oid", "name", "email", "email_verified")
    many, mine = f"{loopback.url}/{{tenantid}}/v2.0", f"{loopback.url}/{TENANT}/v2.0"
    loopback.metadata = {"issuer": many}
    loopback.claim = lambda claims: {**claims, "iss": mine, "tid": TENANT}
    document = f"{loopback.url}/.well-known/openid-configuration"
    asked: dict[str, Any] = {**OPENID, "issuer": many, "discoveryURL": document}
    proved = await signed_in(loopback, "microsoft", **asked, identifierAttribute="oid")
    assert (proved.issuer, proved.subject) == (mine, loopback.user["oid"])
    assert (proved.email, proved.email_verified) == ("ada@example.org", False)
    with pytest.raises(LoginRefused):
        await signed_in(loopback, "microsoft", **asked, tenants=[TENANT.replace("9", "8")])
