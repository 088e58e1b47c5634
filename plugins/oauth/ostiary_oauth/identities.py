"""The credentials of this strategy: accounts at a provider that are a user's (OAU-11).

An account is known by strategy, issuer and subject, and by nothing else; a user may have several
of one strategy.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.exc import IntegrityError

from ostiary import Call, Store
from ostiary.errors import OstiaryError
from ostiary_oauth import attributes, claimed, errors, invitations, rows, tokens, unlinking
from ostiary_oauth.claimed import Claimed
from ostiary_oauth.protocol.tenants import is_issuer
from ostiary_oauth.rows import Identity, now
from ostiary_oauth.strategy import OAuthStrategy
from ostiary_oauth.tables import identities

MOST = 20
"""Accounts of one strategy that a user may have."""


async def validate(
    strategy: OAuthStrategy,
    store: Store,
    kuid: str,
    credentials: Mapping[str, Any],
    call: Call,
    *,
    partial: bool,
) -> None:
    """Refuse credentials that cannot be written.

    :raises errors.NotProved: whoever writes them may not.
    :raises errors.MissingIdentifier: they name no account; or another error of ``claimed.read``.
    :raises errors.IdentityExists: the account is the user's already.
    :raises errors.IdentityTaken: it is another user's.
    :raises errors.IdentifierFixed: an update names another account than the user has.
    """
    if partial:
        claimed.check_author(call)
        meant = await _meant(strategy, store, kuid, credentials)
        attributes.check_size(attributes.merged(meant.attributes, attributes.given(credentials)))
        return
    wanted = claimed.read(strategy.provider, credentials, call)
    held = await rows.find(store, strategy.name, wanted.issuer, wanted.subject)
    if held is not None:
        raise _conflict(strategy, held, kuid, wanted)


async def create(
    strategy: OAuthStrategy, store: Store, kuid: str, credentials: Mapping[str, Any], call: Call
) -> Mapping[str, Any]:
    """Make an account the user's, besides those they have.

    An invitation that it is owed to is spent in the same transaction.

    :raises errors.SigningUp: another first login with the account was faster.
    :raises errors.InvalidInvitation: another was faster to accept the invitation.
    :raises errors.TooManyIdentities: the user has ``MOST`` of them.
    """
    wanted = claimed.read(strategy.provider, credentials, call)
    row = _row(strategy, store, kuid, wanted)
    try:
        async with store.begin() as db:
            mine = (identities.c.kuid == kuid) & (identities.c.strategy == strategy.name)
            if (await db.scalar(select(func.count()).where(mine)) or 0) >= MOST:
                raise errors.TooManyIdentities(MOST)
            if wanted.invitation is not None:
                await invitations.spend(db, wanted.invitation)
            await db.execute(insert(identities).values(row))
    except IntegrityError:
        # From None: the text of the cause holds the row.
        held = await rows.find(store, strategy.name, wanted.issuer, wanted.subject)
        raise _conflict(strategy, held, kuid, wanted) from None
    return await view(strategy, store, kuid) or {}


async def update(
    strategy: OAuthStrategy, store: Store, kuid: str, credentials: Mapping[str, Any], call: Call
) -> Mapping[str, Any]:
    """Merge attributes into those of an account; which one it is does not change.

    It is the one that they name, and by default the earliest of the user's. One that is unlinked
    goes.
    """
    if (gone := unlinking.unlinked_by(call)) is not None:
        await unlinking.erase(store, strategy, kuid, gone)
        return await view(strategy, store, kuid) or {}
    meant = await _meant(strategy, store, kuid, credentials)
    merged = attributes.merged(meant.attributes, attributes.given(credentials))
    attributes.check_size(merged)
    await rows.change(store, meant.id, {"attributes": attributes.written(merged)})
    return await view(strategy, store, kuid) or {}


async def erase(strategy: OAuthStrategy, store: Store, kuid: str) -> None:
    """Erase all accounts of a user, with what the provider gave for them."""
    mine = (identities.c.kuid == kuid) & (identities.c.strategy == strategy.name)
    await rows.erase(store, mine)


async def view(strategy: OAuthStrategy, store: Store, kuid: str) -> dict[str, Any] | None:
    """Return the attributes of a user's earliest account, or None without one.

    Those of further ones stand in ``identities``, if there are any.
    """
    held = await rows.held(store, kuid, strategy.name)
    if not held:
        return None
    seen = dict(held[0].attributes)
    if len(held) > 1:
        seen["identities"] = [_named(one) for one in held[1:]]
    return seen


async def by_subject(strategy: OAuthStrategy, store: Store, id: str) -> dict[str, Any]:
    """Return what is kept of the account that the provider calls so, and whose it is.

    :raises errors.NoSuchIdentity: there is none.
    """
    same = (identities.c.strategy == strategy.name) & (identities.c.subject == id)
    # What is not printable names nobody, nor does every database take it.
    found = await rows.several(store, same) if id.isprintable() else []
    for one in found:
        if is_issuer(strategy.provider, one.issuer):
            return {**_named(one), "kuid": one.kuid}
    raise errors.NoSuchIdentity(id)


def _named(identity: Identity) -> dict[str, Any]:
    """Return the whole document of an account, as Kuzzle has it."""
    return {**identity.attributes, "_id": identity.subject}


async def _meant(
    strategy: OAuthStrategy, store: Store, kuid: str, credentials: Mapping[str, Any]
) -> Identity:
    """Return the account of a user that an update is about."""
    held = await rows.held(store, kuid, strategy.name)
    if not held:
        raise errors.NoIdentity(kuid)
    subject = claimed.named(strategy.provider, credentials)
    if subject is None:
        return held[0]
    for one in held:
        if one.subject == subject:
            return one
    raise errors.IdentifierFixed


def _row(strategy: OAuthStrategy, store: Store, kuid: str, wanted: Claimed) -> dict[str, Any]:
    id = secrets.token_hex(16)
    identity = Identity(
        id, strategy.name, wanted.issuer, wanted.subject, kuid, wanted.attributes, now()
    )
    return {**rows.row_of(identity), **tokens.columns(strategy, store, id, wanted.tokens)}


def _conflict(
    strategy: OAuthStrategy, held: Identity | None, kuid: str, wanted: Claimed
) -> OstiaryError:
    """Return the refusal of an account that somebody has already."""
    if held is not None and held.kuid == kuid:
        return errors.IdentityExists(kuid)
    if wanted.newcomer or held is None:
        # At the next login it is found, or gone.
        return errors.SigningUp()
    return errors.IdentityTaken(strategy.name)
