"""Tickets: random texts that let whoever holds one do one thing, once, for a while.

Only their SHA-256 is stored, so that a dump of the store opens nothing (OWASP ASVS 6.4.1).
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal

from sqlalchemy import Select, delete, insert, select

from ostiary import Database, Store
from ostiary_local import accounts
from ostiary_local.accounts import now
from ostiary_local.tables import tickets

Purpose = Literal["reset", "verify", "vouch"]
Origin = Literal["given", "mailed"]
"""How a user gets a ticket: as an answer, be it to an administrator; or by mail, which anybody can
ask for."""

MOST = 5
"""Tickets of a user for one purpose, of one origin: the oldest gives way to another."""

KEPT = 86_400_000
"""Milliseconds that an expired ticket is kept, so that its holder can be told that it expired."""

SWEPT = 100
"""Expired tickets that are removed when one is issued."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a ticket is good for.

    :ivar bound: what has to be as it was when the ticket was issued.
    :ivar expired: it is too late.
    :ivar created_at: when it was issued, in ms.
    """

    fingerprint: bytes
    kuid: str
    bound: str
    expired: bool
    created_at: int


async def issue(
    store: Store,
    purpose: Purpose,
    kuid: str,
    bound: str,
    lifetime: int,
    instant: int | None = None,
) -> str:
    """Return a new ticket: 256 random bits, as text.

    :param lifetime: in ms.
    :param instant: when that was so for which it is issued; in ms, None for now.
    """
    async with store.begin() as db:
        # Those issued at once for one account take turns, or there would be more than a few.
        await accounts.lock(db, kuid)
        return await add(db, purpose, "given", kuid, bound, lifetime, instant)


async def add(
    db: Database,
    purpose: Purpose,
    origin: Origin,
    kuid: str,
    bound: str,
    lifetime: int,
    instant: int | None = None,
) -> str:
    """Return a new ticket, within a transaction that has locked the account; see ``issue``."""
    ticket, instant = secrets.token_urlsafe(32), now() if instant is None else instant
    same = (tickets.c.kuid == kuid) & (tickets.c.purpose == purpose) & (tickets.c.origin == origin)
    kept = select(tickets.c.fingerprint).where(same).order_by(tickets.c.created_at.desc())
    newest = (await db.execute(kept.limit(MOST - 1))).scalars().all()
    old = (await db.execute(_old(instant))).scalars().all()
    gone = (same & tickets.c.fingerprint.not_in(newest)) | tickets.c.fingerprint.in_(old)
    await db.execute(delete(tickets).where(gone))
    row: dict[str, Any] = {
        "fingerprint": _fingerprint(ticket),
        "purpose": purpose,
        "origin": origin,
    }
    row |= {"kuid": kuid, "bound": bound}
    row |= {"created_at": instant, "expires_at": instant + lifetime}
    await db.execute(insert(tickets).values(row))
    return ticket


async def find(store: Store, purpose: Purpose, ticket: str) -> Ticket | None:
    """Return what a ticket is good for; it is not spent."""
    which = (tickets.c.fingerprint == _fingerprint(ticket)) & (tickets.c.purpose == purpose)
    wanted = select(tickets.c.kuid, tickets.c.bound, tickets.c.created_at, tickets.c.expires_at)
    async with store.read() as db:
        row = (await db.execute(wanted.where(which))).first()
    if row is None:
        return None
    expired = row.expires_at <= now()
    return Ticket(_fingerprint(ticket), row.kuid, row.bound, expired, row.created_at)


def _old(instant: int) -> Select[Any]:
    """Return some tickets that expired long ago; who removes others at this moment has theirs."""
    old = select(tickets.c.fingerprint).where(tickets.c.expires_at < instant - KEPT)
    return old.limit(SWEPT).with_for_update(skip_locked=True)


def _fingerprint(ticket: str) -> bytes:
    return sha256(ticket.encode(errors="surrogatepass")).digest()
