"""Verifying that an address is the user's: whoever holds a token that was sent there has it.

This needs no mail: an administrator, or an application of the operator's, may send the token.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, TypedDict

from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError

from ostiary import POST, Call, Controller, Directory, Store, Strategy
from ostiary import errors as core
from ostiary_local import accounts, claims, errors, identifiers, naming, tickets
from ostiary_local.accounts import now
from ostiary_local.mail import notices
from ostiary_local.naming import Name
from ostiary_local.strategy import LocalStrategy, only
from ostiary_local.tables import tickets as table

LIFETIME = 24 * 60 * 60 * 1000
"""How long a token verifies, in ms; it opens nothing, and mail may be slow."""

identifier = Controller("identifier")


class Token(TypedDict):
    """The body of ``verify``."""

    token: Annotated[str, "What the address was sent."]


class Claimed(TypedDict):
    """The body of ``getVerificationToken``."""

    value: Annotated[str, "The e-mail address or telephone number."]


@identifier.action(
    POST("/identifier/_verify"),
    raises=[errors.InvalidVerificationToken, errors.UsernameTaken, errors.TooManyNames],
)
async def verify(
    store: Store, strategies: Mapping[str, Strategy], call: Call, body: Token
) -> dict[str, Any]:
    """Mark an e-mail address or a telephone number as verified, with the token that was sent there.

    The token is spent. If the address was claimed by another user, who had not verified it, it
    is not theirs any more.
    """
    name = await confirm(only(strategies), store, body["token"], call)
    return {"kind": name.kind, "value": name.value, "verified": True}


@identifier.action(
    POST("/identifier/{_id}/_verificationToken"),
    raises=[errors.NoAccount, errors.NoSuchName, errors.UsernameTaken, core.TargetTooPowerful],
    noted=True,
)
async def get_verification_token(
    store: Store,
    directory: Directory,
    strategies: Mapping[str, Strategy],
    call: Call,
    id: Annotated[str, "Kuid of the user."],
    body: Claimed,
) -> dict[str, Any]:
    """Return a token that verifies an address of a user, to be sent to that address.

    Whoever may get such tokens can give users addresses that are not theirs: the caller must
    hold the rights of the user. The address may be one that another user claims and has not
    verified, if the caller holds their rights too; a user name is nobody else's.
    """
    await directory.check_authority(id, call)
    return {"token": await token(only(strategies), store, id, body["value"], directory, call)}


async def token(
    strategy: LocalStrategy,
    store: Store,
    kuid: str,
    value: str,
    directory: Directory,
    call: Call,
) -> str:
    """Return a token that verifies an address of a user, which the caller says that they send.

    :raises errors.NoAccount: the user has no account.
    :raises errors.NoSuchName: the address is none, or nobody's.
    :raises errors.UsernameTaken: another user has it, and does not lose it to this caller.
    """
    name, instant = naming.address(strategy, value), now()
    if await accounts.of(store, kuid) is None:
        raise errors.NoAccount(kuid)
    if name is None:
        raise errors.NoSuchName(value)
    losers = await claims.within_authority(store, directory, kuid, [name], call)
    async with store.read() as db:
        spelled = await claims.claimed(db, kuid, name, losers)
    return await tickets.issue(store, "vouch", kuid, spelled, LIFETIME, instant)


async def confirm(strategy: LocalStrategy, store: Store, token: str, call: Call) -> Name:
    """Spend a token and return the address that is verified with it.

    :raises errors.InvalidVerificationToken: there is no such token, or no more.
    :raises errors.UsernameTaken: another user has the address, and it does not give way.
    :raises errors.TooManyNames: there is no place for it any more.
    """
    mailed = await tickets.find(store, "verify", token)
    ticket = mailed or await tickets.find(store, "vouch", token)
    name = None if ticket is None or ticket.expired else naming.address(strategy, ticket.bound)
    if ticket is None or name is None:
        raise errors.InvalidVerificationToken
    try:
        async with store.begin() as db:
            spent = delete(table).where(table.c.fingerprint == ticket.fingerprint)
            if (await db.execute(spent)).rowcount == 0:
                raise errors.InvalidVerificationToken
            # Whoever holds the token does this for the user, signed in or not.
            holder = replace(call, kuid=ticket.kuid)
            await notices.tell(strategy, store, db, notices.NAMES, ticket.kuid, holder)
            losers = None
            if ticket is not mailed:
                # Who claims it only since then is not one whom the caller was asked about.
                losers = await claims.claimed_before(db, name, ticket.created_at)
            await identifiers.confirm(db, ticket.kuid, name, now(), losers)
    except IntegrityError:
        raise errors.UsernameTaken(name.value) from None
    except errors.NoSuchName:
        raise errors.InvalidVerificationToken from None
    return name
