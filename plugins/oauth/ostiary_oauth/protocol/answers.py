"""What a provider's answer to an authorization request says, before anything is asked of it."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

from ostiary.errors import LoginRefused, OstiaryError
from ostiary_oauth import errors
from ostiary_oauth.protocol.tenants import is_issuer
from ostiary_oauth.provider import Provider
from ostiary_oauth.settings.urls import origin_of
from ostiary_oauth.strategy import OAuthStrategy

LONGEST = 8192
"""Characters of a code; those of Microsoft have some 1500."""

logger = logging.getLogger(__name__)


def code_of(strategy: OAuthStrategy, credentials: Mapping[str, Any], *, announced: bool) -> str:
    """Return the code of an answer that is no error, and the right provider's.

    Who answers is looked at first: an error of another provider is no answer either (RFC 9207,
    2.4).

    :param announced: the provider has said that its answers name it.
    :raises errors.LoginRefused: it is another's, there is no code, or the user has said no.
    :raises errors.ProviderRefused: it is another error; what it says is not repeated (OAU-17).
    """
    _check_issuer(strategy, credentials.get("iss"), announced=announced)
    if credentials.get("error") is not None:
        raise refusal(strategy, credentials["error"])
    return text_of(strategy, credentials, "code")


def refusal(strategy: OAuthStrategy, error: object) -> OstiaryError:
    """Return the error that stands for a provider's (RFC 6749, 4.1.2.1)."""
    if error == "access_denied":
        return LoginRefused(strategy.refusal, reason="the user or the provider has said no")
    logger.warning("the provider of %r refuses a login: %s", strategy.name, readable(error))
    return errors.ProviderRefused(strategy.name)


def text_of(strategy: OAuthStrategy, credentials: Mapping[str, Any], name: str) -> str:
    """Return a field of what came back.

    :raises errors.LoginRefused: it is none.
    """
    value = credentials.get(name)
    if isinstance(value, str) and 0 < len(value) <= LONGEST and value.isprintable():
        return value
    raise LoginRefused(strategy.refusal, reason=f"no {name} came back")


def readable(error: object) -> str:
    """Return the name of an error that the standards know the shape of, for a log."""
    if isinstance(error, str) and re.fullmatch(r"[a-z_]{1,64}", error):
        return error
    return "an error without a proper name"


def _check_issuer(strategy: OAuthStrategy, issuer: object, *, announced: bool) -> None:
    """Refuse the answer of another provider (OAU-09; RFC 9207, 2.4)."""
    if issuer is None:
        if announced:
            raise LoginRefused(strategy.refusal, reason="the answer does not say whose it is")
        return
    if not _is_theirs(strategy.provider, issuer):
        raise LoginRefused(strategy.refusal, reason="the answer is another provider's")


def _is_theirs(provider: Provider, issuer: object) -> bool:
    """Tell whether an answer that names its issuer is of this provider."""
    if provider.protocol == "oidc":
        return is_issuer(provider, issuer)
    # Of others no issuer is known but where they are: GitHub's is https://github.com/login/oauth.
    origins = {provider.issuer, origin_of(provider.authorization_endpoint or provider.issuer)}
    return isinstance(issuer, str) and any(
        issuer == origin or issuer.startswith(f"{origin}/") for origin in origins
    )
