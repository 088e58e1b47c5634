"""How this server proves to a provider which client it is (RFC 6749, 2.3; RFC 7523, 2.2).

Imports authlib and joserfc: import it where it is used.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

from authlib.common.security import generate_token
from authlib.oauth2.auth import ClientAuth, encode_client_secret_basic
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc import jwt
from joserfc.jws import JWSRegistry

from ostiary_oauth.protocol.client_keys import algorithm_of, signing_key
from ostiary_oauth.provider import Provider
from ostiary_oauth.strategy import OAuthStrategy

if TYPE_CHECKING:
    from authlib.integrations.httpx_client import AsyncOAuth2Client

LIFETIME = 60
"""Seconds for which a proof holds: it is made for one request."""

APPLE = "https://appleid.apple.com"
"""For whom the secrets are that Apple has its clients make."""


async def client(strategy: OAuthStrategy, token_endpoint: str) -> AsyncOAuth2Client:
    """Return what asks the token endpoint of a provider as its client, over ``strategy.web``.

    :param token_endpoint: for which a signed proof is made.
    """
    provider = strategy.provider
    if provider.private_key is not None:
        # To read an RSA key takes 30 ms and more, the first time.
        await asyncio.to_thread(signing_key, provider.private_key)
    made: AsyncOAuth2Client = strategy.web.client(
        client_id=provider.client_id,
        client_secret=secret(provider),
        token_endpoint_auth_method=provider.client_authentication,
    )
    made.register_client_auth_method(("client_secret_basic", _basic))
    if provider.client_authentication == "private_key_jwt":
        made.register_client_auth_method(_Assertion(provider, token_endpoint))
    return made


def secret(provider: Provider) -> str | None:
    """Return the secret of the client: the given one, or one that is made of a key for Apple."""
    if provider.client_secret_kind != "apple":  # noqa: S105 - no secret
        return provider.client_secret
    claims = {"iss": provider.team_id, "sub": provider.client_id, "aud": APPLE}
    return _signed(provider, claims)


class _Assertion(PrivateKeyJWT):  # type: ignore[misc]
    """Signs a proof for each request, with a name of its own."""

    def __init__(self, provider: Provider, token_endpoint: str) -> None:
        super().__init__(token_endpoint)
        self._provider = provider

    def sign(self, auth: ClientAuth, token_endpoint: str) -> str:
        claims = {"iss": auth.client_id, "sub": auth.client_id, "aud": token_endpoint}
        return _signed(self._provider, {**claims, "jti": generate_token(36)})


class _Any(JWSRegistry):
    """All algorithms; their names are chosen by the key, and none is called out of date."""

    def get_alg(self, name: str) -> Any:
        return self.algorithms[name]


def _signed(provider: Provider, claims: dict[str, Any]) -> str:
    """Return a token of the key of the settings that holds for a minute."""
    assert provider.private_key is not None
    key, now = signing_key(provider.private_key), int(time.time())
    header = {"alg": algorithm_of(key)}
    if provider.private_key_id is not None:
        header["kid"] = provider.private_key_id
    return jwt.encode(header, {**claims, "iat": now, "exp": now + LIFETIME}, key, registry=_Any())


def _basic(auth: ClientAuth, method: str, uri: str, headers: Any, body: Any) -> Any:
    """Add the client's name and secret, each encoded as in a form first (RFC 6749, 2.3.1)."""
    encoded = ClientAuth(quote_plus(auth.client_id), quote_plus(auth.client_secret or ""))
    return encode_client_secret_basic(encoded, method, uri, headers, body)
