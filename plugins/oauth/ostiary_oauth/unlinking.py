"""Taking one account of several off a user; the last of a strategy goes by the core.

The core hears of both, so that a login under way with the account comes to nothing, and the audit
log tells of it.
"""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import delete, select

from ostiary import Call, Directory, Store
from ostiary_oauth import errors, rows
from ostiary_oauth.rows import Identity
from ostiary_oauth.strategy import OAuthStrategy
from ostiary_oauth.tables import identities

UNLINKED = "unlinked"
"""By what ``call.state`` names the account that a change of credentials takes away."""


async def named(
    store: Store, strategy: OAuthStrategy, kuid: str, subject: str, issuer: str | None
) -> Identity:
    """Return the account of a user that a client names.

    :raises errors.NoSuchIdentity: the user has none of this name.
    :raises errors.SeveralAccounts: the issuer has to be named, too.
    """
    held = [one for one in await rows.held(store, kuid, strategy.name) if one.subject == subject]
    if issuer is not None:
        held = [one for one in held if one.issuer == issuer]
    if not held:
        raise errors.NoSuchIdentity(subject)
    if len(held) > 1:
        raise errors.SeveralAccounts(kuid)
    return held[0]


async def unlink(directory: Directory, account: Identity, call: Call, *, force: bool) -> None:
    """Take an account off its user, and end the sessions that its strategy has opened.

    :param force: also if nothing else lets the user in.
    :raises errors.LastWayIn: nothing else does.
    """
    strategy, kuid = account.strategy, account.kuid
    try:
        state = {UNLINKED: account.id}
        await directory.change_credentials(strategy, kuid, {}, replace(call, state=state))
    except errors.LastIdentity:
        await directory.remove_credentials(strategy, kuid, call, force=force)
    await directory.end_sessions(kuid, strategy=strategy)


def unlinked_by(call: Call) -> str | None:
    """Return the account that a change of credentials takes away; None for none.

    No client can set the state of a call.
    """
    return None if call.state is None else call.state.get(UNLINKED)


async def erase(store: Store, strategy: OAuthStrategy, kuid: str, id: str) -> None:
    """Erase one account of a user who has others of the strategy.

    :raises errors.LastIdentity: there are no others.
    """
    mine = (identities.c.strategy == strategy.name) & (identities.c.kuid == kuid)
    async with store.begin() as db:
        # All of them are locked: of two who take one each, the second is told that it is the last.
        held = select(identities.c.id).where(mine).order_by(identities.c.id).with_for_update()
        ids = (await db.execute(held)).scalars().all()
        if id in ids and len(ids) == 1:
            raise errors.LastIdentity
        await db.execute(delete(identities).where(mine, identities.c.id == id))
