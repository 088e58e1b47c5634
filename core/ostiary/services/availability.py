"""Whether kuids are free: looked up for many at once, within the transaction that takes them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from msgspec import Struct
from sqlalchemy import select

from ostiary import errors
from ostiary.services.existence import rows_with
from ostiary.storage import Database
from ostiary.storage.tables import journal, user_strategies, users

THE_USER = ""
"""Stands for the kuid itself where a row of the journal names no strategy."""


class State(Struct, frozen=True):
    """How it stands with some kuids: which are users, hold credentials, are being changed."""

    strategy: str
    existing: Collection[str]
    holding: Collection[str]
    busy: Collection[str]

    def refusal(self, kuid: str, *, join: bool) -> errors.OstiaryError | None:
        """Return why nobody can be made of a kuid.

        :param join: a user without credentials of the strategy can be given some.
        """
        if kuid in self.existing and not join:
            return errors.UserAlreadyExists(kuid)
        if kuid in self.holding:
            return errors.CredentialsExist(kuid, self.strategy)
        return errors.ActionLocked("change of credentials") if kuid in self.busy else None

    def reservable(self, kuid: str, *, join: bool) -> tuple[str, ...]:
        """Return what has to be reserved of a kuid: nothing if nobody can be made of it."""
        if self.refusal(kuid, join=join) is not None:
            return ()
        return (self.strategy,) if kuid in self.existing else (THE_USER, self.strategy)


async def look_up(db: Database, strategy: str, kuids: Sequence[str]) -> State:
    """Look up how it stands with some kuids."""
    holders = select(user_strategies.c.kuid).where(user_strategies.c.strategy == strategy)
    busy = select(journal.c.kuid).where(journal.c.strategy.in_((THE_USER, strategy)))
    asked = (
        (select(users.c.kuid), users.c.kuid),
        (holders, user_strategies.c.kuid),
        (busy, journal.c.kuid),
    )
    found = [
        {row.kuid async for row in rows_with(db, wanted, column, kuids)} for wanted, column in asked
    ]
    return State(strategy, *found)
