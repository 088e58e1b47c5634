"""What a user is shown of their own sign-ins, and of attempts on their account."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, select

from ostiary.plugins import Strategies
from ostiary.services.account_hashes import AccountHashes
from ostiary.services.accounts import Account
from ostiary.services.audit_log import Entry
from ostiary.storage import Database, Store
from ostiary.storage.tables import audit

OUTCOMES = {
    "SignedIn": "signedIn",
    "SignInRefused": "refused",
    "SignInHeldBack": "heldBack",
    "ReauthenticationRefused": "proofRefused",
}
"""How the events are called that are shown."""

NAMING = ("CredentialsCreated", "CredentialsChanged")
"""Events by which a user may have got a name to sign in with that nobody, or another, had before."""

LOOKED_AT = 200
"""Such events of a user, the newest, that are looked at."""


class SignIn(Struct, frozen=True):
    """A sign-in, or an attempt; why it was refused is not for them to know.

    :ivar count: how many alike there were within a minute.
    :ivar proved: the secret was right, and something else was missing.
    :ivar session: the id of the session that has begun.
    """

    id: int
    at: int
    outcome: str
    strategy: str | None
    address: str | None
    agent: str | None
    count: int
    proved: bool
    session: str | None

    def to_json(self) -> dict[str, Any]:
        """Return it as clients see it."""
        told = {name: getattr(self, name) for name in self.__struct_fields__ if name != "id"}
        return {"_id": str(self.id), **told}


class SignIns:
    """Reads the audit log for one user."""

    def __init__(self, store: Store, hashes: AccountHashes, strategies: Strategies) -> None:
        self._store, self._hashes, self._strategies = store, hashes, strategies

    async def of(self, account: Account, *, size: int, before: int | None = None) -> list[SignIn]:
        """Return sign-ins of a user and attempts on their account, the newest first.

        What somebody did who had the same kuid before is not theirs, nor are attempts on
        a name that are known to be about another user, or were made before it was theirs: whoever
        takes a name that others have mistyped would see where those are.

        :param before: begin with the one before the one of this number.
        """
        counted = await self._hashes.of(account)
        mine = audit.c.about == account.kuid
        here = audit.c.at >= (account.user.created_at or 0)
        naming = select(audit.c.sequence, audit.c.strategy, audit.c.details)
        naming = naming.where(mine, here, audit.c.event.in_(NAMING))
        naming = naming.order_by(audit.c.sequence.desc()).limit(LOOKED_AT)
        if before is not None:
            here &= audit.c.sequence < before

        async def work(db: Database) -> list[Entry]:
            since = self._named_since((await db.execute(naming)).all())
            nobodys = (
                audit.c.account.in_(one.hashes)
                & audit.c.about.is_(None)
                & (audit.c.sequence > since(one.strategy))
                for one in counted
            )
            # Each finds its rows by an index, as all together would not.
            each = [_newest(which & here, size) for which in (mine, *nobodys)]
            rows: list[Any] = [row for some in each for row in (await db.execute(some)).all()]
            return [Entry(*row) for row in rows]

        found = await self._store.search(work)
        found.sort(key=lambda entry: -entry.sequence)
        return [_shown(entry) for entry in found[:size]]

    def _named_since(self, rows: Sequence[Any]) -> Callable[[str], int]:
        """Return after which number of the log the names of a strategy's accounts are the user's.

        :param rows: the newest events of ``NAMING``, the last one first.
        """
        known: dict[str, int] = {}
        for row in rows:
            given = (row.details or {}).get("fields")
            if given is None or not self._secret(row.strategy).issuperset(given):
                known.setdefault(row.strategy, row.sequence)
        rest = rows[-1].sequence if len(rows) == LOOKED_AT else 0
        return lambda strategy: known.get(strategy, rest)

    def _secret(self, strategy: str) -> frozenset[str]:
        """Return the fields of a strategy that name nobody."""
        if not self._strategies.knows(strategy):
            return frozenset()
        return frozenset(
            one.name for one in self._strategies.find(strategy).described if one.secret
        )


def _newest(which: ColumnElement[bool], size: int) -> Any:
    shown = audit.c.event.in_(OUTCOMES)
    return select(audit).where(which, shown).order_by(audit.c.sequence.desc()).limit(size)


def _shown(entry: Entry) -> SignIn:
    details = entry.details or {}
    return SignIn(
        id=entry.sequence,
        at=entry.at,
        outcome=OUTCOMES[entry.event],
        strategy=entry.strategy,
        address=entry.address,
        agent=entry.agent,
        count=details.get("count", 1),
        proved=details.get("proved", False),
        session=details.get("session"),
    )
