"""Sessions: what a good token stands for; listing those of a user, and ending one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, delete, func, select

from ostiary import errors
from ostiary.events import SessionsEnded
from ostiary.services import endings
from ostiary.services.access import session_id
from ostiary.services.accounts import Account
from ostiary.services.activity import Activity
from ostiary.services.changes import Changes, take_turn
from ostiary.services.events import Events
from ostiary.services.lifetimes import Lifetimes
from ostiary.storage import Store
from ostiary.storage.tables import tokens

MOST = 1000
"""Sessions that are listed, the last used first; the others are only counted."""


BASE = 500
"""Bytes of memory that a session takes, short of its account, as an estimate."""


# Nothing refers back to it: the collector need not look at a hundred thousand of them.
class Session(msgspec.Struct, eq=False, gc=False):
    """A token or API key that was found good, and whose it is; instants in ms, None is never.

    :param id: stays the same when the token is refreshed; of an API key, its own.
    :param began_at: when it was signed in.
    :param seen: the last minute in which it is known to have been used.
    :param foreign: by what the plugin that signed the user in names it.
    """

    fingerprint: bytes
    account: Account
    expires_at: int | None
    strategy: str | None
    id: str = ""
    began_at: int = 0
    seen: int = 0
    api_key: bool = False
    single_use: bool = False
    foreign: str | None = None

    @property
    def size(self) -> int:
        """Bytes that it takes together with its account, which may be forgotten elsewhere."""
        return BASE + self.account.size


@dataclass(frozen=True, slots=True)
class Issued:
    """A new token, as a client receives it, and the session that it stands for."""

    token: str = field(repr=False)
    ttl: int
    session: Session = field(repr=False, compare=False)

    @property
    def kuid(self) -> str:
        """Whose it is."""
        return self.session.account.kuid

    @property
    def expires_at(self) -> int | None:
        """When it ends; None is never."""
        return self.session.expires_at

    def to_json(self) -> dict[str, Any]:
        """Return the answer of a login."""
        expires_at = -1 if self.expires_at is None else self.expires_at
        return {"_id": self.kuid, "jwt": self.token, "expiresAt": expires_at, "ttl": self.ttl}


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a token was asked for, to be shown to its owner.

    :ivar foreign: by what the plugin that signs the user in names the session; shown to nobody.
    """

    strategy: str | None = None
    agent: str | None = None
    address: str | None = None
    foreign: str | None = field(default=None, repr=False)


class OpenSession(Struct, frozen=True):
    """A session in a list: nothing in it opens anything."""

    id: str
    began_at: int
    last_seen: int
    expires_at: int | None
    origin: Origin
    single_use: bool

    def to_json(self, current: Session | None) -> dict[str, Any]:
        """Return it as clients see it.

        :param current: the session of who asks.
        """
        return {
            "_id": self.id,
            "createdAt": self.began_at,
            "lastSeenAt": self.last_seen,
            "expiresAt": -1 if self.expires_at is None else self.expires_at,
            "address": self.origin.address,
            "agent": self.origin.agent,
            "strategy": self.origin.strategy,
            "singleUse": self.single_use,
            "current": current is not None and not current.api_key and current.id == self.id,
        }


began_at = func.coalesce(tokens.c.began_at, tokens.c.issued_at)


def parts_of(kuid: str, id: str) -> ColumnElement[bool]:
    """Return what is true of every token that is or was a part of a session of a user."""
    return (tokens.c.kuid == kuid) & (session_id == id)


class Sessions:
    """Lists the sessions of a user, and ends one of them."""

    def __init__(
        self,
        store: Store,
        changes: Changes,
        events: Events,
        activity: Activity,
        lifetimes: Lifetimes,
        clock: Callable[[], int],
    ) -> None:
        self._store, self._changes, self._events = store, changes, events
        self._activity, self._lifetimes, self._clock = activity, lifetimes, clock

    async def of(self, account: Account) -> tuple[list[OpenSession], int]:
        """Return the sessions of a user that are open, and how many there are."""
        mine = (tokens.c.kuid == account.kuid) & (tokens.c.generation == account.user.generation)
        which = mine & self.open()
        listed = select(tokens, session_id.label("id"), began_at.label("began")).where(which)
        listed = listed.order_by(tokens.c.last_seen.desc(), began_at.desc()).limit(MOST)
        async with self._store.read() as db:
            rows = (await db.execute(listed)).all()
            count = await db.scalar(select(func.count()).select_from(tokens).where(which))
        return [self.opened(row) for row in rows], count

    def open(self) -> ColumnElement[bool]:
        """Return what is true of the newest token of every session that is open now."""
        now = self._clock()
        lasting = tokens.c.expires_at.is_(None) | (tokens.c.expires_at > now)
        if self._lifetimes.session >= 0:
            lasting &= now - self._lifetimes.session < began_at
        # A token that was replaced lives on for a moment, as a part of the same session.
        return lasting & tokens.c.replaced_at.is_(None)

    async def revoke(self, kuid: str, id: str, *, strategy: str | None = None) -> None:
        """End a session of a user, with every token that is or was a part of it.

        :param strategy: end it only if this one has opened it.
        :raises errors.SessionNotFound: the user has no such session.
        """
        which = parts_of(kuid, id)
        if strategy is not None:
            which &= tokens.c.strategy == strategy
        async with self._store.begin() as db:
            await take_turn(db)
            found = (await db.execute(select(tokens.c.fingerprint).where(which))).scalars().all()
            if not found:
                raise errors.SessionNotFound(id)
            for fingerprint in found:
                await self._changes.record(db, "token", fingerprint.hex())
            await db.execute(delete(tokens).where(which))
            await self._events.record(db, SessionsEnded(kuid=kuid, session=id))

    async def end_of(
        self, kuid: str | None, strategies: Iterable[str], *, foreign: str | None = None
    ) -> int:
        """End the sessions of a user that some strategies have opened; return how many.

        Logins that are proved, and have no token yet, end as well; they are not counted.

        :param kuid: None is everybody's.
        :param foreign: end only what goes by this name.
        """
        own = tuple(strategies)
        if not own:
            return 0
        which: ColumnElement[bool] = tokens.c.strategy.in_(own)
        if kuid is not None:
            which &= tokens.c.kuid == kuid
        if foreign is not None:
            which &= tokens.c.foreign_session == foreign
        async with self._store.begin() as db:
            await self._changes.record_many(db, "ending", endings.told(kuid, own, foreign))
            found = await db.execute(
                select(tokens.c.fingerprint, tokens.c.kuid, session_id.label("id")).where(which)
            )
            rows = found.all()
            for row in rows:
                await self._changes.record(db, "token", row.fingerprint.hex())
            await db.execute(delete(tokens).where(which))
            ended = sorted({(row.kuid, row.id) for row in rows})
            for owner, id in ended:
                await self._events.record(db, SessionsEnded(kuid=owner, session=id))
        return len(ended)

    def opened(self, row: Any) -> OpenSession:
        """Return a session of a row that has its ``id``, and as ``began`` when it began."""
        return OpenSession(
            id=row.id,
            began_at=row.began,
            last_seen=max(row.last_seen, self._activity.noted(row.fingerprint)),
            expires_at=self._lifetimes.bound(row.expires_at, row.began),
            origin=Origin(row.strategy, row.agent, row.address),
            single_use=row.single_use,
        )
