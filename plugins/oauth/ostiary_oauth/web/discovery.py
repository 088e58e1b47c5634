"""What a provider says of itself: its endpoints, by discovery or from the settings.

OpenID Connect Discovery 1.0, RFC 8414. A document is what the provider claims: its issuer has to be
the one that the operator named (OAU-20), and nothing in it chooses an algorithm, or leaves out PKCE.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ostiary_oauth.protocol.tenants import PLACEHOLDER
from ostiary_oauth.provider import OURS, Provider
from ostiary_oauth.web import endpoints
from ostiary_oauth.web.endpoints import UnfitError

WELL_KNOWN = "/.well-known/openid-configuration"


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """What is needed of a provider to sign somebody in; endpoints are URLs that were checked.

    :ivar issuer: as in ``Provider.issuer``.
    :ivar authorization_endpoint: where browsers are sent; empty where the protocol has none.
    :ivar jwks_uri: where the keys are that sign id tokens; None if it signs none.
    :ivar iss_parameter: it says that it sends ``iss`` back with each code (RFC 9207).
    """

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    userinfo_endpoint: str | None = None
    jwks_uri: str | None = None
    end_session_endpoint: str | None = None
    iss_parameter: bool = False


def is_discovered(provider: Provider) -> bool:
    """Tell whether the settings leave an endpoint to discovery that a login needs."""
    needed = (provider.authorization_endpoint, provider.token_endpoint, provider.jwks_uri)
    return provider.protocol == "oidc" and None in needed


def document_url(provider: Provider) -> str:
    """Return where the document is (OpenID Connect Discovery 1.0, 4)."""
    if provider.discovery_url is not None:
        return provider.discovery_url
    return provider.issuer.replace(PLACEHOLDER, "common").removesuffix("/") + WELL_KNOWN


async def discover(provider: Provider, ask: Callable[[str], Awaitable[Any]]) -> Metadata:
    """Ask a provider for its document, and return what it says.

    :param ask: returns the JSON at a URL.
    :raises UnfitError: the document is not one of this provider.
    """
    return said(provider, await ask(document_url(provider)))


def configured(provider: Provider) -> Metadata:
    """Return what the settings say, where they say all."""
    return _metadata(provider, {})


def said(provider: Provider, document: Any) -> Metadata:
    """Return what a document says, checked; what the settings say goes before.

    :raises UnfitError: it is of another issuer, or no such document; the text says what is wrong.
    """
    if not isinstance(document, dict):
        raise UnfitError("the document is no object")
    if document.get("issuer") != provider.issuer:
        # For the operator, who sees what to write, or that it is somebody else's.
        theirs = _shown(document.get("issuer"))
        raise UnfitError(f"the document is of another issuer: {theirs}, not {provider.issuer}")
    return _metadata(provider, document)


def _metadata(provider: Provider, document: Mapping[str, Any]) -> Metadata:
    def endpoint(name: str) -> str | None:
        url = getattr(provider, name, None) or document.get(name)
        return None if url is None else _endpoint(provider, name, url)

    def needed(name: str) -> str:
        url = endpoint(name)
        if url is None:
            raise UnfitError(f"there is no {name}")
        return url

    return Metadata(
        issuer=provider.issuer,
        authorization_endpoint=_without_ours(needed("authorization_endpoint")),
        token_endpoint=needed("token_endpoint"),
        userinfo_endpoint=endpoint("userinfo_endpoint"),
        jwks_uri=needed("jwks_uri") if provider.protocol == "oidc" else endpoint("jwks_uri"),
        end_session_endpoint=endpoint("end_session_endpoint"),
        iss_parameter=document.get("authorization_response_iss_parameter_supported") is True,
    )


def _endpoint(provider: Provider, name: str, url: object) -> str:
    try:
        return endpoints.checked(url, insecure_http=provider.insecure_http)
    except UnfitError as error:
        raise UnfitError(f"{name} is {error}") from None


def _shown(issuer: object) -> str:
    """Return an issuer that a provider has sent as a log may have it."""
    try:
        return endpoints.checked(issuer, insecure_http=True)
    except UnfitError as error:
        return str(error)


def _without_ours(url: str) -> str:
    """Return where browsers are sent, if it leaves to us what we say there."""
    if not parse_qs(urlsplit(url).query, keep_blank_values=True).keys().isdisjoint(OURS):
        raise UnfitError("authorization_endpoint has a parameter of ours")
    return url
