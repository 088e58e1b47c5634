"""OAuth 1.0a (RFC 5849), for providers that have nothing newer.

It knows no ``state``: the callback that a request token is asked for brings it.
Imports authlib: import it where it is used.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from typing import Any

from authlib.common.urls import add_params_to_uri
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth1Client

from ostiary import Redirect
from ostiary.errors import LoginRefused, OstiaryError
from ostiary_oauth import errors
from ostiary_oauth.protocol import persons
from ostiary_oauth.protocol.answers import text_of
from ostiary_oauth.protocol.redeeming import NONSENSE, nonsense
from ostiary_oauth.provider import OURS, Proved
from ostiary_oauth.strategy import OAuthStrategy

TOKEN, SECRET = "token", "secret"

LONGEST = 4096
"""Characters of a token."""

OK = 200

DENIED = "fetch_token_denied"
"""What the library calls an answer that is a refusal."""


async def begin(strategy: OAuthStrategy, kept: Mapping[str, Any], *, lifetime: int) -> Redirect:
    """Return the way to the provider, once it has given a request token (RFC 5849, 2.1 and 2.2).

    :param kept: see ``flow.begin``.
    :raises errors.ClientRefused: it gives this server none.
    :raises errors.ProviderUnavailable: it is down, or talks nonsense.
    """
    provider, handle = strategy.provider, secrets.token_urlsafe(32)
    metadata = await strategy.web.metadata()
    callback = add_params_to_uri(provider.redirect_uri, {"state": handle})
    refused = errors.ClientRefused(strategy.name)
    async with _client(strategy, redirect_uri=callback) as client:
        given = await _asked(
            strategy, client.fetch_request_token(provider.request_token_endpoint), refused
        )
        if str(given.get("oauth_callback_confirmed")).lower() != "true":
            # Whoever has begun it could end it with another's account (OAuth 1.0, session fixation).
            raise nonsense(strategy, "it does not confirm the callback of OAuth 1.0a")
        client.redirect_uri = None
        location = client.create_authorization_url(
            metadata.authorization_endpoint,
            request_token=given["oauth_token"],
            **{
                name: text
                for name, text in provider.authorization_params.items()
                if name not in OURS
            },
        )
    state = {**kept, TOKEN: given["oauth_token"], SECRET: given["oauth_token_secret"]}
    return Redirect(str(location), state=state, lifetime=lifetime, handle=handle)


async def complete(
    strategy: OAuthStrategy, credentials: Mapping[str, Any], state: Mapping[str, Any]
) -> Proved:
    """Return who a user is, for the provider that they come back from (RFC 5849, 2.3).

    :raises errors.LoginRefused: it is another flow's answer, or the user has said no.
    :raises errors.ProviderUnavailable: the provider is down, or talks nonsense.
    """
    verifier = _verifier(strategy, credentials, state)
    metadata = await strategy.web.metadata()
    refused = LoginRefused(strategy.refusal, reason="the provider does not take the verifier")
    async with _client(strategy, token=state[TOKEN], token_secret=state[SECRET]) as client:
        given = await _asked(
            strategy, client.fetch_access_token(metadata.token_endpoint, verifier), refused
        )
        profile = await _profile(strategy, client, metadata.userinfo_endpoint)
    return persons.proved(strategy, profile, given, issuer=strategy.provider.issuer)


def _verifier(
    strategy: OAuthStrategy, credentials: Mapping[str, Any], state: Mapping[str, Any]
) -> str:
    """Return what proves that the user has said yes, to this flow (OAU-05)."""
    if credentials.get("denied") is not None:
        raise LoginRefused(strategy.refusal, reason="the user or the provider has said no")
    token = text_of(strategy, credentials, "oauth_token")
    if not hmac.compare_digest(token.encode(), state[TOKEN].encode()):
        raise LoginRefused(strategy.refusal, reason="the answer is another flow's")
    return text_of(strategy, credentials, "oauth_verifier")


def _client(strategy: OAuthStrategy, **options: Any) -> AsyncOAuth1Client:
    """Return what signs requests as the client of the settings (RFC 5849, 3)."""
    provider = strategy.provider
    return AsyncOAuth1Client(
        provider.client_id, provider.client_secret, **options, **strategy.web.connection()
    )


async def _asked(strategy: OAuthStrategy, answer: Any, refused: OstiaryError) -> Mapping[str, str]:
    """Return the token of an answer.

    :param refused: the error for an answer that is none.
    """
    try:
        given = dict(await answer)
    except OAuthError as error:
        # Its text is what the provider sent.
        if error.error == DENIED:
            raise refused from None
        raise nonsense(strategy, "it gives no token") from None
    except NONSENSE:
        raise nonsense(strategy, "a token endpoint fails") from None
    for name in ("oauth_token", "oauth_token_secret"):
        text = given.get(name)
        if not isinstance(text, str) or not 0 < len(text) <= LONGEST:
            raise nonsense(strategy, "it gives no token")
    return given


async def _profile(
    strategy: OAuthStrategy, client: AsyncOAuth1Client, endpoint: str | None
) -> dict[str, Any]:
    """Return the profile that an access token opens."""
    from ostiary_oauth.web.transport import parsed

    try:
        answer = await client.get(endpoint, headers={"accept": "application/json"})
        profile = parsed(answer.content) if answer.status_code == OK else None
    except NONSENSE:
        raise nonsense(strategy, "it tells no profile") from None
    if not isinstance(profile, dict):
        raise nonsense(strategy, "it tells no profile")
    return profile
