"""The accounts of providers as they stand in the plugin's store."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, select, update

from ostiary import Store
from ostiary_oauth.attributes import written
from ostiary_oauth.tables import identities

COLUMNS = (
    identities.c.id,
    identities.c.strategy,
    identities.c.issuer,
    identities.c.subject,
    identities.c.kuid,
    identities.c.attributes,
    identities.c.created_at,
    identities.c.tokens,
)

EARLIEST_FIRST = (identities.c.created_at, identities.c.id)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who at a provider is who here.

    :ivar id: random; what is sealed is sealed for it.
    :ivar attributes: what is kept of the profile.
    :ivar created_at: in ms.
    :ivar tokens: those of the provider, sealed, if they are kept.
    """

    id: str
    strategy: str
    issuer: str
    subject: str
    kuid: str
    attributes: Mapping[str, Any] = field(repr=False)
    created_at: int
    tokens: bytes | None = field(default=None, repr=False)

    def shown(self) -> dict[str, Any]:
        """Return what a client may see of it where several are listed."""
        return {
            "strategy": self.strategy,
            "issuer": self.issuer,
            "subject": self.subject,
            "attributes": dict(self.attributes),
            "createdAt": self.created_at,
        }


async def find(store: Store, strategy: str, issuer: str, subject: str) -> Identity | None:
    """Return the account that a provider calls by a subject."""
    found = await several(store, which(strategy, issuer, subject))
    return found[0] if found else None


async def held(store: Store, kuid: str, strategy: str | None = None) -> Sequence[Identity]:
    """Return the accounts of a user, the earliest linked first.

    :param strategy: only those of this one.
    """
    mine = identities.c.kuid == kuid
    if strategy is not None:
        mine &= identities.c.strategy == strategy
    return await several(store, mine)


async def several(store: Store, where: ColumnElement[bool]) -> Sequence[Identity]:
    """Return the accounts that fulfil a condition, the earliest linked first."""
    async with store.read() as db:
        rows = (await db.execute(select(*COLUMNS).where(where).order_by(*EARLIEST_FIRST))).all()
    return [of_row(row) for row in rows]


async def change(store: Store, id: str, columns: Mapping[str, Any]) -> None:
    """Change columns of an account; nothing if it is gone."""
    changed = update(identities).where(identities.c.id == id)
    async with store.begin() as db:
        await db.execute(changed.values(updated_at=now(), **columns))


async def erase(store: Store, where: ColumnElement[bool]) -> int:
    """Erase the accounts that fulfil a condition; return how many there were."""
    async with store.begin() as db:
        return (await db.execute(delete(identities).where(where))).rowcount


def which(strategy: str, issuer: str, subject: str) -> ColumnElement[bool]:
    """Return the condition that is true of one account alone (OAU-11)."""
    one = (identities.c.strategy == strategy) & (identities.c.issuer == issuer)
    return one & (identities.c.subject == subject)


def of_row(row: Row[Any]) -> Identity:
    """Return the account that a row of ``COLUMNS`` holds."""
    return Identity(**{**row._asdict(), "attributes": json.loads(row.attributes)})


def row_of(identity: Identity) -> dict[str, Any]:
    """Return the columns of an account."""
    return {
        "id": identity.id,
        "strategy": identity.strategy,
        "issuer": identity.issuer,
        "subject": identity.subject,
        "kuid": identity.kuid,
        "attributes": written(identity.attributes),
        "created_at": identity.created_at,
        "updated_at": identity.created_at,
    }


def now() -> int:
    """Return the instant to write, in milliseconds."""
    return time.time_ns() // 1_000_000
