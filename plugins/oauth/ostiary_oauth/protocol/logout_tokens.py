"""Logout tokens: whether a provider has made one for us, and whose sessions it ends.

OpenID Connect Back-Channel Logout 1.0, 2.6 and 2.7. Imports authlib and joserfc: import it where
it is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from joserfc.jwt import JWTClaimsRegistry, Token
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from ostiary import Directory, Store
from ostiary.errors import LoginRefused
from ostiary_oauth import errors
from ostiary_oauth.protocol import id_tokens
from ostiary_oauth.protocol.tenants import WrongTenant
from ostiary_oauth.rows import now
from ostiary_oauth.sessions import session_name
from ostiary_oauth.strategy import OAuthStrategy
from ostiary_oauth.subjects import is_name
from ostiary_oauth.tables import identities, spent

LONGEST = 8192
"""Characters of a logout token; usual ones have a thousand."""

EVENT = "http://schemas.openid.net/event/backchannel-logout"

TYPES = frozenset({"jwt", "logout+jwt", "application/logout+jwt"})
"""What a header may say that it is, if it says anything; an access token says ``at+jwt``."""

DAY = 86_400
"""Seconds that one may be good for at most: so long it is remembered."""


async def obey(strategy: OAuthStrategy, store: Store, directory: Directory, text: str) -> None:
    """End the sessions that a logout token names.

    :raises errors.WrongLogoutToken: it is none, not for us, or was used before.
    :raises errors.ProviderUnavailable: nothing tells the provider's keys.
    """
    claims = await checked(strategy, text)
    fingerprint = sha256("\0".join((strategy.name, claims["iss"], claims["jti"])).encode()).digest()
    async with store.read() as db:
        which = select(spent.c.fingerprint).where(spent.c.fingerprint == fingerprint)
        if await db.scalar(which) is not None:
            raise errors.WrongLogoutToken(strategy.name, "it was used before")
    # Before it is spent: whatever happens in between, the provider may send it again.
    await _end(strategy, store, directory, claims)
    await _spend(strategy, store, fingerprint, claims["exp"] + id_tokens.LEEWAY)


async def checked(strategy: OAuthStrategy, text: str) -> Mapping[str, Any]:
    """Return the claims of a logout token of the provider, for us.

    :raises errors.WrongLogoutToken: it is none; says what is wrong, in our own words.
    :raises errors.ProviderUnavailable: nothing tells the provider's keys.
    """
    if strategy.provider.protocol != "oidc" or len(text) > LONGEST:
        raise errors.WrongLogoutToken(strategy.name, "nothing is signed here, or it is too long")
    try:
        token = await id_tokens.opened(strategy, text)
        fault = _fault(strategy, token)
    except LoginRefused:
        raise errors.WrongLogoutToken(strategy.name, "the signature") from None
    except WrongTenant:
        raise errors.WrongLogoutToken(strategy.name, "the tenant") from None
    except id_tokens.BROKEN as error:
        # Of what the library raises, this names a claim; nothing that was sent.
        claim = getattr(error, "claim", None) or "that nobody can read"
        raise errors.WrongLogoutToken(strategy.name, f"the claim {claim}") from None
    if fault is not None:
        raise errors.WrongLogoutToken(strategy.name, fault)
    return token.claims


def _fault(strategy: OAuthStrategy, token: Token) -> str | None:
    """Return what is wrong with a signed token, or None (2.6).

    An id token has no ``events``, and a nonce: neither passes for the other.

    :raises Exception: one of ``id_tokens.BROKEN``: a claim that every token has is wrong.
    """
    claims, said = token.claims, token.header.get("typ", "jwt")
    wanted: dict[str, Any] = {name: {"essential": True} for name in ("exp", "iat", "jti")}
    wanted |= id_tokens.expected(strategy, claims)
    JWTClaimsRegistry(now() // 1000, id_tokens.LEEWAY, **wanted).validate(dict(claims))
    audience, happened = strategy.provider.client_id, claims.get("events")
    named = {name for name in ("sub", "sid") if name in claims}
    checks = {
        "the type": isinstance(said, str) and said.lower() in TYPES,
        # Others in it could not use the token here, but then it was not made for us alone.
        "the claim aud": claims["aud"] in (audience, [audience]),
        # NaN, which Python takes for JSON, is not right either.
        "the claim exp": claims["exp"] <= now() // 1000 + DAY,
        "the claim jti": is_name(claims["jti"]),
        "the claim nonce": "nonce" not in claims,
        "the claim events": isinstance(happened, dict) and isinstance(happened.get(EVENT), dict),
        "the claims sub and sid": bool(named) and all(is_name(claims[name]) for name in named),
        # Accounts may go by another name than sub here.
        "the claim sid": "sid" in named or strategy.provider.identifier == "sub",
    }
    return next((name for name, right in checks.items() if not right), None)


async def _end(
    strategy: OAuthStrategy, store: Store, directory: Directory, claims: Mapping[str, Any]
) -> None:
    """End the session that a token names, or else all that its account has opened."""
    if "sid" in claims:
        name = session_name(strategy.name, claims["sid"])
        await directory.end_sessions(None, session=name, strategy=strategy.name)
        return
    which = (identities.c.strategy == strategy.name) & (identities.c.issuer == claims["iss"])
    which &= identities.c.subject == claims["sub"]
    async with store.read() as db:
        kuid = await db.scalar(select(identities.c.kuid).where(which))
    if kuid is not None:
        await directory.end_sessions(kuid, strategy=strategy.name)


async def _spend(strategy: OAuthStrategy, store: Store, fingerprint: bytes, until: float) -> None:
    """Remember a token as long as it would be good.

    :raises errors.WrongLogoutToken: another request was faster with the same one.
    """
    row = {"fingerprint": fingerprint, "expires_at": int(until * 1000)}
    try:
        async with store.begin() as db:
            await db.execute(insert(spent).values(row))
    except IntegrityError:
        raise errors.WrongLogoutToken(strategy.name, "it was used before") from None
