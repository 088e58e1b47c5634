"""Having a provider renew the tokens that are kept: one at a time, whoever asks for them where.

Refresh tokens rotate (RFC 9700, 4.14.2): a provider that sees one twice takes it for stolen, and
ends everything that it has given. So who renews claims the row first, in the store that all
processes and machines share.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from sqlalchemy import update

from ostiary import Store
from ostiary_oauth import errors
from ostiary_oauth.protocol.answers import readable
from ostiary_oauth.rows import now
from ostiary_oauth.strategy import OAuthStrategy
from ostiary_oauth.tables import identities
from ostiary_oauth.tokens import NONE_KEPT, Kept, again, columns, ends_at, worth_keeping

SOON = 60_000
"""Milliseconds before its end in which an access token is renewed."""

CLAIM = 15_000
"""Milliseconds after which somebody who renews is taken for dead."""

PATIENCE = 5.0
"""Seconds that others wait for who renews."""

PAUSE = 0.1

REVOKED = frozenset({"invalid_grant", "bad_refresh_token"})
"""What says that a refresh token is worth nothing: RFC 6749, 5.2, and GitHub."""


class Revoked(Exception):
    """The provider says that a refresh token is worth nothing any more."""


async def fresh(strategy: OAuthStrategy, store: Store, kept: Kept) -> Mapping[str, Any]:
    """Return tokens whose access token lasts a while, renewed if that of ``kept`` does not.

    :raises errors.SignInAgain: only a new login brings other tokens.
    :raises errors.ProviderUnavailable: nothing is lost; it may succeed later.
    """
    ends = ends_at(kept.tokens)
    if ends is None or ends > now() + SOON:
        return kept.tokens
    lasts = ends > now()
    if "refresh_token" not in kept.tokens:
        if lasts:
            return kept.tokens
        raise errors.SignInAgain(strategy.name, kept.kuid)
    until = await _claim(store, kept)
    try:
        if until is not None:
            return await _renewed(strategy, store, kept, until)
        return kept.tokens if lasts else await _from_another(strategy, store, kept)
    except errors.ProviderUnavailable:
        if lasts:
            return kept.tokens
        raise


async def _claim(store: Store, kept: Kept) -> int | None:
    """Return until when the tokens are ours alone to renew; None if another was faster."""
    began = now()
    if kept.claimed_until is not None and kept.claimed_until > began:
        return None
    claimed = identities.c.tokens_claimed_until
    which = (identities.c.id == kept.id) & (identities.c.tokens == kept.sealed)
    which &= claimed.is_(None) | (claimed <= began)
    async with store.begin() as db:
        claim = update(identities).where(which).values(tokens_claimed_until=began + CLAIM)
        return began + CLAIM if (await db.execute(claim)).rowcount else None


async def _renewed(
    strategy: OAuthStrategy, store: Store, kept: Kept, until: int
) -> Mapping[str, Any]:
    """Return the tokens that the provider gives, or what a login has brought meanwhile."""
    try:
        async with strategy.web.talk():
            answer = await _asked(strategy, kept.tokens["refresh_token"])
    except Revoked:
        done = await _put(store, kept, until, NONE_KEPT)
    except BaseException:
        # Others need not wait until the claim ends.
        await _put(store, kept, until, {"tokens_claimed_until": None})
        raise
    else:
        # What a provider leaves away stays as it was (RFC 6749, 6), but never the end.
        tokens = {**kept.tokens, "expires_at": None, **answer}
        done = await _put(store, kept, until, columns(strategy, store, kept.id, tokens))
        if done:
            return tokens
    newer = None if done else await again(store, kept)
    if newer is None:
        raise errors.SignInAgain(strategy.name, kept.kuid)
    return newer.tokens


async def _put(store: Store, kept: Kept, until: int, values: Mapping[str, Any]) -> bool:
    """Change the row that was claimed; tell whether nobody else has changed it meanwhile.

    A login brings other tokens, which are newer; a new master key only seals the same again.
    """
    held: Kept | None = kept
    while held is not None and held.tokens == kept.tokens:
        which = (identities.c.id == kept.id) & (identities.c.tokens == held.sealed)
        which &= identities.c.tokens_claimed_until == until
        async with store.begin() as db:
            if (await db.execute(update(identities).where(which).values(values))).rowcount:
                return True
        held = await again(store, kept)
        if held is not None and held.claimed_until != until:
            return False
    return False


async def _from_another(strategy: OAuthStrategy, store: Store, kept: Kept) -> Mapping[str, Any]:
    """Wait for the tokens that somebody else has renewed."""
    loop = asyncio.get_running_loop()
    last = loop.time() + PATIENCE
    while loop.time() < last:
        held = await again(store, kept)
        if held is None:
            raise errors.SignInAgain(strategy.name, kept.kuid)
        if held.tokens != kept.tokens:
            return held.tokens
        if held.claimed_until is None:
            break
        await asyncio.sleep(PAUSE)
    raise errors.ProviderUnavailable(strategy.name)


async def _asked(strategy: OAuthStrategy, refresh_token: str) -> Mapping[str, Any]:
    """Return what the provider gives for a refresh token.

    :raises Revoked: nothing, now and later.
    :raises errors.ClientRefused: it does not take this server for its client.
    :raises errors.ProviderUnavailable: it does not answer as it should.
    """
    # Only now: they take long to load.
    from authlib.integrations.base_client import OAuthError

    from ostiary_oauth.protocol import client_auth, redeeming

    endpoint = (await strategy.web.metadata()).token_endpoint
    try:
        async with await client_auth.client(strategy, endpoint) as client:
            given = await client.refresh_token(endpoint, refresh_token=refresh_token)
    except OAuthError as error:
        # It is of whatever type the provider has sent.
        name = readable(error.error)
        if name in REVOKED:
            raise Revoked from None
        if name in redeeming.OURS:
            raise redeeming.refusal(strategy, name) from None
        raise redeeming.nonsense(strategy, "it does not renew a token") from None
    except redeeming.NONSENSE:
        raise redeeming.nonsense(strategy, "its token endpoint fails") from None
    answer = worth_keeping(given)
    if not answer:
        raise redeeming.nonsense(strategy, "its token endpoint gives no token")
    return answer
