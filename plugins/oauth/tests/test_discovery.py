"""The document of a provider: what of it is believed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ostiary_oauth.provider import Provider
from ostiary_oauth.web import discovery
from ostiary_oauth.web.endpoints import UnfitError

ISSUER = "https://id.example.org/realm"
PROVIDER = Provider(
    name="work", kind="oidc", protocol="oidc", issuer=ISSUER, client_id="c", redirect_uri="r"
)
DOCUMENT: dict[str, Any] = {
    "issuer": ISSUER,
    "authorization_endpoint": "https://id.example.org/authorize?realm=1",
    "token_endpoint": "https://tokens.example.org/token",
    "userinfo_endpoint": "https://id.example.org/userinfo",
    "jwks_uri": "https://id.example.org/jwks",
    "end_session_endpoint": "https://id.example.org/logout",
    "authorization_response_iss_parameter_supported": True,
}


def test_a_document_says_the_endpoints() -> None:
    said = discovery.said(PROVIDER, DOCUMENT)
    assert said.token_endpoint == DOCUMENT["token_endpoint"]
    assert said.end_session_endpoint == DOCUMENT["end_session_endpoint"]
    assert said.iss_parameter


@pytest.mark.parametrize(
    "issuer",
    [
        None,
        "",
        f"{ISSUER}/",
        "https://ID.example.org/realm",
        "https://id.example.org/realm2",
        "https://id.example.org",
        "http://id.example.org/realm",
        [ISSUER],
        {"https://id.example.org/realm": 1},
    ],
)
def test_a_document_of_another_issuer_is_none(issuer: Any) -> None:
    """OAU-20: exactly, character by character."""
    with pytest.raises(UnfitError, match="another issuer"):
        discovery.said(PROVIDER, {**DOCUMENT, "issuer": issuer})


def test_a_document_of_another_issuer_is_told_with_both() -> None:
    with pytest.raises(UnfitError, match=f"another issuer: {ISSUER}/, not {ISSUER}$"):
        discovery.said(PROVIDER, {**DOCUMENT, "issuer": f"{ISSUER}/"})


@pytest.mark.parametrize("issuer", ["https://evil.example\nWARNING all is well", "", 7, "a" * 9000])
def test_what_is_no_issuer_is_not_repeated(issuer: Any) -> None:
    """OAU-17"""
    with pytest.raises(UnfitError, match=f"another issuer: no URL, not {ISSUER}$"):
        discovery.said(PROVIDER, {**DOCUMENT, "issuer": issuer})


@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint", "jwks_uri"])
@pytest.mark.parametrize(
    "url", [None, "", 7, ["https://a"], "http://169.254.169.254/", "file:///etc/passwd", "https://"]
)
def test_a_needed_endpoint_that_is_none_makes_the_document_none(name: str, url: Any) -> None:
    """OAU-18, OAU-20."""
    with pytest.raises(UnfitError, match=name):
        discovery.said(PROVIDER, {**DOCUMENT, name: url})


@pytest.mark.parametrize("name", ["userinfo_endpoint", "end_session_endpoint"])
def test_an_endpoint_that_is_not_needed_may_be_absent_and_nothing_else(name: str) -> None:
    rest = {key: value for key, value in DOCUMENT.items() if key != name}
    assert getattr(discovery.said(PROVIDER, rest), name) is None
    with pytest.raises(UnfitError, match=name):
        discovery.said(PROVIDER, {**DOCUMENT, name: "http://10.0.0.1/"})


@pytest.mark.parametrize("parameter", ["state=a", "x=1&redirect_uri=https%3A%2F%2Fe", "nonce="])
def test_what_we_say_to_the_provider_it_does_not_say_for_us(parameter: str) -> None:
    """OAU-02: neither state nor the redirect URI, nonce or challenge come from a document."""
    url = f"https://id.example.org/authorize?{parameter}"
    with pytest.raises(UnfitError, match="a parameter of ours"):
        discovery.said(PROVIDER, {**DOCUMENT, "authorization_endpoint": url})


@pytest.mark.parametrize("document", [None, [], "text", 7, [DOCUMENT]])
def test_what_is_no_object_is_no_document(document: Any) -> None:
    with pytest.raises(UnfitError):
        discovery.said(PROVIDER, document)


@pytest.mark.parametrize("value", [None, False, "true", 1, {}])
def test_only_true_announces_that_answers_name_their_issuer(value: Any) -> None:
    """OAU-09."""
    name = "authorization_response_iss_parameter_supported"
    assert not discovery.said(PROVIDER, {**DOCUMENT, name: value}).iss_parameter


def test_what_the_operator_says_goes_before() -> None:
    """OAU-20: a document does not replace what the settings say."""
    pinned = replace(PROVIDER, token_endpoint="https://id.example.org/pinned")
    assert discovery.is_discovered(pinned)
    assert discovery.said(pinned, DOCUMENT).token_endpoint == "https://id.example.org/pinned"


def test_nothing_is_asked_for_that_the_settings_say() -> None:
    whole = replace(
        PROVIDER,
        **{name: DOCUMENT[name] for name in ("authorization_endpoint", "token_endpoint")},
        jwks_uri=DOCUMENT["jwks_uri"],
    )
    assert not discovery.is_discovered(whole)
    assert not discovery.configured(whole).iss_parameter
    oauth2 = replace(whole, protocol="oauth2", jwks_uri=None)
    assert not discovery.is_discovered(oauth2)
    assert discovery.configured(oauth2).jwks_uri is None


def test_the_document_is_below_the_issuer_or_where_the_operator_says() -> None:
    def url(**members: Any) -> str:
        return discovery.document_url(replace(PROVIDER, **members))

    assert url() == f"{ISSUER}/.well-known/openid-configuration"
    assert url(issuer="https://a.example/") == "https://a.example/.well-known/openid-configuration"
    tenants = "https://login.microsoftonline.com/{tenantid}/v2.0"
    assert url(issuer=tenants).startswith("https://login.microsoftonline.com/common/v2.0/.well-")
    assert url(discovery_url="https://b.example/doc") == "https://b.example/doc"
