"""A code becomes tokens (RFC 6749, 4.1.3). Imports authlib: import it where it is used."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import httpx2
from authlib.integrations.base_client import OAuthError

from ostiary.errors import LoginRefused, OstiaryError
from ostiary_oauth import errors
from ostiary_oauth.protocol import client_auth
from ostiary_oauth.protocol.answers import readable
from ostiary_oauth.strategy import OAuthStrategy

OURS = frozenset(
    {
        "incorrect_client_credentials",
        "invalid_client",
        "redirect_uri_mismatch",
        "unauthorized_client",
        "unsupported_grant_type",
    }
)
"""Errors of the token endpoint that say that the operator's settings are wrong."""

THEIRS = frozenset({"server_error", "slow_down", "temporarily_unavailable"})
"""Errors that say that the provider is not well."""

NONSENSE = (
    httpx2.HTTPError,
    httpx2.InvalidURL,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    RecursionError,
)
"""What libraries raise for an answer that is none, or for no answer at all."""

logger = logging.getLogger(__name__)


async def redeem(
    strategy: OAuthStrategy, endpoint: str, code: str, verifier: str
) -> Mapping[str, Any]:
    """Return what the token endpoint gives for a code, with ``expires_at`` in seconds if it ends.

    :param verifier: of this flow: another flow's code is refused there (OAU-05; RFC 7636, 4.6).
    :raises errors.LoginRefused: the code is none, or not of this flow.
    :raises errors.ClientRefused: the provider does not take this server for its client.
    :raises errors.ProviderUnavailable: it is down, or talks nonsense.
    """
    try:
        async with await client_auth.client(strategy, endpoint) as client:
            tokens = await client.fetch_token(
                endpoint,
                grant_type="authorization_code",
                code=code,
                code_verifier=verifier,
                redirect_uri=strategy.provider.redirect_uri,
            )
    except OAuthError as error:
        raise refusal(strategy, error.error) from None
    except NONSENSE:
        # Their texts may hold what the provider sent.
        raise nonsense(strategy, "its token endpoint fails") from None
    return dict(tokens)


def refusal(strategy: OAuthStrategy, error: object) -> OstiaryError:
    """Return the error that stands for one of the token endpoint (RFC 6749, 5.2; OAU-17).

    What is neither the operator's mistake nor the provider's is a failed login: providers have
    many names for a code that they do not take.
    """
    name = readable(error)
    if name in OURS:
        logger.error("the provider of %r does not accept its client: %s", strategy.name, name)
        return errors.ClientRefused(strategy.name)
    if name in THEIRS:
        return nonsense(strategy, f"its token endpoint answers {name}")
    return LoginRefused(strategy.refusal, reason=f"the provider does not take the code: {name}")


def nonsense(strategy: OAuthStrategy, what: str) -> OstiaryError:
    """Return the error for a provider that does not answer as it should; logs what is wrong.

    :param what: nothing that the provider sent.
    """
    logger.warning("the provider of %r does not answer as it should: %s", strategy.name, what)
    return errors.ProviderUnavailable(strategy.name)
