"""Tokens: issued at login, checked with every request, refreshed, revoked.

A token is ``kauth-`` and a JWT. A good signature is not enough: the token's
SHA-256 must stand in the store, which holds nothing else of it, so a dump of
the store signs nobody in.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

import msgspec
from sqlalchemy import delete, insert, select, update

from ostiary import errors
from ostiary.arguments import Duration
from ostiary.services.accounts import Account, Accounts
from ostiary.services.changes import Changes, take_turn
from ostiary.services.memory import Memory
from ostiary.services.signing import SigningKeys
from ostiary.storage import Database, Store
from ostiary.storage.tables import tokens

PREFIX = "kauth-"
LONGEST = 4096
"""Characters of a token that are looked at; longer ones are refused undecoded (TOK-08)."""

MINUTE = 60_000
ENDLESS = Duration(-1)

LOOK_UP = (
    "SELECT kuid, generation, jti, key_id, issued_at, expires_at, strategy, replaced_at, successor"
    " FROM tokens WHERE fingerprint = ?"
)
LOOK_UP_KEY = "SELECT kuid, generation, expires_at FROM api_keys WHERE fingerprint = ?"


class Session(msgspec.Struct, eq=False):
    """A token that was found good, and whose it is; instants in ms, None is never."""

    fingerprint: bytes
    account: Account
    expires_at: int | None
    strategy: str | None


@dataclass(frozen=True, slots=True)
class Issued:
    """A new token, as a client receives it."""

    kuid: str
    token: str = field(repr=False)
    expires_at: int | None
    ttl: int
    session: Session = field(repr=False, compare=False)

    def to_json(self) -> dict[str, Any]:
        """Return the answer of a login."""
        expires_at = -1 if self.expires_at is None else self.expires_at
        return {"_id": self.kuid, "jwt": self.token, "expiresAt": expires_at, "ttl": self.ttl}


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long tokens live, in ms; -1 is without end."""

    default: int
    longest: int
    grace: int

    def choose(self, wanted: Duration | None) -> int:
        """Return the lifetime of a new token.

        :raises errors.TtlExceeded: it is above the maximum.
        """
        ttl = self.default if wanted is None else wanted
        if self.longest > ENDLESS and (ttl == ENDLESS or ttl > self.longest):
            raise errors.TtlExceeded
        return ttl


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a token was asked for, to be shown to its owner."""

    strategy: str | None = None
    agent: str | None = None
    address: str | None = None


class Tokens:
    """Issues, checks and revokes; what was checked is remembered until it changes."""

    def __init__(
        self,
        store: Store,
        keys: SigningKeys,
        accounts: Accounts,
        changes: Changes,
        lifetimes: Lifetimes,
        clock: Callable[[], int],
        capacity: int,
    ) -> None:
        self._store, self._keys, self._accounts = store, keys, accounts
        self._changes, self._lifetimes, self._clock = changes, lifetimes, clock
        self._memory: Memory[bytes, Session] = Memory(capacity)
        changes.listen(self._heard)

    def peek(self, token: str) -> Session | None:
        """Return the session of a token that was checked before and is still good."""
        session = self._memory.get(_fingerprint(token))
        if session is None or session.account.stale or self._over(session.expires_at):
            return None
        return session

    async def find(self, token: str) -> Session:
        """Return the session of a token.

        :raises errors.TokenInvalid: it is unknown, forged, revoked or expired.
        """
        if len(token) > LONGEST or not token.startswith(PREFIX):
            raise errors.TokenInvalid
        session = self.peek(token)
        if session is None:
            self._keys.verify(token[len(PREFIX) :])
            session = await self._load(_fingerprint(token))
        return session

    async def is_good(self, token: str) -> bool:
        """Tell whether a token is anybody's."""
        try:
            await self.find(token)
        except errors.TokenInvalid:
            return False
        return True

    async def issue(
        self,
        account: Account,
        wanted: Duration | None,
        origin: Origin,
        *,
        unless_changed_since: int,
        along: Callable[[Database], Awaitable[None]] | None = None,
    ) -> Issued | None:
        """Return a new token for a user, or None if the user has changed meanwhile.

        :param wanted: its lifetime; None is the default.
        :param unless_changed_since: the last change that what speaks for the user can know of.
        :param along: writes what belongs into the same transaction.
        """
        ttl = self._lifetimes.choose(wanted)
        issued, row = self._make(account, ttl, origin)
        async with self._store.begin() as db:
            if await self._changes.since(db, unless_changed_since, "user", account.kuid):
                return None
            await db.execute(insert(tokens).values(row))
            if along is not None:
                await along(db)
        return issued

    async def refresh(self, session: Session, wanted: Duration | None, origin: Origin) -> Issued:
        """Return a new token for an old one, which lives on for the grace period.

        Asked again within that period it gives the same new token again.
        """
        if session.expires_at is None:
            raise errors.RefreshForbidden("A token without end")
        origin = replace(origin, strategy=session.strategy)
        issued, row = self._make(session.account, self._lifetimes.choose(wanted), origin)
        this = tokens.c.fingerprint == session.fingerprint
        supersede = update(tokens).where(this, tokens.c.replaced_at.is_(None))
        supersede = supersede.values(replaced_at=self._clock(), successor=row["fingerprint"])
        async with self._store.begin() as db:
            await self._changes.record(db, "token", session.fingerprint.hex())
            won = (await db.execute(supersede)).rowcount
            if won:
                await db.execute(insert(tokens).values(row))
        return issued if won else await self._repeat(session)

    async def revoke(self, session: Session) -> None:
        """End a token, and with it the one that it replaced or that has replaced it."""
        this = tokens.c.fingerprint == session.fingerprint
        successor = select(tokens.c.successor).where(this).scalar_subquery()
        chain = (
            this | (tokens.c.successor == session.fingerprint) | (tokens.c.fingerprint == successor)
        )
        async with self._store.begin() as db:
            await take_turn(db)
            found = await db.execute(select(tokens.c.fingerprint).where(chain))
            for fingerprint in found.scalars().all():
                await self._changes.record(db, "token", fingerprint.hex())
                await db.execute(delete(tokens).where(tokens.c.fingerprint == fingerprint))

    async def revoke_all(self, kuid: str) -> None:
        """End every token of a user."""
        async with self._store.begin() as db:
            await self._changes.record(db, "user", kuid)
            await db.execute(delete(tokens).where(tokens.c.kuid == kuid))

    async def fate(self, fingerprint: bytes) -> Session | None:
        """Return the session of a token, though it may be over, or that of its last successor.

        None means that it was ended before its time, by itself or with its user.
        """
        row = await self._store.fetch(LOOK_UP, fingerprint)
        while row is not None and row[8] is not None:
            fingerprint = row[8]
            row = await self._store.fetch(LOOK_UP, fingerprint)
        if row is not None:
            kuid, generation, _, _, _, expires_at, strategy, *_ = row
        elif (key := await self._store.fetch(LOOK_UP_KEY, fingerprint)) is not None:
            kuid, generation, expires_at, strategy = *key, None
        else:
            return None
        account = await self._accounts.find(kuid)
        if account is None or account.user.generation != generation or not account.user.enabled:
            return None
        return Session(fingerprint, account, expires_at, strategy)

    async def purge(self, batch: int) -> int:
        """Remove some tokens that have expired or were replaced; return how many."""
        now = self._clock()
        # Whoever is tied to a token has to find it expired, not revoked, when it ends.
        dead = (tokens.c.expires_at < now - MINUTE) | (
            tokens.c.replaced_at < now - self._lifetimes.grace - MINUTE
        )
        some = select(tokens.c.fingerprint).where(dead).limit(batch).scalar_subquery()
        async with self._store.begin() as db:
            gone = await db.execute(delete(tokens).where(tokens.c.fingerprint.in_(some)))
            return int(gone.rowcount)

    async def _load(self, fingerprint: bytes) -> Session:
        while True:
            position = self._changes.position
            row = await self._store.fetch(LOOK_UP, fingerprint)
            if row is None:
                raise errors.TokenInvalid
            kuid, generation, _, _, _, expires_at, strategy, replaced_at, _ = row
            if replaced_at is not None:
                expires_at = min(expires_at, replaced_at + self._lifetimes.grace)
            account = await self._accounts.find(kuid)
            if account is None or account.user.generation != generation:
                raise errors.TokenInvalid
            if self._over(expires_at) or not account.user.enabled:
                raise errors.TokenInvalid
            session = Session(fingerprint, account, expires_at, strategy)
            if position == self._changes.position:
                self._memory.put(fingerprint, session)
                return session

    async def _repeat(self, session: Session) -> Issued:
        """Sign the successor of a token again: HS256 of the same claims is the same text."""
        old = await self._store.fetch(LOOK_UP, session.fingerprint)
        new = old and await self._store.fetch(LOOK_UP, old[8])
        if not old or not new or self._over(old[7] + self._lifetimes.grace):
            raise errors.TokenInvalid
        kuid, _, jti, key_id, issued_at, expires_at, strategy, *_ = new
        token, _ = self._sign(kuid, jti, issued_at, expires_at, key_id)
        ttl = ENDLESS if expires_at is None else expires_at - issued_at
        successor = Session(old[8], session.account, expires_at, strategy)
        return Issued(kuid, token, expires_at, ttl, successor)

    def _make(self, account: Account, ttl: int, origin: Origin) -> tuple[Issued, dict[str, Any]]:
        now = self._clock()
        expires_at = None if ttl == ENDLESS else now + ttl
        jti = secrets.token_hex(16)
        token, key_id = self._sign(account.kuid, jti, now, expires_at)
        row: dict[str, Any] = {
            "fingerprint": _fingerprint(token),
            "kuid": account.kuid,
            "generation": account.user.generation,
            "jti": jti,
            "key_id": key_id,
            "issued_at": now,
            "expires_at": expires_at,
            "single_use": False,
            "strategy": origin.strategy,
            "agent": origin.agent,
            "address": origin.address,
            "last_seen": now - now % MINUTE,
        }
        session = Session(row["fingerprint"], account, expires_at, origin.strategy)
        return Issued(account.kuid, token, expires_at, ttl, session), row

    def _sign(
        self, kuid: str, jti: str, issued_at: int, expires_at: int | None, key_id: str | None = None
    ) -> tuple[str, str]:
        claims: Mapping[str, Any] = {"_id": kuid, "iat": issued_at // 1000, "jti": jti}
        if expires_at is not None:
            claims = {**claims, "exp": expires_at // 1000}
        jwt, key_id = self._keys.sign(claims, key_id)
        return PREFIX + jwt, key_id

    def _over(self, instant: int | None) -> bool:
        return instant is not None and instant <= self._clock()

    def _heard(self, what: str, id: str) -> None:
        if what == "token":
            self._memory.forget(bytes.fromhex(id))


def _fingerprint(token: str) -> bytes:
    return sha256(token.encode(errors="surrogatepass")).digest()
