"""Who a profile is of, and by what address they are known. Used where tokens have come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ostiary.errors import LoginRefused
from ostiary_oauth.attributes import value_at
from ostiary_oauth.protocol import tenants, userinfo
from ostiary_oauth.protocol.redeeming import nonsense
from ostiary_oauth.provider import Proved
from ostiary_oauth.strategy import OAuthStrategy
from ostiary_oauth.subjects import LONGEST_ADDRESS, is_name, subject_of

if TYPE_CHECKING:
    from ostiary_oauth.web.discovery import Metadata


async def of_openid(
    strategy: OAuthStrategy, metadata: Metadata, tokens: Mapping[str, Any], nonce: str
) -> Proved:
    """Return what an id token proves, with what the provider tells besides.

    :param nonce: of the flow.
    :raises errors.LoginRefused: it proves nothing.
    :raises errors.ProviderUnavailable: there is none.
    """
    from ostiary_oauth.protocol import id_tokens

    text, access_token = tokens.get("id_token"), tokens.get("access_token")
    if not isinstance(text, str):
        raise nonsense(strategy, "no id token comes with the tokens")
    access_token = access_token if isinstance(access_token, str) and access_token else None
    claims = await id_tokens.checked(strategy, text, nonce=nonce, access_token=access_token)
    subject(strategy, claims, "sub", integers=False)
    profile = await userinfo.merged(strategy, metadata, claims, access_token)
    return proved(
        strategy,
        profile,
        tokens,
        issuer=tenants.issuer_of(strategy.provider, claims),
        session=_session(claims),
    )


async def of_oauth2(
    strategy: OAuthStrategy, metadata: Metadata, tokens: Mapping[str, Any]
) -> Proved:
    """Return what the profile proves that an access token opens.

    :raises errors.LoginRefused: it names no account.
    :raises errors.ProviderUnavailable: there is no token, or no profile.
    """
    access_token, endpoint = tokens.get("access_token"), metadata.userinfo_endpoint
    if not isinstance(access_token, str) or not access_token or endpoint is None:
        raise nonsense(strategy, "no access token comes with the tokens")
    profile = await userinfo.profile(strategy, endpoint, access_token)
    return proved(strategy, profile, tokens, issuer=strategy.provider.issuer)


def proved(
    strategy: OAuthStrategy,
    profile: Mapping[str, Any],
    tokens: Mapping[str, Any],
    *,
    issuer: str,
    session: str | None = None,
) -> Proved:
    """Return what a profile says that came from the provider itself.

    :raises errors.LoginRefused: it names no account.
    """
    address, verified = _address(strategy, profile)
    return Proved(
        issuer=issuer,
        subject=subject(
            strategy,
            profile,
            strategy.provider.identifier,
            integers=strategy.provider.protocol != "oidc",
        ),
        claims=profile,
        email=address,
        email_verified=verified,
        session=session,
        tokens=tokens,
    )


def subject(
    strategy: OAuthStrategy, profile: Mapping[str, Any], path: str, *, integers: bool
) -> str:
    """Return what names an account (OAU-13; OpenID Connect Core, 2).

    :param integers: see ``subject_of``.
    :raises errors.LoginRefused: nothing does.
    """
    found = subject_of(value_at(profile, path), integers=integers)
    if found is None:
        raise LoginRefused(strategy.refusal, reason=f"nothing at {path} names an account")
    return found


def _address(strategy: OAuthStrategy, profile: Mapping[str, Any]) -> tuple[str | None, bool]:
    """Return the address of a profile, and whether the provider says that it has verified it."""
    provider = strategy.provider
    address = value_at(profile, provider.email)
    if not isinstance(address, str) or not 0 < len(address) <= LONGEST_ADDRESS:
        return None, False
    if not address.isprintable() or "@" not in address:
        return None, False
    path = userinfo.VERIFIED if provider.emails_endpoint else provider.email_verified
    if path is None:
        return address, False
    # Where the path is that of the address, the provider gives verified ones only.
    said = value_at(profile, path)
    return address, path == provider.email or said is True or said == "true"


def _session(claims: Mapping[str, Any]) -> str | None:
    """Return the name of the session at the provider, if it has one that may be kept."""
    session = claims.get("sid")
    return session if is_name(session) else None
