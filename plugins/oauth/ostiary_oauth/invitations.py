"""Invitations: random texts that let whoever holds one become a user, once, for a while.

Only their SHA-256 is stored, so that a dump of the store lets nobody in.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, func, insert, select

from ostiary import Database, Store, User
from ostiary_oauth import errors
from ostiary_oauth.rows import now
from ostiary_oauth.tables import invitations

MOST = 1000
"""Open invitations of one author."""


@dataclass(frozen=True, slots=True)
class Invitation:
    """Who may become a user, and what user.

    :ivar id: the fingerprint, in hexadecimal.
    :ivar strategy: by which they sign up; None is each of this plugin.
    :ivar email: the address that a provider has to have verified for them; None is anybody's.
    :ivar content: of the user, with ``profileIds`` if it says which.
    :ivar author: the kuid of who invites, and ``generation`` which of those who have had it.
    :ivar created_at, expires_at: in ms.
    """

    id: str
    strategy: str | None
    email: str | None
    content: Mapping[str, Any] = field(repr=False)
    author: str
    generation: str = field(repr=False)
    created_at: int
    expires_at: int

    def shown(self) -> dict[str, Any]:
        """Return what a client may see of it."""
        return {
            "_id": self.id,
            "strategy": self.strategy,
            "email": self.email,
            "content": dict(self.content),
            "author": self.author,
            "createdAt": self.created_at,
            "expiresAt": self.expires_at,
        }


async def issue(
    store: Store,
    author: User,
    content: Mapping[str, Any],
    lifetime: int,
    *,
    strategy: str | None = None,
    email: str | None = None,
) -> tuple[str, Invitation]:
    """Make an invitation; return its code, which is told this once, and what it is.

    :param lifetime: in ms.
    :raises errors.TooManyInvitations: the author has ``MOST`` that are open.
    """
    code, instant = secrets.token_urlsafe(32), now()
    mark = fingerprint(code)
    made = Invitation(
        mark.hex(),
        strategy,
        email,
        content,
        author.kuid,
        author.generation,
        instant,
        instant + lifetime,
    )
    row = {
        "fingerprint": mark,
        "strategy": strategy,
        "email": email,
        "content": json.dumps(dict(content)),
        "author": author.kuid,
        "author_generation": author.generation,
        "created_at": made.created_at,
        "expires_at": made.expires_at,
    }
    mine = (invitations.c.author == author.kuid) & (invitations.c.expires_at > instant)
    async with store.begin() as db:
        if (await db.scalar(select(func.count()).where(mine)) or 0) >= MOST:
            raise errors.TooManyInvitations(MOST)
        await db.execute(insert(invitations).values(row))
    return code, made


async def find(store: Store, id: str) -> Invitation | None:
    """Return an invitation that has not expired; None if there is none of this id."""
    async with store.read() as db:
        row = (await db.execute(select(invitations).where(_open(id)))).first()
    return None if row is None else _of_row(row)


async def listed(store: Store, *, offset: int, limit: int) -> Sequence[Invitation]:
    """Return invitations that have not expired, the latest first."""
    page = select(invitations).where(invitations.c.expires_at > now())
    page = page.order_by(invitations.c.created_at.desc(), invitations.c.fingerprint)
    async with store.read() as db:
        return [_of_row(row) for row in await db.execute(page.limit(limit).offset(offset))]


async def withdraw(store: Store, id: str) -> None:
    """Take an invitation back.

    :raises errors.NoSuchInvitation: there is none.
    """
    async with store.begin() as db:
        if (await db.execute(delete(invitations).where(_open(id)))).rowcount == 0:
            raise errors.NoSuchInvitation


async def spend(db: Database, id: str) -> None:
    """Spend an invitation within a transaction: of those who hold it, one is let in.

    :raises errors.InvalidInvitation: it is spent already, or not valid any more.
    """
    if (await db.execute(delete(invitations).where(_open(id)))).rowcount == 0:
        raise errors.InvalidInvitation(reason="the invitation is spent or over")


def fingerprint(code: str) -> bytes:
    """Return what is stored of a code."""
    return sha256(code.encode(errors="surrogatepass")).digest()


def same_address(one: str, other: str) -> bool:
    """Tell whether two texts are one address.

    The case of ASCII letters does not count, and nothing else is left out: other letters that
    fold to them are those of another mailbox.
    """
    return _folded(one) == _folded(other)


def _folded(address: str) -> str:
    return "".join(one.lower() if one.isascii() else one for one in address.strip())


def _open(id: str) -> ColumnElement[bool]:
    try:
        mark = bytes.fromhex(id)
    except ValueError:
        mark = b""
    return (invitations.c.fingerprint == mark) & (invitations.c.expires_at > now())


def _of_row(row: Row[Any]) -> Invitation:
    return Invitation(
        row.fingerprint.hex(),
        row.strategy,
        row.email,
        json.loads(row.content),
        row.author,
        row.author_generation,
        row.created_at,
        row.expires_at,
    )
