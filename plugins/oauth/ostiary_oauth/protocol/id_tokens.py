"""What an OpenID provider has signed, and whether it is for us (OpenID Connect Core, 3.1.3.7).

Imports authlib and joserfc: import it where it is used.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any

from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import (
    InvalidClaimError,
    InvalidKeyIdError,
    JoseError,
    UnsupportedAlgorithmError,
    UnsupportedHeaderError,
)
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from ostiary.errors import LoginRefused
from ostiary_oauth.protocol import tenants
from ostiary_oauth.provider import ASYMMETRIC
from ostiary_oauth.strategy import OAuthStrategy

LEEWAY = 60
"""Seconds that the clock of a provider may be wrong."""

BROKEN = (JoseError, ValueError, TypeError, LookupError, ArithmeticError, RecursionError)
"""What libraries raise for a token that is none."""


class Pinned(JWSRegistry):
    """The algorithms and headers that a token may have (OAU-07; RFC 8725, 3.1).

    A key that a header brings or points to is not looked at; what has to be understood is not.
    """

    max_header_length = 16_384

    def __init__(self, strategy: OAuthStrategy) -> None:
        pinned = sorted(set(ASYMMETRIC).intersection(strategy.provider.algorithms))
        # Headers that nobody has registered are to be ignored (RFC 7515, 4).
        super().__init__(algorithms=pinned, strict_check_header=False)

    def get_alg(self, name: str) -> Any:
        """Return a pinned algorithm; one of them is out of date by name alone (RFC 9864)."""
        if self.allowed is None or name not in self.allowed:
            raise UnsupportedAlgorithmError("not pinned")
        return self.algorithms[name]

    def check_header(self, header: dict[str, Any]) -> None:
        """Refuse what would have to be understood (RFC 7515, 4.1.11)."""
        if not header.keys().isdisjoint({"crit", "b64"}):
            raise UnsupportedHeaderError("critical")
        super().check_header(header)


async def opened(strategy: OAuthStrategy, text: str) -> jwt.Token:
    """Return header and claims of a token that the provider has signed.

    Its claims are not looked at. A logout token is opened by it, too.

    :raises errors.LoginRefused: the provider has not, or not as the settings say.
    :raises errors.ProviderUnavailable: nothing tells its keys.
    """
    try:
        return await _opened(strategy, text)
    except BROKEN as error:
        reason = f"the token is not the provider's: {type(error).__name__}"
        raise LoginRefused(strategy.refusal, reason=reason) from None


async def checked(
    strategy: OAuthStrategy, text: str, *, nonce: str, access_token: str | None
) -> Mapping[str, Any]:
    """Return the claims of an id token that is for us, and for this flow.

    :param nonce: of this flow (OAU-06).
    :param access_token: what came with it, which it may name by ``at_hash``.
    :raises errors.LoginRefused: it is not; the reason names the claim (OAU-08).
    :raises errors.ProviderUnavailable: nothing tells the provider's keys.
    """
    token = await opened(strategy, text)
    try:
        _check(strategy, token, nonce=nonce, access_token=access_token)
    except tenants.WrongTenant:
        raise LoginRefused(strategy.refusal, reason="the account's tenant may not in") from None
    except BROKEN as error:
        reason = f"the id token is not for this login: {_wrong(error)}"
        raise LoginRefused(strategy.refusal, reason=reason) from None
    return token.claims


def expected(strategy: OAuthStrategy, claims: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a token has to say of who made it, and for whom (OAU-08).

    :raises tenants.WrongTenant: the account is of no tenant that may sign in.
    """
    return {
        "iss": {"essential": True, "value": tenants.issuer_of(strategy.provider, claims)},
        "aud": {"essential": True, "value": strategy.provider.client_id},
    }


async def _opened(strategy: OAuthStrategy, text: str) -> jwt.Token:
    registry = Pinned(strategy)
    try:
        return jwt.decode(text, _Keys(await strategy.web.key_set()), registry=registry)
    except InvalidKeyIdError:
        # The provider may have a new key since; how often it is asked is limited (OAU-18).
        keys = _Keys(await strategy.web.key_set(refresh=True))
        return jwt.decode(text, keys, registry=registry)


class _Keys:
    """Chooses the key of a token; without a ``kid`` only one may fit (OIDC Core, 10.1)."""

    def __init__(self, keys: KeySet) -> None:
        self._keys = keys

    def __call__(self, token: Any) -> KeySet:
        header = token.headers()
        if header.get("kid"):
            return self._keys
        kind = JWSRegistry.algorithms[header["alg"]].key_type
        return KeySet(
            [key for key in self._keys if key.key_type == kind and key.get("use") != "enc"]
        )


def _check(
    strategy: OAuthStrategy, token: jwt.Token, *, nonce: str, access_token: str | None
) -> None:
    """Check claims; the library compares all but what it does not know of."""
    claims = CodeIDToken(
        token.claims,
        token.header,
        options=expected(strategy, token.claims),
        params={"client_id": strategy.provider.client_id, "access_token": access_token},
    )
    claims.validate(leeway=LEEWAY)
    if not claims.get("at_hash", "none"):
        # The library takes it for none.
        raise InvalidClaimError("at_hash")
    brought = claims.get("nonce")
    if not isinstance(brought, str) or not hmac.compare_digest(brought.encode(), nonce.encode()):
        raise InvalidClaimError("nonce")


def _wrong(error: BaseException) -> str:
    """Return what is wrong, in words that nobody has sent: a claim, or a kind of error."""
    claim = getattr(error, "claim", None)
    return claim if isinstance(claim, str) else type(error).__name__
