"""To whom mail goes: to verified e-mail addresses of an account, and to no others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy import select

from ostiary_local import accounts
from ostiary_local.tables import identifiers

if TYPE_CHECKING:
    from ostiary import Database, Directory, Store
    from ostiary_local.strategy import LocalStrategy

EMAIL = "email"


async def verified(db: Database, kuid: str) -> list[str]:
    """Return the verified addresses of a user, the oldest first."""
    mine = (identifiers.c.kuid == kuid) & (identifiers.c.kind == EMAIL)
    proved = select(identifiers.c.value).where(mine, identifiers.c.verified_at.is_not(None))
    order = proved.order_by(identifiers.c.created_at, identifiers.c.key)
    return list((await db.execute(order)).scalars())


async def unverified(db: Database, kuid: str) -> list[str]:
    """Return the addresses of a user that are not verified yet."""
    mine = (identifiers.c.kuid == kuid) & (identifiers.c.kind == EMAIL)
    claimed = select(identifiers.c.value).where(mine, identifiers.c.verified_at.is_(None))
    return list((await db.execute(claimed)).scalars())


async def meant(
    strategy: LocalStrategy, store: Store, directory: Directory, typed: str
) -> tuple[str, Sequence[str]] | None:
    """Return who is meant by what was typed, and to which addresses mail may go.

    It is the one that was typed if that is verified, and all of them if it is not, as with a user
    name. Who may not sign in gets none.
    """
    account = await accounts.called(strategy, store, typed)
    if account is None or not await may_sign_in(directory, account.kuid):
        return None
    async with store.read() as db:
        every = await verified(db, account.kuid)
    key = strategy.key(typed)
    same = [address for address in every if strategy.key(address) == key]
    return account.kuid, same or every


async def may_sign_in(directory: Directory, kuid: str) -> bool:
    """Tell whether there is such a user, and nobody has disabled them."""
    user = await directory.find(kuid)
    return user is not None and user.enabled
