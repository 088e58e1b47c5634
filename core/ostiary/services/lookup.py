"""What the store knows of a token or an API key: the session it stands for, or why it does not."""

from __future__ import annotations

from collections.abc import Callable
from sys import intern

from ostiary import errors
from ostiary.services.accounts import Accounts
from ostiary.services.changes import Changes
from ostiary.services.lifetimes import Lifetimes
from ostiary.services.sessions import Session
from ostiary.services.signing import API_KEY, Kind
from ostiary.services.user_rows import COLUMNS, JOINED
from ostiary.storage import Store

# S608: of constants.
ROWS = (
    "SELECT t.kuid, t.generation, t.issued_at, t.expires_at, t.single_use, t.strategy,"  # noqa: S608
    " t.last_seen, t.replaced_at, t.successor, coalesce(t.began_at, t.issued_at),"
    f" coalesce(t.session, t.jti), t.foreign_session, {COLUMNS}"
    f" FROM tokens t JOIN users u ON u.kuid = t.kuid {JOINED}"
    " WHERE t.fingerprint = ?"
)
OF_TOKEN = 12
"""How many of their columns are those of the token."""

ROW_OF_KEY = (
    "SELECT kuid, generation, created_at, expires_at, id, last_seen"
    " FROM api_keys WHERE fingerprint = ?"
)


class Lookup:
    """Finds sessions in the store."""

    def __init__(
        self,
        store: Store,
        accounts: Accounts,
        changes: Changes,
        lifetimes: Lifetimes,
        clock: Callable[[], int],
    ) -> None:
        self._store, self._accounts, self._changes = store, accounts, changes
        self._lifetimes, self._clock = lifetimes, clock

    async def load(self, kind: Kind, fingerprint: bytes) -> Session:
        """Return the session of a token whose signature is good.

        :raises errors.TokenInvalid: it is unknown, revoked or expired.
        """
        if kind is API_KEY:
            session = await self._key(fingerprint)
        else:
            session, _ = await self._token(fingerprint)
        if session is None or self._over(session):
            raise errors.TokenInvalid
        return session

    async def fate(self, fingerprint: bytes) -> Session | None:
        """Return the session of a token, though it may be over, or that of its last successor."""
        session, successor = await self._token(fingerprint)
        while session is not None and successor is not None:
            session, successor = await self._token(successor)
        return session or await self._key(fingerprint)

    async def _token(self, fingerprint: bytes) -> tuple[Session | None, bytes | None]:
        """Return the session of a token, over or not, and what has replaced the token."""
        position = self._changes.position
        rows = await self._store.fetch_all(ROWS, fingerprint)
        if not rows:
            return None, None
        kuid, generation, _, end, once, strategy, seen, replaced_at, *rest = rows[0][:OF_TOKEN]
        successor, began, id, foreign = rest
        users = [row[OF_TOKEN:] for row in rows]
        account = await self._accounts.of_rows(kuid, users, position)
        if account is None or account.user.generation != generation or not account.user.enabled:
            return None, None
        end = self._lifetimes.bound(end, began)
        if replaced_at is not None:
            grace = replaced_at + self._lifetimes.grace
            end = grace if end is None else min(end, grace)
        strategy = strategy and intern(strategy)
        session = Session(fingerprint, account, end, strategy, id, began, seen)
        session.single_use, session.foreign = bool(once), foreign
        return session, successor

    async def _key(self, fingerprint: bytes) -> Session | None:
        row = await self._store.fetch(ROW_OF_KEY, fingerprint)
        if row is None:
            return None
        kuid, generation, created_at, end, id, seen = row
        account = await self._accounts.find(kuid)
        if account is None or account.user.generation != generation or not account.user.enabled:
            return None
        return Session(fingerprint, account, end, None, id, created_at, seen or 0, api_key=True)

    def _over(self, session: Session) -> bool:
        return session.expires_at is not None and session.expires_at <= self._clock()
