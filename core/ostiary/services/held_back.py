"""Who has to wait after failed logins: told by name as far as that can be known, and released.

The core counts under keyed hashes, for what was typed as a name may be a password. A hash is
given a name by hashing what the audit log knows of recent refusals: the accounts of users who
exist, addresses, and both together. What was tried with a name that nobody has stays a hash.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct
from sqlalchemy import ColumnElement, delete, func, select

from ostiary import errors
from ostiary.durations import MINUTE
from ostiary.events import LoginsReleased
from ostiary.networks import network
from ostiary.services.account_hashes import AccountHashes
from ostiary.services.accounts import Accounts
from ostiary.services.changes import take_turn
from ostiary.services.counters import LONGEST_DELAY
from ostiary.services.events import Events
from ostiary.services.login_limits import LoginLimits
from ostiary.storage import Database, Store
from ostiary.storage.tables import audit, devices, login_counters

Kind = Literal["account", "address", "device"]

REFUSALS = ("SignInRefused", "SignInHeldBack", "ReauthenticationRefused", "ActionRefused")
LOOKED_THROUGH = 50_000
"""Entries of the audit log, the newest, among which refusals are looked for."""

MOST_CLUES = 2000
MOST_ASKED = 50
"""Users whose strategies are asked by what their accounts are counted."""


class Clue(Struct, frozen=True):
    """What a refusal tells that may give a hash a name."""

    account: bytes | None
    address: str | None
    kuid: str | None
    strategy: str | None


class Name(Struct, frozen=True):
    """What a hash stands for; of an account that nobody is known to have, the strategy alone.

    :ivar address: also of a device without a cookie; of IPv6 its network.
    """

    kind: Kind
    kuid: str | None = None
    strategy: str | None = None
    address: str | None = None


class HeldBack(Struct, frozen=True):
    """Somebody who has to wait.

    :ivar name: None if it is not known what the hash stands for.
    :ivar above: how many failures there were above those that are free.
    :ivar failures: how many in all; None if it is not known how many are free.
    """

    subject: bytes
    until: int
    above: int
    name: Name | None
    failures: int | None

    def to_json(self) -> dict[str, Any]:
        """Return it as clients see it."""
        name = self.name
        return {
            "_id": self.subject.hex(),
            "kind": None if name is None else name.kind,
            "kuid": None if name is None else name.kuid,
            "strategy": None if name is None else name.strategy,
            "address": None if name is None else name.address,
            "failures": self.failures,
            "until": self.until,
        }


class HoldingBack:
    """Looks at the counters of failed logins, and takes locks off them."""

    def __init__(
        self,
        store: Store,
        limits: LoginLimits,
        accounts: Accounts,
        hashes: AccountHashes,
        events: Events,
        clock: Callable[[], int],
    ) -> None:
        self._store, self._limits, self._events, self._clock = store, limits, events, clock
        self._accounts, self._hashes = accounts, hashes

    async def search(
        self, *, user: str | None = None, size: int, start: int = 0
    ) -> tuple[list[HeldBack], int]:
        """Return who is held back now, those for longest first, and how many there are.

        :param user: only the accounts of this one, and the devices known for them by address.
        """
        which = self._locked()
        names: dict[bytes, Name] = {}
        if user is not None:
            names = await self._of_user(user)
            which &= login_counters.c.subject.in_(list(names))
        found, count = await self._counters(which, size, start)
        unknown = {row.subject for row in found} - names.keys()
        if user is not None or unknown:
            names = {**names, **await self._names({row.subject for row in found})}
        return [self._held(row, names.get(row.subject)) for row in found], count

    async def find(self, subject: bytes) -> HeldBack | None:
        """Return what is held back under a hash, or None."""
        found, _ = await self._counters(self._locked() & (login_counters.c.subject == subject), 1)
        if not found:
            return None
        names = await self._names({subject})
        return self._held(found[0], names.get(subject))

    async def release(self, held: HeldBack) -> None:
        """Forget the failures of whoever is held back: they may try again now.

        :raises errors.NotHeldBack: they may already.
        """
        name = held.name
        told = LoginsReleased(
            kuid=None if name is None else name.kuid,
            strategy=None if name is None else name.strategy,
            account=held.subject if name is not None and name.kind == "account" else None,
            kind=None if name is None else name.kind,
            network=None if name is None else name.address,
            fingerprint=fingerprint(held.subject),
        )
        this = self._locked() & (login_counters.c.subject == held.subject)
        async with self._store.begin() as db:
            await take_turn(db)
            if (await db.execute(delete(login_counters).where(this))).rowcount != 1:
                raise errors.NotHeldBack(held.subject.hex())
            await self._events.record(db, told)

    def _locked(self) -> ColumnElement[bool]:
        now = self._clock()
        # What is locked is not forgotten before: the index has one column.
        return (login_counters.c.expires_at > now) & (login_counters.c.locked_until > now)

    async def _counters(
        self, which: ColumnElement[bool], size: int, start: int = 0
    ) -> tuple[Sequence[Any], int]:
        longest = login_counters.c.locked_until.desc()
        page = select(login_counters).where(which).order_by(longest, login_counters.c.subject)
        count = select(func.count()).select_from(login_counters).where(which)

        async def work(db: Database) -> tuple[Sequence[Any], int]:
            rows = (await db.execute(page.offset(start).limit(size))).all()
            return rows, await db.scalar(count)

        return await self._store.search(work)

    def _held(self, row: Any, name: Name | None) -> HeldBack:
        free = self._limits.allowances
        failures = None
        if name is not None and free is not None:
            allowed = free.per_address if name.kind == "address" else free.per_account
            failures = row.excess + allowed
        return HeldBack(row.subject, row.locked_until, row.excess + 1, name, failures)

    async def _of_user(self, kuid: str) -> dict[bytes, Name]:
        """Return all that a user may be counted by, as far as their strategies tell."""
        account = await self._accounts.find(kuid)
        if account is None:
            return {}
        names: dict[bytes, Name] = {}
        accounts: dict[bytes, str | None] = {
            one.hashes[0]: one.strategy for one in await self._hashes.of(account)
        }
        # They may have other names to sign in with, such as addresses of mail.
        for clue in await self._clues(audit.c.about == kuid):
            if clue.account is not None and clue.kuid == kuid:
                accounts[clue.account] = clue.strategy
        for hash, strategy in accounts.items():
            names[hash] = Name("account", kuid, strategy)
            known = select(devices.c.device).where(devices.c.account == hash)
            async with self._store.read() as db:
                addresses = (await db.execute(known)).scalars().all()
            for address in addresses:
                own = self._limits.of_device(hash, address)
                names[own] = Name("device", kuid, strategy)
        return names

    async def _names(self, subjects: set[bytes]) -> dict[bytes, Name]:
        """Return what some hashes stand for, as far as recent refusals tell."""
        clues = await self._clues(audit.c.account.in_(list(subjects)))
        names = self._named(clues)
        if subjects - names.keys():
            names = {**self._named(await self._more(clues)), **names}
        return names

    async def _clues(self, which: ColumnElement[bool]) -> list[Clue]:
        """Return what recent refusals tell: those asked for, whatever others there were."""
        allowances = self._limits.allowances
        window = 0 if allowances is None else allowances.window
        recent = audit.c.at >= self._clock() - window - LONGEST_DELAY - MINUTE
        told = (audit.c.event, audit.c.account, audit.c.address, audit.c.about, audit.c.strategy)
        own = select(*told).where(which, recent).distinct()
        newest = select(*told).where(recent).order_by(audit.c.at.desc())
        last = newest.limit(LOOKED_THROUGH).subquery("newest")
        columns = [last.c[column.name] for column in told]
        others = select(*columns).where(last.c.event.in_(REFUSALS)).distinct()

        async def work(db: Database) -> list[Any]:
            found = [(await db.execute(some.limit(MOST_CLUES))).all() for some in (own, others)]
            return [row for some in found for row in some]

        return [_clue(row) for row in await self._store.search(work)]

    async def _more(self, clues: Iterable[Clue]) -> list[Clue]:
        """Return the clues that tell of a user, with by what each of their accounts is counted."""
        told = [clue for clue in clues if clue.kuid is not None]
        kuids = list(dict.fromkeys(clue.kuid for clue in told))[:MOST_ASKED]
        counted: dict[str | None, Mapping[str, bytes]] = {}
        for kuid in kuids:
            account = await self._accounts.find(kuid or "")
            if account is not None:
                found = await self._hashes.of(account)
                counted[kuid] = {one.strategy: one.hashes[0] for one in found}
        return [
            Clue(hash, clue.address, clue.kuid, strategy)
            for clue in told
            for strategy, hash in counted.get(clue.kuid, {}).items()
        ]

    def _named(self, clues: Iterable[Clue]) -> dict[bytes, Name]:
        """Return the names of all hashes that clues lead to."""
        names: dict[bytes, Name] = {}
        # Those that tell of a user come last, and count.
        for clue in sorted(clues, key=lambda one: one.kuid is not None):
            address = None if clue.address is None else network(clue.address)
            if address is not None:
                names[self._limits.of_address(address)] = Name("address", address=address)
            if clue.account is None:
                continue
            kuid, strategy = clue.kuid, clue.strategy
            names[clue.account] = Name("account", kuid, strategy)
            if address is not None:
                hash = self._limits.of_address(address)
                own = self._limits.of_device(clue.account, hash)
                names[own] = Name("device", kuid, strategy, address)
        return names


def fingerprint(subject: bytes) -> str:
    """Return by what people can tell hashes apart."""
    return subject.hex()[:12]


def _clue(row: Any) -> Clue:
    # What an action was asked to be about may be anything.
    kuid = None if row.event == "ActionRefused" else row.about
    return Clue(row.account, row.address, kuid, row.strategy)
