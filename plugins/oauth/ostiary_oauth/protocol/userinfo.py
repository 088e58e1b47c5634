"""What a provider tells of a user who has let us ask it."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ostiary.errors import LoginRefused
from ostiary_oauth import errors
from ostiary_oauth.attributes import MISSING, value_at
from ostiary_oauth.provider import Provider
from ostiary_oauth.strategy import OAuthStrategy

if TYPE_CHECKING:
    from ostiary_oauth.web.discovery import Metadata

PROTOCOL = frozenset(
    {
        *("iss", "aud", "azp", "exp", "nbf", "iat", "jti", "sid"),
        *("nonce", "at_hash", "c_hash", "s_hash"),
    }
)
"""Claims that say something of a token, and nothing of a user."""


async def merged(
    strategy: OAuthStrategy, metadata: Metadata, claims: Mapping[str, Any], access_token: str | None
) -> dict[str, Any]:
    """Return the claims of an id token, with what only the userinfo endpoint tells.

    It is asked only for what the settings want and the id token lacks. What is signed counts.

    :param access_token: None if there came none: nothing is asked.
    :raises errors.LoginRefused: it tells of another user (OAU-14; OpenID Connect Core, 5.3.2).
    :raises errors.ProviderUnavailable: it tells nothing; what is no JSON is nothing.
    """
    known = {name: value for name, value in claims.items() if name not in PROTOCOL}
    endpoint = metadata.userinfo_endpoint
    if endpoint is None or access_token is None or _has_all(strategy.provider, known):
        return known
    told = await _asked(strategy, endpoint, access_token)
    if told.get("sub") != claims["sub"]:
        raise LoginRefused(strategy.refusal, reason="the userinfo is another user's")
    return _joined(strategy.provider, known, told)


async def profile(strategy: OAuthStrategy, endpoint: str, access_token: str) -> dict[str, Any]:
    """Return the profile that an OAuth 2.0 provider gives, with the verified address.

    :raises errors.ProviderUnavailable: there is none.
    """
    told = await _asked(strategy, endpoint, access_token)
    provider = strategy.provider
    if provider.emails_endpoint is None or not wants_email(provider):
        return told
    emails = await strategy.web.get_json(provider.emails_endpoint, bearer=access_token)
    return _with_email(provider, told, emails)


def wants_email(provider: Provider) -> bool:
    """Tell whether the provider was asked for an address: any of its scopes names one."""
    return any("email" in scope or scope == "user" for scope in provider.scope)


async def _asked(strategy: OAuthStrategy, endpoint: str, access_token: str) -> dict[str, Any]:
    """Return the object that the userinfo endpoint answers."""
    provider = strategy.provider
    if provider.appsecret_proof and provider.client_secret is not None:
        from authlib.common.urls import add_params_to_uri

        key = provider.client_secret.encode()
        proof = hmac.digest(key, access_token.encode(errors="replace"), "sha256").hex()
        # Beside what the address asks for; the client would put it in its place.
        endpoint = add_params_to_uri(endpoint, {"appsecret_proof": proof}.items())
    told = await strategy.web.get_json(endpoint, bearer=access_token)
    if not isinstance(told, dict):
        raise errors.ProviderUnavailable(strategy.name)
    return told


def _has_all(provider: Provider, claims: Mapping[str, Any]) -> bool:
    """Tell whether nothing is missing that the settings want."""
    wanted = {provider.identifier, *provider.persist}
    wanted.update(rule.claim for rule in provider.profile_rules)
    if wants_email(provider):
        wanted.update({provider.email, provider.email_verified or provider.email})
    return all(value_at(claims, path) is not MISSING for path in wanted)


def _joined(
    provider: Provider, claims: Mapping[str, Any], told: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what two sources say of one user.

    That an address is verified is said of the address of the same source only.
    """
    kept = {name: value for name, value in told.items() if name not in PROTOCOL}
    joined, path = {**kept, **claims}, provider.email_verified
    if path is None or path == provider.email:
        return joined
    said = _verified(provider, claims, kept, path)
    joined.pop(path, None)
    if value_at(joined, path) is not said:
        # By its whole path it goes before what stands at the end of that.
        joined[path] = None if said is MISSING else said
    return joined


def _verified(
    provider: Provider, claims: Mapping[str, Any], told: Mapping[str, Any], path: str
) -> Any:
    """Return what is said at a path by whoever tells the address; ``MISSING`` for nothing."""
    address, other = value_at(claims, provider.email), value_at(told, provider.email)
    if address is MISSING:
        return value_at(told, path)
    said = value_at(claims, path)
    return value_at(told, path) if said is MISSING and address == other else said


def _with_email(provider: Provider, told: Mapping[str, Any], emails: Any) -> dict[str, Any]:
    """Return a profile with the primary address of a list, if that is verified.

    An address of the profile itself is one that its user shows, verified or not.
    """
    rest = {name: value for name, value in told.items() if name != provider.email}
    for entry in emails if isinstance(emails, list) else ():
        if isinstance(entry, dict) and entry.get("primary") is True is entry.get("verified"):
            return {**rest, provider.email: entry.get("email"), VERIFIED: True}
    return {**rest, VERIFIED: False}


VERIFIED = "email_verified"
"""What is added to a profile whose addresses stand in a list of their own."""
