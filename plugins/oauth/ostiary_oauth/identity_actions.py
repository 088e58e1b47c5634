"""The controller ``identity``: the accounts of a user at providers, for the user and for others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, TypedDict

from ostiary import DELETE, GET, POST, Call, Controller, Directory, Store, Strategy
from ostiary import errors as core
from ostiary_oauth import claimed, errors, rows, unlinking
from ostiary_oauth.tokens import chosen

identity = Controller("identity")

StrategyName = Annotated[str, "Name of the strategy."]
Kuid = Annotated[str, "Kuid of the user."]
Subject = Annotated[str, "What the provider calls the account."]
Issuer = Annotated[
    str | None, "Who vouches for it, where several accounts of the user are called so."
]
Force = Annotated[bool, "Also if nothing else lets the user in."]

UNLINKING = (
    core.LastWayIn,
    core.NoCredentials,
    core.UnknownStrategy,
    errors.NoSuchIdentity,
    errors.SeveralAccounts,
)
ADDING = (
    core.UserNotFound,
    core.UnknownStrategy,
    errors.IdentityExists,
    errors.IdentityTaken,
    errors.InvalidAttribute,
    errors.InvalidIdentifier,
    errors.MissingIdentifier,
    errors.TooManyAttributes,
    errors.TooManyIdentities,
)


class NewIdentity(TypedDict):
    """The body of ``add``."""

    credentials: Annotated[
        dict[str, Any], "The attributes of the account, the identifier among them."
    ]


@identity.action(GET("/identities/_me"), signed_in=True)
async def list_(store: Store, call: Call) -> dict[str, Any]:
    """Return one's own accounts at providers, the earliest linked first."""
    return await _listed(store, call.kuid)


@identity.action(DELETE("/identities/_me/{strategy}"), signed_in=True, raises=UNLINKING)
async def unlink(
    store: Store,
    directory: Directory,
    strategies: Mapping[str, Strategy],
    call: Call,
    strategy: StrategyName,
    subject: Subject,
    issuer: Issuer = None,
    force: Force = False,
) -> dict[str, bool]:
    """Give up one of one's own accounts at a provider; it signs in nobody any more.

    The sessions that the strategy has opened end, this one among them if it is one.
    """
    configured = chosen(strategies, strategy)
    mine = await unlinking.named(store, configured, call.kuid, subject, issuer)
    await unlinking.unlink(directory, mine, call, force=force)
    return {"acknowledged": True}


@identity.action(GET("/identities/{_id}"), raises=[core.UserNotFound])
async def list_of(store: Store, directory: Directory, id: Kuid) -> dict[str, Any]:
    """Return the accounts of a user at providers, the earliest linked first."""
    if await directory.find(id) is None:
        raise core.UserNotFound(id)
    return await _listed(store, id)


@identity.action(
    POST("/identities/{_id}/{strategy}"), strict=True, raises=[*ADDING, core.TargetTooPowerful]
)
async def add(
    directory: Directory,
    strategies: Mapping[str, Strategy],
    call: Call,
    id: Kuid,
    strategy: StrategyName,
    body: NewIdentity,
) -> Mapping[str, Any]:
    """Have an account at a provider be a user's, besides those the user has.

    Whoever holds the account signs in as the user: the caller must hold the user's rights.
    """
    configured = chosen(strategies, strategy)
    if await directory.find(id) is None:
        raise core.UserNotFound(id)
    await directory.check_authority(id, call)
    fields = claimed.vouched(configured.provider, body["credentials"])
    return await directory.add_credentials(strategy, id, fields, replace(call, state={}))


@identity.action(
    DELETE("/identities/{_id}/{strategy}"), raises=[*UNLINKING, core.TargetTooPowerful]
)
async def remove(
    store: Store,
    directory: Directory,
    strategies: Mapping[str, Strategy],
    call: Call,
    id: Kuid,
    strategy: StrategyName,
    subject: Subject,
    issuer: Issuer = None,
    force: Force = False,
) -> dict[str, bool]:
    """Take an account at a provider off a user; the sessions that the strategy opened end."""
    configured = chosen(strategies, strategy)
    await directory.check_authority(id, call)
    theirs = await unlinking.named(store, configured, id, subject, issuer)
    await unlinking.unlink(directory, theirs, call, force=force)
    return {"acknowledged": True}


async def _listed(store: Store, kuid: str) -> dict[str, Any]:
    return {"identities": [one.shown() for one in await rows.held(store, kuid)]}
