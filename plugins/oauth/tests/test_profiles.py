"""Who a profile is of: what the userinfo endpoint and the profiles of OAuth 2.0 providers say."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response

from ostiary import errors as core
from ostiary_oauth import errors

from .provider import CLIENT_SECRET, Loopback
from .visiting import Visitor

pytestmark = pytest.mark.anyio

Coming = Callable[..., Visitor]


def asked(loopback: Loopback, path: str) -> int:
    return [one for _, one, _ in loopback.asked].count(path)


async def test_what_an_id_token_says_is_not_asked_for_again(
    visitor: Coming, loopback: Loopback
) -> None:
    await visitor().sign_in()
    assert asked(loopback, "/userinfo") == 0


async def test_what_an_id_token_lacks_is_asked_for(visitor: Coming, loopback: Loopback) -> None:
    loopback.signed = ("sub",)
    proved = await visitor().sign_in()
    assert proved.claims == loopback.user
    assert (proved.email, proved.email_verified) == ("jane@example.org", True)
    assert asked(loopback, "/userinfo") == 1


async def test_what_nobody_wants_is_not_asked_for(visitor: Coming, loopback: Loopback) -> None:
    loopback.signed = ("sub",)
    proved = await visitor(scope=("openid",), persist=()).sign_in()
    assert proved.email is None
    assert asked(loopback, "/userinfo") == 0


@pytest.mark.parametrize("subject", ["another", None, 248289761001, "", "248289761001 "])
async def test_a_userinfo_of_another_user_is_refused(
    visitor: Coming, loopback: Loopback, subject: Any
) -> None:
    """OAU-14."""
    loopback.claim = lambda claims: {
        name: claims[name] for name in claims if not name.startswith("email")
    }
    loopback.user = {**loopback.user, "sub": subject}
    loopback.signed = ()
    loopback.claim = lambda claims: {**claims, "sub": "248289761001"}
    assert await visitor().refused() == "the userinfo is another user's"


async def test_a_userinfo_without_a_subject_is_refused(visitor: Coming, loopback: Loopback) -> None:
    """OAU-14."""
    loopback.signed = ()
    loopback.user = {"email": "jane@example.org"}
    loopback.claim = lambda claims: {**claims, "sub": "248289761001"}
    assert await visitor().refused() == "the userinfo is another user's"


async def test_what_is_signed_counts_where_the_userinfo_says_otherwise(
    visitor: Coming, loopback: Loopback
) -> None:
    """OAU-14."""
    loopback.signed = ("sub", "email")
    loopback.user["roles"] = ["reader"]
    loopback.claim = lambda claims: {**claims, "email": "signed@example.org"}
    loopback.user |= {"iss": "https://other.example", "nonce": "x", "sid": "another", "exp": 1}
    proved = await visitor().sign_in()
    assert proved.claims["email"] == "signed@example.org"
    assert proved.claims["roles"] == ["reader"]
    assert proved.session == "session-1"
    assert not {"iss", "nonce", "sid", "exp"} & proved.claims.keys()


async def test_an_address_is_verified_only_by_who_tells_it(
    visitor: Coming, loopback: Loopback
) -> None:
    """OAU-11: that another address is verified says nothing of this one."""
    loopback.signed = ("sub",)
    loopback.claim = lambda claims: {**claims, "email": "victim@example.org"}
    proved = await visitor().sign_in()
    assert (proved.email, proved.email_verified) == ("victim@example.org", False)
    assert "email_verified" not in proved.claims


async def test_nor_does_who_tells_no_address_verify_another_s(
    visitor: Coming, loopback: Loopback
) -> None:
    """OAU-11"""
    loopback.signed = ("sub",)
    loopback.claim = lambda claims: {**claims, "email_verified": True}
    loopback.user |= {"email": "victim@example.org", "email_verified": False}
    proved = await visitor().sign_in()
    assert (proved.email, proved.email_verified) == ("victim@example.org", False)


async def test_what_verifies_an_address_may_stand_within_the_profile(
    visitor: Coming, loopback: Loopback
) -> None:
    """OAU-11: of the address of the id token only what stands in that says so."""
    loopback.signed = ("sub",)
    loopback.user["account"] = {"verified": True}
    within = {"email_verified": "account.verified"}
    assert (await visitor(**within).sign_in()).email_verified
    loopback.claim = lambda claims: {**claims, "email": "victim@example.org"}
    proved = await visitor(**within).sign_in()
    assert (proved.email, proved.email_verified) == ("victim@example.org", False)


@pytest.mark.parametrize(
    "said, verified",
    [
        (True, True),
        ("true", True),
        ("True", False),
        (1, False),
        ("yes", False),
        ([True], False),
        (None, False),
        (False, False),
        ("false", False),
        ({}, False),
    ],
)
async def test_only_a_plain_yes_makes_an_address_a_verified_one(
    visitor: Coming, loopback: Loopback, said: Any, *, verified: bool
) -> None:
    """OAU-11."""
    loopback.user["email_verified"] = said
    assert (await visitor().sign_in()).email_verified is verified


async def test_a_provider_that_never_says_so_verifies_no_address(visitor: Coming) -> None:
    """OAU-11: whoever runs a tenant of Microsoft writes its addresses."""
    proved = await visitor(email_verified=None).sign_in()
    assert (proved.email, proved.email_verified) == ("jane@example.org", False)


@pytest.mark.parametrize("email", ["", "jane", 7, ["x@y"], "a@b\n", "x" * 255 + "@y", None])
async def test_what_is_no_address_is_none(visitor: Coming, loopback: Loopback, email: Any) -> None:
    loopback.user["email"] = email
    proved = await visitor().sign_in()
    assert (proved.email, proved.email_verified) == (None, False)


@pytest.mark.parametrize(
    "body, media_type",
    [
        (b"eyJhbGciOiJSUzI1NiJ9.e30.c2ln", "application/jwt"),
        (b'"a text"', "application/json"),
        (b"[]", "application/json"),
        (b"<html>", "text/html"),
        (b"", "application/json"),
        (b"[" * 50_000, "application/json"),
    ],
)
@pytest.mark.parametrize("protocol", ["oidc", "oauth2"])
async def test_a_profile_that_is_no_json_object_is_the_providers_failure(
    visitor: Coming, loopback: Loopback, body: bytes, media_type: str, protocol: str
) -> None:
    loopback.signed = ("sub",)
    for path in ("/userinfo", "/profile"):
        loopback.answers[path] = lambda _: Response(body, media_type=media_type)
    with pytest.raises(errors.ProviderUnavailable):
        await visitor(protocol=protocol).sign_in()


@pytest.mark.parametrize("sid", [7, "", "x" * 256, "a\n", None, ["x"]])
async def test_a_session_that_cannot_be_named_is_none(
    visitor: Coming, loopback: Loopback, sid: Any
) -> None:
    loopback.claim = lambda claims: {**claims, "sid": sid}
    assert (await visitor().sign_in()).session is None


@pytest.mark.parametrize(
    "id, subject",
    [(583231, "583231"), ("jane", "jane"), (0, "0"), (2**63, str(2**63)), (-1, "-1")],
)
async def test_an_account_of_an_oauth2_provider_may_be_a_number(
    visitor: Coming, loopback: Loopback, id: Any, subject: str
) -> None:
    """OAU-13."""
    loopback.profile = {"id": id}
    assert (await visitor(protocol="oauth2").sign_in()).subject == subject


@pytest.mark.parametrize(
    "id", [1.0, 1e30, True, False, None, "", [], [1], {"a": 1}, "a\0", "x" * 256, 10**300]
)
async def test_an_account_that_could_be_another_is_refused(
    visitor: Coming, loopback: Loopback, id: Any
) -> None:
    """OAU-13: a float may be rounded, and nothing is nobody."""
    loopback.profile = {"id": id}
    reason = await visitor(protocol="oauth2").refused()
    assert reason == "nothing at id names an account"


async def test_an_account_may_be_named_within_the_profile(
    visitor: Coming, loopback: Loopback
) -> None:
    """As X does."""
    loopback.profile = {"data": {"id": "2244994945", "username": "jane"}}
    assert (
        await visitor(protocol="oauth2", identifier="data.id").sign_in()
    ).subject == "2244994945"
    reason = await visitor(protocol="oauth2", identifier="data").refused()
    assert reason == "nothing at data names an account"


def github(loopback: Loopback, **changes: Any) -> dict[str, Any]:
    emails = f"{loopback.url}/emails"
    return {"protocol": "oauth2", "emails_endpoint": emails, "email_verified": None, **changes}


async def test_the_verified_address_is_the_primary_one_of_the_list(
    visitor: Coming, loopback: Loopback
) -> None:
    """As GitHub has it: the address of the profile is what its user shows."""
    loopback.profile["email"] = "shown@example.org"
    proved = await visitor(**github(loopback)).sign_in()
    assert (proved.email, proved.email_verified) == ("jane@example.org", True)
    assert proved.claims["email"] == "jane@example.org"


@pytest.mark.parametrize(
    "emails",
    [
        [],
        {},
        None,
        ["jane@example.org"],
        [{"email": "jane@example.org", "primary": True, "verified": False}],
        [{"email": "jane@example.org", "primary": False, "verified": True}],
        [{"email": "jane@example.org", "primary": "true", "verified": "true"}],
        [{"email": "jane@example.org", "primary": 1, "verified": 1}],
        [{"email": 7, "primary": True, "verified": True}],
    ],
)
async def test_without_a_verified_primary_address_there_is_none(
    visitor: Coming, loopback: Loopback, emails: Any
) -> None:
    """OAU-11."""
    loopback.emails = emails
    loopback.profile["email"] = "victim@example.org"
    proved = await visitor(**github(loopback)).sign_in()
    assert (proved.email, proved.email_verified) == (None, False)


async def test_addresses_are_listed_only_for_who_was_asked_for_them(
    visitor: Coming, loopback: Loopback
) -> None:
    await visitor(**github(loopback, scope=("read:user",), persist=("login",))).sign_in()
    assert asked(loopback, "/emails") == 0


async def test_a_provider_may_want_a_proof_with_the_token(
    visitor: Coming, loopback: Loopback
) -> None:
    """As Facebook does: a stolen token is worth nothing without the client's secret."""
    proofs = []

    def profile(request: Request) -> Response:
        token = request.headers["authorization"].removeprefix("Bearer ")
        right = hmac.digest(CLIENT_SECRET.encode(), token.encode(), "sha256").hex()
        proofs.append((request.query_params["appsecret_proof"], right))
        return Response('{"id": "1"}', media_type="application/json")

    loopback.answers["/profile"] = profile
    await visitor(
        protocol="oauth2",
        appsecret_proof=True,
        userinfo_endpoint=f"{loopback.url}/profile?fields=id",
    ).sign_in()
    [(given, right)] = proofs
    assert given == right
    assert loopback.asked[-1][2]["fields"] == "id"


async def test_a_token_that_cannot_be_sent_is_the_providers_failure(
    visitor: Coming, loopback: Loopback
) -> None:
    for token in ("a\r\nx-evil: 1", "", " ", "é"):
        loopback.answers["/token"] = lambda _, token=token: Response(  # type: ignore[misc]
            json.dumps({"access_token": token, "token_type": "Bearer"}),
            media_type="application/json",
        )
        with pytest.raises(errors.ProviderUnavailable):
            await visitor(protocol="oauth2").sign_in()
    assert asked(loopback, "/profile") == 0


async def test_a_refused_profile_is_no_login(visitor: Coming, loopback: Loopback) -> None:
    loopback.answers["/profile"] = lambda _: Response("{}", 401, media_type="application/json")
    with pytest.raises(core.OstiaryError) as refusal:
        await visitor(protocol="oauth2").sign_in()
    assert refusal.type is errors.ProviderUnavailable
