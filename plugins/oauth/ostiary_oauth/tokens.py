"""The tokens of providers: what is kept of them, sealed, and the action that hands one out.

They are kept only where the operator asks for it (OAU-19). Whoever may run ``token:get`` acts at
the provider as every user whose tokens are kept, however powerful these are here: a token of a
provider opens nothing here, and a service has less rights here than those it works for.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, cast

from sqlalchemy import select

from ostiary import GET, Controller, Directory, SealBroken, Store, Strategy
from ostiary import errors as core
from ostiary_oauth import errors
from ostiary_oauth.protocol.tenants import is_issuer
from ostiary_oauth.strategy import OAuthStrategy
from ostiary_oauth.tables import identities

logger = logging.getLogger(__name__)

TEXTS = ("access_token", "refresh_token", "id_token", "scope", "token_type")
LONGEST = 16_384
"""Characters of a token that is kept; those of Microsoft have some four thousand."""

LATEST = 2**53 // 1000
"""Seconds since the epoch that a provider may name, and JSON can hold as milliseconds."""

NONE_KEPT: Mapping[str, Any] = {
    "tokens": None,
    "tokens_expire_at": None,
    "tokens_claimed_until": None,
}

token = Controller("token")


@dataclass(frozen=True)
class Kept:
    """The tokens of one account at a provider, opened.

    :ivar id: of the identity.
    :ivar sealed: as they stand in the store.
    """

    id: str
    kuid: str
    sealed: bytes = field(repr=False)
    tokens: Mapping[str, Any] = field(repr=False)
    claimed_until: int | None


@token.action(
    GET("/tokens/{strategy}/{_id}"),
    raises=[
        errors.NoTokens,
        errors.ProviderUnavailable,
        errors.SeveralAccounts,
        errors.SignInAgain,
        core.UnknownStrategy,
    ],
    noted=True,
)
async def get(
    store: Store,
    directory: Directory,
    strategies: Mapping[str, Strategy],
    strategy: Annotated[str, "Name of the strategy."],
    id: Annotated[str, "The kuid of the user."],
    subject: Annotated[str | None, "Which account, of a user who has several."] = None,
) -> dict[str, Any]:
    """Return a token with which to act at a provider as a user.

    It is renewed if it ends within a minute. `expiresAt` is null where the provider does not
    say when it ends.
    """
    from ostiary_oauth import renewal

    configured = chosen(strategies, strategy)
    user = await directory.find(id)
    if not configured.provider.keep_tokens or user is None or not user.enabled:
        raise errors.NoTokens(strategy, id)
    kept = await of_user(configured, store, id, subject)
    tokens = await renewal.fresh(configured, store, kept)
    return {
        "accessToken": tokens["access_token"],
        "tokenType": tokens.get("token_type", "Bearer"),
        "scope": tokens.get(
            "scope", configured.provider.scope_separator.join(configured.provider.scope)
        ),
        "expiresAt": ends_at(tokens),
    }


def chosen(strategies: Mapping[str, Strategy], name: str) -> OAuthStrategy:
    """Return a strategy of this plugin.

    :raises errors.UnknownStrategy: it has none of this name.
    """
    if name not in strategies:
        raise core.UnknownStrategy(name)
    return cast("OAuthStrategy", strategies[name])


def columns(
    strategy: OAuthStrategy,
    store: Store,
    row_id: str,
    tokens: Mapping[str, Any],
    before: bytes | None = None,
) -> dict[str, Any]:
    """Return the columns of an identity that hold tokens; empty ones unless some are kept.

    So what was kept goes with the next login when the operator has changed their mind.

    :param row_id: the ``id`` of the identity.
    :param before: what is kept by now. Some providers give a refresh token at the first consent
        and never again (Google): then it stays.
    """
    kept = worth_keeping(tokens) if strategy.provider.keep_tokens else {}
    if not kept:
        return dict(NONE_KEPT)
    if before is not None and "refresh_token" not in kept:
        kept |= _refresh_token(store, row_id, before)
    return {
        "tokens": sealed(store, row_id, kept),
        "tokens_expire_at": ends_at(kept),
        "tokens_claimed_until": None,
    }


def sealed(store: Store, row_id: str, tokens: Mapping[str, Any]) -> bytes:
    """Return what is kept of the tokens of a provider, sealed for an identity.

    :param row_id: the ``id`` of the identity.
    """
    content = json.dumps(dict(tokens)).encode()
    return store.sealer.seal(content, column=identities.c.tokens, row=row_id)


def opened(store: Store, row_id: str, kept: bytes) -> dict[str, Any]:
    """Return the tokens that were sealed for an identity.

    :raises SealBroken: they were not, or have been changed since.
    """
    content = store.sealer.open(kept, column=identities.c.tokens, row=row_id)
    tokens: dict[str, Any] = json.loads(content)
    return tokens


def ends_at(tokens: Mapping[str, Any]) -> int | None:
    """Return when an access token ends, in ms since the epoch; None if the provider does not say."""
    told = tokens.get("expires_at")
    if isinstance(told, bool) or not isinstance(told, int | float):
        return None
    # Compared as it is: a whole number may be larger than any that a float holds.
    return int(told * 1000) if 0 < told < LATEST else None


def worth_keeping(tokens: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is kept of an answer of a token endpoint; nothing without an access token."""
    kept: dict[str, Any] = {}
    for name in TEXTS:
        value = tokens.get(name)
        # A token that is not ASCII can be sent to nobody (RFC 6750, 2.1).
        if isinstance(value, str) and value and value.isascii():
            if len(value) <= LONGEST:
                kept[name] = value
            else:
                logger.warning("a provider gave a %s that is too long to be kept", name)
    if "access_token" not in kept:
        return {}
    ends = ends_at(tokens)
    return kept if ends is None else {**kept, "expires_at": ends // 1000}


async def of_user(
    strategy: OAuthStrategy, store: Store, kuid: str, subject: str | None = None
) -> Kept:
    """Return the tokens that are kept of a user.

    :param subject: of the account at the provider; needed if several are kept.
    :raises errors.NoTokens: there are none, or those of another issuer, who gave them for itself.
    :raises errors.SeveralAccounts: it is not clear which.
    """
    which = (identities.c.strategy == strategy.name) & (identities.c.kuid == kuid)
    which &= identities.c.tokens.is_not(None)
    if subject is not None:
        which &= identities.c.subject == subject
    async with store.read() as db:
        rows = (await db.execute(select(identities).where(which))).all()
    rows = [row for row in rows if is_issuer(strategy.provider, row.issuer)]
    if not rows:
        raise errors.NoTokens(strategy.name, kuid)
    if len(rows) > 1:
        raise errors.SeveralAccounts(kuid)
    return _read(store, rows[0])


async def again(store: Store, kept: Kept) -> Kept | None:
    """Return what is kept by now in the same place; None if nothing is any more."""
    async with store.read() as db:
        row = (await db.execute(select(identities).where(identities.c.id == kept.id))).one_or_none()
    return None if row is None or row.tokens is None else _read(store, row)


def _refresh_token(store: Store, row_id: str, kept: bytes) -> dict[str, str]:
    """Return the refresh token that is kept, under its name; nothing if it cannot be opened."""
    try:
        held = opened(store, row_id, kept)
    except SealBroken:
        logger.error("the tokens of an account cannot be opened; they are replaced")  # noqa: TRY400
        return {}
    return {name: held[name] for name in ("refresh_token",) if name in held}


def _read(store: Store, row: Any) -> Kept:
    return Kept(
        row.id, row.kuid, row.tokens, opened(store, row.id, row.tokens), row.tokens_claimed_until
    )
