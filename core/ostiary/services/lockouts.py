"""Who could sign in no more if some strategies were not there."""

from __future__ import annotations

from collections.abc import Collection

from msgspec import Struct
from sqlalchemy import ColumnElement, Select, exists, func, select

from ostiary.services.rights import ADMIN
from ostiary.services.user_rows import ENABLED
from ostiary.storage import Database, Store
from ostiary.storage.tables import user_profiles, user_strategies, users

SHOWN = 20
"""How many users are named."""


class Lockout(Struct, frozen=True):
    """Users who hold credentials of some strategies, and no others that would work.

    :ivar holders: users who hold any.
    :ivar credentials: how many there are.
    :ivar locked_out: how many users would have no way in.
    :ivar first: the kuids of some of them, administrators first.
    :ivar administrators: how many of them are administrators who are let in today.
    :ivar remaining: administrators who would still be let in.
    """

    holders: int
    credentials: int
    locked_out: int
    first: tuple[str, ...]
    administrators: int
    remaining: int

    @property
    def last_administrator(self) -> bool:
        """Whether administrators would be locked out, and nobody be left to let them in."""
        return self.administrators > 0 and self.remaining == 0


async def look(store: Store, strategies: Collection[str], others: Collection[str]) -> Lockout:
    """Tell what it would mean to lose some strategies.

    :param others: those that would still work.
    """
    held = user_strategies.c.strategy.in_(strategies)
    locked = select(user_strategies.c.kuid).where(held, ~_holds_any(others)).distinct().subquery()
    admin = exists().where(
        user_profiles.c.kuid == locked.c.kuid, user_profiles.c.profile_id == ADMIN
    )
    let_in = exists().where(users.c.kuid == locked.c.kuid, users.c.status == ENABLED)
    async with store.read(apart=True) as db:
        counts = select(func.count(user_strategies.c.kuid.distinct()), func.count()).where(held)
        holding, credentials = tuple((await db.execute(counts)).one())
        first = select(locked.c.kuid).order_by(admin.desc(), locked.c.kuid).limit(SHOWN)
        return Lockout(
            holders=holding,
            credentials=credentials,
            locked_out=await _count(db, select(locked.c.kuid)),
            first=tuple((await db.execute(first)).scalars()),
            administrators=await _count(db, select(locked.c.kuid).where(admin, let_in)),
            remaining=await _count(db, _administrators(others)),
        )


async def holders(store: Store, strategies: Collection[str]) -> int:
    """Return how many users hold credentials of some strategies."""
    held = select(func.count(user_strategies.c.kuid.distinct()))
    async with store.read(apart=True) as db:
        return int(await db.scalar(held.where(user_strategies.c.strategy.in_(strategies))))


def _holds_any(strategies: Collection[str]) -> ColumnElement[bool]:
    others = user_strategies.alias()
    return exists().where(
        others.c.kuid == user_strategies.c.kuid, others.c.strategy.in_(strategies)
    )


def _administrators(strategies: Collection[str]) -> Select[tuple[str]]:
    """Select the administrators who are let in by some strategies."""
    held = exists().where(
        user_strategies.c.kuid == users.c.kuid, user_strategies.c.strategy.in_(strategies)
    )
    admin = exists().where(
        user_profiles.c.kuid == users.c.kuid, user_profiles.c.profile_id == ADMIN
    )
    return select(users.c.kuid).where(held, admin, users.c.status == ENABLED)


async def _count(db: Database, rows: Select[tuple[str]]) -> int:
    return int(await db.scalar(select(func.count()).select_from(rows.subquery())))
