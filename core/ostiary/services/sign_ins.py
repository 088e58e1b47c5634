"""What a user is shown of their own sign-ins, and of attempts on their account."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import ColumnElement

from ostiary.plugins import Strategies
from ostiary.services.account_hashes import AccountHashes
from ostiary.services.accounts import Account
from ostiary.services.audit_filters import Part, Wanted
from ostiary.services.audit_log import Entry
from ostiary.services.audit_lookups import look_up, look_up_older, page_of
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

CREATED = "UserCreated"

LOOKED_THROUGH = 5000
"""Entries about a user, the newest, among which such events are looked for; what is older than
they are, and names nobody, is not shown. Attackers write as many as they like."""


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
        since, whose = account.user.created_at or 0, (("about", account.kuid),)

        async def work(db: Database) -> list[Entry]:
            mine = await look_up(db, Part(Wanted(since=since), whose))
            oldest: Any = (await db.execute(mine.query().offset(LOOKED_THROUGH).limit(1))).first()
            start, least = (since, 0) if oldest is None else (oldest.at, oldest.sequence)
            naming = await look_up(db, Part(Wanted(since=start, events=(*NAMING, CREATED)), whose))
            rows: Sequence[Any] = (await db.execute(naming.query())).all()
            # Not in the order of clocks: of two machines they do not agree.
            named = sorted(
                (row for row in rows if row.sequence > least), key=lambda row: -row.sequence
            )
            # A machine whose clock is ahead may have told of who had the same kuid before.
            born = next((row.sequence for row in named if row.event == CREATED), 0)
            theirs = self._named_since(
                [row for row in named if row.event != CREATED], max(least, born)
            )
            shown = Wanted(since=since, events=tuple(OUTCOMES))
            sought: list[tuple[Part, ColumnElement[bool]]] = [
                (Part(shown, whose), audit.c.sequence + 0 > born)
            ]
            # Each finds its rows by an index, as all together would not.
            for one in counted:
                after = audit.c.sequence + 0 > theirs(one.strategy)
                nobodys = audit.c.about.concat("").is_(None) & after
                sought += [(Part(shown, (("account", hash),)), nobodys) for hash in one.hashes]
            parts = [part for part, _ in sought]
            if before is None:
                lookups = [await look_up(db, part) for part in parts]
            else:
                lookups = await look_up_older(db, parts, before)
            lookups = [
                replace(one, which=one.which & also)
                for one, (_, also) in zip(lookups, sought, strict=bool(lookups))
            ]
            return [Entry(*row) for row in await page_of(db, lookups, size=size)]

        return [_shown(entry) for entry in await self._store.search(work)]

    def _named_since(self, rows: Sequence[Any], least: int) -> Callable[[str], int]:
        """Return after which number of the log the names of a strategy's accounts are the user's.

        :param rows: the events of ``NAMING`` after a number, the last one first.
        :param least: this number.
        """
        known: dict[str, int] = {}
        for row in rows:
            given = (row.details or {}).get("fields")
            if given is None or not self._secret(row.strategy).issuperset(given):
                known.setdefault(row.strategy, row.sequence)
        return lambda strategy: known.get(strategy, least)

    def _secret(self, strategy: str) -> frozenset[str]:
        """Return the fields of a strategy that name nobody."""
        if not self._strategies.knows(strategy):
            return frozenset()
        return frozenset(
            one.name for one in self._strategies.find(strategy).described if one.secret
        )


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
