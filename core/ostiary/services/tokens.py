"""Tokens: issued at login, checked with every request, refreshed, revoked.

A token is ``kauth-`` and a JWT, an API key ``kapikey-`` and a JWT. A good
signature is not enough: the SHA-256 of the whole must stand in the store, which
holds nothing else of it, so a dump of the store signs nobody in.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import lru_cache

from sqlalchemy import delete, insert, select, update

from ostiary import errors
from ostiary.arguments import Duration
from ostiary.durations import MINUTE
from ostiary.events import SessionsEnded, SignedIn, SignedOut, TokenCreated, TokenRefreshed
from ostiary.services import endings
from ostiary.services.access import end_sessions
from ostiary.services.accounts import Account
from ostiary.services.activity import Activity
from ostiary.services.batches import Batch, remove
from ostiary.services.changes import EVERY, Changes, Thing, take_turn
from ostiary.services.events import Events
from ostiary.services.lifetimes import ENDLESS, Lifetimes
from ostiary.services.lookup import Lookup
from ostiary.services.memory import Memory
from ostiary.services.minting import Mint, fingerprint_of
from ostiary.services.sessions import Issued, Origin, Session, parts_of
from ostiary.services.signing import API_KEY, SESSION, SigningKeys
from ostiary.storage import Database, Prepared, Store
from ostiary.storage.tables import api_keys, login_flows, tokens

INSERT = Prepared(insert(tokens))

LONGEST = 4096
"""Characters of a token that are looked at; longer ones are refused undecoded (TOK-08)."""

_fingerprint = lru_cache(maxsize=2048)(fingerprint_of)
"""The same for tokens that come again and again: to look one up is cheaper than to hash it."""

KEPT = MINUTE
"""How long a token is kept that is over: a connection that is tied to it asks what became of it."""


class Tokens:
    """Issues, checks and revokes; what was checked is remembered until it changes.

    :param capacity: bytes that the sessions which are remembered may take.
    """

    def __init__(
        self,
        store: Store,
        keys: SigningKeys,
        lookup: Lookup,
        changes: Changes,
        events: Events,
        activity: Activity,
        lifetimes: Lifetimes,
        clock: Callable[[], int],
        capacity: int,
    ) -> None:
        self._store, self._keys, self._lookup = store, keys, lookup
        self._changes, self._events, self._activity = changes, events, activity
        self._lifetimes, self._clock = lifetimes, clock
        self._mint = Mint(store, keys, lookup, lifetimes, clock)
        self._memory: Memory[bytes, Session] = Memory(capacity, lambda one: one.size)
        changes.listen(self._heard)

    def peek(self, token: str) -> Session | None:
        """Return the session of a token that was checked before and is still good."""
        if len(token) > LONGEST:
            return None
        session = self._memory.get(_fingerprint(token))
        if session is None or session.account.stale:
            return None
        now = self._clock()
        if session.expires_at is not None and session.expires_at <= now:
            return None
        if session.seen + MINUTE <= now:
            self._activity.note(session, now)
        return session

    async def find(self, token: str) -> Session:
        """Return the session of a token or an API key; one of single use is used up by it.

        :raises errors.TokenInvalid: it is unknown, forged, revoked or expired.
        """
        if len(token) > LONGEST:
            raise errors.TokenInvalid
        session = self.peek(token)
        if session is not None:
            return session
        kind = API_KEY if token.startswith(API_KEY.prefix) else SESSION
        await self._keys.check(kind, token)
        while True:
            position = self._changes.position
            session = await self._lookup.load(kind, fingerprint_of(token))
            if session.single_use:
                await self._use_up(session)
                return session
            if position == self._changes.position:
                self._memory.put(session.fingerprint, session)
                self._activity.note(session, self._clock())
                return session

    async def is_good(self, token: str) -> bool:
        """Tell whether a token is anybody's."""
        try:
            await self.find(token)
        except errors.TokenInvalid:
            return False
        return True

    async def fate(self, fingerprint: bytes) -> Session | None:
        """Return the session of a token, though it may be over, or that of its last successor.

        None means that it was ended before its time, by itself or with its user; or that it
        was over longer ago than is kept.
        """
        return await self._lookup.fate(fingerprint)

    def check_lifetime(self, wanted: Duration | None) -> None:
        """Refuse a lifetime that no token is issued with.

        :raises errors.TtlExceeded: it is above the maximum.
        """
        self._lifetimes.choose(wanted)

    async def issue(
        self,
        account: Account,
        wanted: Duration | None,
        origin: Origin,
        *,
        unless_changed_since: int,
        along: Callable[[Database], Awaitable[None]] | None = None,
    ) -> Issued | None:
        """Return a new token for a user, or None if the user has changed meanwhile, or left.

        :param wanted: its lifetime; None is the default.
        :param unless_changed_since: the last change that what speaks for the user can know of.
        :param along: writes what belongs into the same transaction.
        """
        issued, row = await self._mint.make(account, self._lifetimes.choose(wanted), origin)
        told = SignedIn(kuid=account.kuid, strategy=origin.strategy, session=issued.session.id)
        outdating: list[Thing] = [("user", account.kuid)]
        if origin.strategy is not None:
            marks = endings.heard(account.kuid, origin.strategy, origin.foreign)
            outdating += [("ending", mark) for mark in marks]

        async def write(db: Database) -> bool:
            await take_turn(db)
            if await self._changes.since(db, unless_changed_since, *outdating):
                return False
            await db.execute(INSERT, row)
            await self._events.record(db, told)
            if along is not None:
                await along(db)
            return True

        return issued if await self._store.write(write) else None

    async def derive(
        self, session: Session, wanted: Duration | None, origin: Origin, *, single_use: bool
    ) -> Issued:
        """Return one more token for who holds one: another session, which always has an end.

        :raises errors.InvalidExpiration: it is to have none.
        """
        since = self._changes.position
        ttl = self._lifetimes.choose(wanted)
        if ttl == ENDLESS:
            raise errors.InvalidExpiration("expiresIn", "cannot be infinite")
        origin = replace(origin, strategy=session.strategy)
        issued, row = await self._mint.make(session.account, ttl, origin, after=session)
        issued.session.single_use = row["single_use"] = single_use
        async with self._store.begin() as db:
            await take_turn(db)
            if not await self._lives(db, session, since):
                raise errors.TokenInvalid
            await db.execute(INSERT, row)
            told = TokenCreated(
                kuid=session.account.kuid, session=issued.session.id, single_use=single_use
            )
            await self._events.record(db, told)
        return issued

    async def refresh(self, session: Session, wanted: Duration | None, origin: Origin) -> Issued:
        """Return a new token for an old one, which lives on for the grace period.

        Asked again within that period it gives the same new token again.

        :raises errors.RefreshForbidden: it is none that can be refreshed.
        """
        if session.api_key or session.single_use or session.expires_at is None:
            raise errors.RefreshForbidden(_what_is(session))
        ttl = self._lifetimes.choose(wanted)
        origin = replace(origin, strategy=session.strategy)
        issued, row = await self._mint.make(session.account, ttl, origin, after=session)
        issued.session.id = row["session"] = session.id
        now = self._clock()
        supersede = update(tokens).values(
            replaced_at=now,
            successor=row["fingerprint"],
            expires_at=min(session.expires_at, now + self._lifetimes.grace),
        )
        this = tokens.c.fingerprint == session.fingerprint
        async with self._store.begin() as db:
            await self._changes.record(db, "token", session.fingerprint.hex())
            done = await db.execute(supersede.where(this, tokens.c.replaced_at.is_(None)))
            if done.rowcount:
                await db.execute(INSERT, row)
                told = TokenRefreshed(kuid=session.account.kuid, session=session.id)
                await self._events.record(db, told)
        return issued if done.rowcount else await self._mint.repeat(session)

    async def revoke(self, session: Session) -> None:
        """End a session: its token, and the one that it replaced or that has replaced it.

        An API key stays: it is ended by deleting it.
        """
        if session.api_key:
            return
        which = parts_of(session.account.kuid, session.id)
        async with self._store.begin() as db:
            await take_turn(db)
            found = await db.execute(select(tokens.c.fingerprint).where(which))
            for fingerprint in found.scalars().all():
                await self._changes.record(db, "token", fingerprint.hex())
            await db.execute(delete(tokens).where(which))
            told = SignedOut(kuid=session.account.kuid, session=session.id)
            await self._events.record(db, told)

    async def revoke_all(self, kuid: str) -> None:
        """End every session of a user; their API keys stay."""
        async with self._store.begin() as db:
            await self._changes.record(db, "user", kuid)
            await end_sessions(db, kuid)
            await self._events.record(db, SessionsEnded(kuid=kuid))

    async def revoke_everyone(self) -> None:
        """End every session of everybody, and what is under way to one; API keys stay."""
        async with self._store.begin() as db:
            # Every account is read again, and with it every token.
            await self._changes.record(db, "rights")
            await self._changes.record(db, "token", EVERY)
            await db.execute(delete(tokens))
            # A one-time code stands for a login that is over.
            await db.execute(delete(login_flows))
            await self._events.record(db, SessionsEnded(kuid=None))

    async def purge(self, batch: Batch) -> int:
        """Remove some tokens that are over for longer than they are kept; return how many."""
        dead = tokens.c.expires_at < self._clock() - KEPT
        return await remove(self._store, tokens, dead, tokens.c.expires_at, batch)

    async def _use_up(self, session: Session) -> None:
        """Use a token of single use: of many at once, one is the first (TOK-23)."""
        this = tokens.c.fingerprint == session.fingerprint
        async with self._store.begin() as db:
            if (await db.execute(delete(tokens).where(this))).rowcount != 1:
                raise errors.TokenInvalid

    async def _lives(self, db: Database, session: Session, since: int) -> bool:
        """Tell whether a session has not ended since it was found."""
        if session.single_use:
            kuid = session.account.kuid
            changed = session.account.stale or await self._changes.since(db, since, ("user", kuid))
            return not changed
        table = api_keys if session.api_key else tokens
        this = select(table.c.kuid).where(table.c.fingerprint == session.fingerprint)
        return await db.scalar(this) is not None

    def _heard(self, what: str, id: str) -> None:
        if what == "token":
            self._memory.forget(bytes.fromhex(id))


def _what_is(session: Session) -> str:
    if session.api_key:
        return "API Key"
    return "A token of single use" if session.single_use else "A token without end"
