"""A login at a provider: the way there, and what is proved when its user is back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ostiary import Redirect
from ostiary_oauth.protocol import answers
from ostiary_oauth.provider import OURS, Proved
from ostiary_oauth.strategy import OAuthStrategy

LIFETIME = 600_000
"""Milliseconds in which a user is back, who may have to find a second factor there (OAU-03)."""

VERIFIER, NONCE = "verifier", "nonce"


async def begin(strategy: OAuthStrategy, kept: Mapping[str, Any]) -> Redirect:
    """Return the way to the provider (RFC 6749, 4.1.1; RFC 7636; OpenID Connect Core, 3.1.2.1).

    :param kept: what ``complete`` is given back besides what the flow itself needs; JSON.
    :returns: without ``state``, which the core adds.
    :raises errors.ProviderUnavailable: nothing tells where to go.
    """
    async with strategy.web.talk():
        if strategy.provider.protocol == "oauth1":
            from ostiary_oauth.protocol import oauth1

            return await oauth1.begin(strategy, kept, lifetime=LIFETIME)
        metadata = await strategy.web.metadata()
    secrets = _secrets(strategy)
    location = _location(strategy, metadata.authorization_endpoint, secrets)
    return Redirect(location, state={**kept, **secrets}, lifetime=LIFETIME)


async def complete(
    strategy: OAuthStrategy, credentials: Mapping[str, Any], state: Mapping[str, Any]
) -> Proved:
    """Return who a user is, for the provider that they come back from.

    :param credentials: what the provider made their browser bring; of whatever types.
    :param state: what ``begin`` had the server keep.
    :raises errors.LoginRefused: nothing is proved, or the user has said no.
    :raises errors.ProviderRefused: the provider will not have them, or us.
    :raises errors.ClientRefused: the provider does not take this server for its client.
    :raises errors.ProviderUnavailable: it is down, slow or talks nonsense.
    """
    async with strategy.web.talk():
        if strategy.provider.protocol == "oauth1":
            from ostiary_oauth.protocol import oauth1

            return await oauth1.complete(strategy, credentials, state)
        metadata = await strategy.web.metadata()
        code = answers.code_of(strategy, credentials, announced=metadata.iss_parameter)

        from ostiary_oauth.protocol import persons, redeeming

        tokens = await redeeming.redeem(strategy, metadata.token_endpoint, code, state[VERIFIER])
        if strategy.provider.protocol == "oidc":
            return await persons.of_openid(strategy, metadata, tokens, state[NONCE])
        return await persons.of_oauth2(strategy, metadata, tokens)


def _secrets(strategy: OAuthStrategy) -> dict[str, str]:
    """Return what ties the answer to this request: for each flow its own (OAU-05, OAU-06)."""
    from authlib.common.security import generate_token

    secrets = {VERIFIER: generate_token(48)}
    if strategy.provider.protocol == "oidc":
        secrets[NONCE] = generate_token(32)
    return secrets


def _location(strategy: OAuthStrategy, endpoint: str, secrets: Mapping[str, str]) -> str:
    """Return the authorization request; PKCE whoever the client is (RFC 9700, 2.1.1)."""
    from authlib.oauth2.client import OAuth2Client

    provider = strategy.provider
    client = OAuth2Client(
        None,
        client_id=provider.client_id,
        redirect_uri=provider.redirect_uri,
        code_challenge_method="S256",
    )
    params = {key: value for key, value in provider.authorization_params.items() if key not in OURS}
    location, _ = client.create_authorization_url(
        endpoint,
        # An empty one is left out; the core adds its own.
        state="",
        code_verifier=secrets[VERIFIER],
        scope=provider.scope_separator.join(provider.scope) or None,
        nonce=secrets.get(NONCE),
        **params,
    )
    return str(location)
