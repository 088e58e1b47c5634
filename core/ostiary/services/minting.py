"""Making tokens: what is handed out once, and what is kept of it."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any

from ostiary import errors
from ostiary.durations import MINUTE
from ostiary.services.accounts import Account
from ostiary.services.lifetimes import ENDLESS, Lifetimes
from ostiary.services.lookup import Lookup
from ostiary.services.sessions import Issued, Origin, Session
from ostiary.services.signing import SESSION, SigningKeys
from ostiary.storage import Store

SUCCESSOR = "SELECT successor, replaced_at FROM tokens WHERE fingerprint = ?"
SIGNED = "SELECT jti, key_id, issued_at, expires_at FROM tokens WHERE fingerprint = ?"


class Mint:
    """Makes tokens; to write the rows is for who asked for them."""

    def __init__(
        self,
        store: Store,
        keys: SigningKeys,
        lookup: Lookup,
        lifetimes: Lifetimes,
        clock: Callable[[], int],
    ) -> None:
        self._store, self._keys, self._lookup = store, keys, lookup
        self._lifetimes, self._clock = lifetimes, clock

    async def make(
        self, account: Account, ttl: int, origin: Origin, *, after: Session | None = None
    ) -> tuple[Issued, dict[str, Any]]:
        """Return a new token, and its row.

        :param after: the session that it goes on with, or comes from: it lasts no longer.
        """
        now = self._clock()
        began_at = now if after is None or after.api_key else after.began_at
        end = self._lifetimes.bound(None if ttl == ENDLESS else now + ttl, began_at)
        token, jti, key_id = await self._keys.mint(
            SESSION, account.kuid, issued_at=now, expires_at=end
        )
        seen = now - now % MINUTE
        session = Session(fingerprint_of(token), account, end, origin.strategy, jti, began_at, seen)
        session.foreign = origin.foreign if after is None else after.foreign
        row = {
            "fingerprint": session.fingerprint,
            "kuid": account.kuid,
            "generation": account.user.generation,
            "jti": jti,
            "key_id": key_id,
            "issued_at": now,
            "expires_at": end,
            "single_use": False,
            "strategy": origin.strategy,
            "agent": origin.agent,
            "address": origin.address,
            "last_seen": seen,
            "session": jti,
            "began_at": began_at,
            "foreign_session": session.foreign,
        }
        return Issued(token, ENDLESS if end is None else end - now, session), row

    async def repeat(self, session: Session) -> Issued:
        """Return once more the token that has replaced another, within the grace period.

        :raises errors.TokenInvalid: none has, or it is too late.
        """
        old = await self._store.fetch(SUCCESSOR, session.fingerprint)
        new = old and await self._store.fetch(SIGNED, old[0])
        if not old or not new or old[1] + self._lifetimes.grace <= self._clock():
            raise errors.TokenInvalid
        jti, key_id, issued_at, expires_at = new
        kuid = session.account.kuid
        token = await self._keys.mint_again(
            SESSION, key_id, kuid=kuid, jti=jti, issued_at=issued_at, expires_at=expires_at
        )
        ttl = ENDLESS if expires_at is None else expires_at - issued_at
        return Issued(token, ttl, await self._lookup.load(SESSION, old[0]))


def fingerprint_of(token: str) -> bytes:
    """Return what is kept of a token: all of its characters count (TOK-05)."""
    return sha256(token.encode("utf-8", "surrogatepass")).digest()
