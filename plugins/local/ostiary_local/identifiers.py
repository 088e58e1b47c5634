"""The names that an account has: reading, showing, replacing and verifying them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, case, delete, select, update

from ostiary import Database, Prepared, Store
from ostiary_local import claims, errors
from ostiary_local.claims import Yielding
from ostiary_local.naming import MOST, USERNAME, Kind, Name, Names, address
from ostiary_local.tables import identifiers, tickets

if TYPE_CHECKING:
    from ostiary_local.strategy import LocalStrategy

VERIFYING = ("verify", "vouch")
"""The purposes of tickets that verify an address: by mail, or as a caller has it sent."""

COLUMNS = (
    identifiers.c.key,
    identifiers.c.value,
    identifiers.c.kind,
    identifiers.c.kuid,
    identifiers.c.verified_at,
)


SHOWN_FIRST = (
    case((identifiers.c.kind == USERNAME, 0), else_=1),
    identifiers.c.kind,
    identifiers.c.created_at,
    identifiers.c.key,
)
"""The order of the names of an account: its user name, then e-mail addresses, then numbers."""

_OF_ONE = select(*COLUMNS).where(identifiers.c.kuid == bindparam("mine")).order_by(*SHOWN_FIRST)
_RESETS = (tickets.c.kuid == bindparam("mine")) & (tickets.c.purpose == "reset")

# Built once: every sign-up asks.
OF_ONE = Prepared(_OF_ONE)
VOID_RESETS = Prepared(delete(tickets).where(_RESETS))


@dataclass(frozen=True, slots=True)
class Held:
    """A name that an account has; ``verified_at`` in ms, None if it is not verified."""

    key: str
    value: str
    kind: Kind
    kuid: str
    verified_at: int | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What has to be written for an account to have the names it is given."""

    dropped: Sequence[Held]
    changed: Sequence[Name]
    new: Sequence[Name]


async def held(db: Database, kuids: Iterable[str]) -> Sequence[Held]:
    """Return the names of some accounts, each in the order in which it is shown."""
    wanted = select(*COLUMNS).where(identifiers.c.kuid.in_(list(kuids)))
    return [Held(**row._asdict()) for row in await db.execute(wanted.order_by(*SHOWN_FIRST))]


async def held_by(db: Database, kuid: str) -> Sequence[Held]:
    """Return the names of an account, in the order in which they are shown."""
    return [Held(**row._asdict()) for row in await db.execute(OF_ONE, {"mine": kuid})]


async def of(store: Store, kuid: str) -> Sequence[Held]:
    """Return the names of an account."""
    async with store.read() as db:
        return await held_by(db, kuid)


async def verified(strategy: LocalStrategy, store: Store, email: str) -> str | None:
    """Return the kuid of who has proved that an e-mail address is theirs, or None.

    :param email: as somebody else writes it: all spellings that open one account are one address.
    """
    quick = email.isascii() and "xn--" not in email.lower()
    work = partial(address, strategy, email)
    name = work() if quick else await store.hasher.run(work)
    if name is None or name.kind != "email":
        return None
    same = (identifiers.c.key == name.key) & (identifiers.c.kind == "email")
    holder = select(identifiers.c.kuid).where(same, identifiers.c.verified_at.is_not(None))
    async with store.read() as db:
        kuid: str | None = await db.scalar(holder)
    return kuid


def shown(rows: Sequence[Held]) -> dict[str, Any]:
    """Return what a client may see of the names of an account.

    One with a user name only is shown as Kuzzle shows it.
    """
    seen: dict[str, Any] = {"username": rows[0].value} if rows else {}
    if [row.kind for row in rows] != [USERNAME]:
        seen["identifiers"] = [
            {"kind": row.kind, "value": row.value, "verified": row.verified_at is not None}
            for row in rows
        ]
    return seen


async def plan(db: Database, kuid: str, names: Names, instant: int) -> Plan:
    """Return how an account comes to its names, if it may have them.

    :param instant: now, in ms.
    :raises errors.NoNameLeft: it would have none.
    :raises errors.TooManyNames: it would have more than it may.
    :raises errors.UsernameTaken: one is another's, or looks like another's.
    :raises errors.NoSuchName: what is said to be verified is no address of the account.
    """
    if not names.given and not names.verified:
        return Plan((), (), ())
    rows = await held_by(db, kuid)
    planned, kept = _planned(rows, names)
    if not names.verified <= _addresses(rows, planned):
        raise errors.NoSuchName(kuid)
    if not names.given:
        return planned
    if not kept + len(planned.new):
        raise errors.NoNameLeft
    if kept + len(planned.new) > MOST:
        raise errors.TooManyNames(MOST)
    for name in planned.new:
        await claims.check_free(db, kuid, name, _yielding(names, instant))
    return planned


async def write(db: Database, kuid: str, names: Names, instant: int) -> None:
    """Give an account its names, within a transaction; parameters and errors as in ``plan``.

    :raises sqlalchemy.exc.IntegrityError: another was faster.
    """
    planned = await plan(db, kuid, names, instant)
    await _drop(db, kuid, planned.dropped)
    for name in planned.changed:
        columns = {"value": name.value, "kind": name.kind, "skeleton": claims.stored(name)}
        mine = (identifiers.c.key == name.key) & (identifiers.c.kuid == kuid)
        await db.execute(update(identifiers).where(mine).values(**columns))
    for name in planned.new:
        await claims.take(db, kuid, name, _yielding(names, instant), instant)
    if planned.dropped or planned.new:
        # It may have been sent to an address that is gone (security.md, PWD-10).
        await db.execute(VOID_RESETS, {"mine": kuid})
    for key in names.verified:
        await _mark(db, kuid, key, instant)


async def confirm(
    db: Database, kuid: str, name: Name, instant: int, losers: Collection[str] | None
) -> None:
    """Mark an address as verified, within a transaction; it is taken from whoever only claims it.

    :param losers: from whom it is taken; as of ``Yielding``.
    :raises errors.NoSuchName: nobody claims it any more.
    :raises errors.UsernameTaken: it is another's and does not give way.
    :raises errors.TooManyNames: there is no place for it.
    :raises sqlalchemy.exc.IntegrityError: another was faster.
    """
    await claims.claimed(db, kuid, name, losers)
    rows = await held_by(db, kuid)
    if any(row.key == name.key for row in rows):
        columns = {"kind": name.kind, "value": name.value}
        mine = (identifiers.c.key == name.key) & (identifiers.c.kuid == kuid)
        await db.execute(update(identifiers).where(mine).values(**columns))
        return await _mark(db, kuid, name.key, instant)
    if len(rows) >= MOST:
        raise errors.TooManyNames(MOST)
    await claims.take(db, kuid, name, Yielding(losers=losers), instant)
    return None


def _planned(rows: Sequence[Held], names: Names) -> tuple[Plan, int]:
    """Return what is to be written, and how many of the names stay."""
    wanted = {name.key: name for name in names.every()}
    dropped, changed = [], []
    for row in rows:
        name = wanted.pop(row.key, None)
        if name is None:
            if row.kind in names.given:
                dropped.append(row)
        elif name.kind != USERNAME or row.kind in names.given:
            changed.append(name)
    return Plan(dropped, changed, list(wanted.values())), len(rows) - len(dropped)


def _addresses(rows: Sequence[Held], planned: Plan) -> set[str]:
    """Return the keys of the names that an account will have and that can be verified."""
    kinds = {row.key: row.kind for row in rows}
    for row in planned.dropped:
        del kinds[row.key]
    kinds |= {name.key: name.kind for name in (*planned.changed, *planned.new)}
    return {key for key, kind in kinds.items() if kind != USERNAME}


async def _drop(db: Database, kuid: str, rows: Sequence[Held]) -> None:
    if not rows:
        return
    gone = identifiers.c.key.in_([row.key for row in rows])
    await db.execute(delete(identifiers).where(identifiers.c.kuid == kuid, gone))
    void = tickets.c.bound.in_([row.value for row in rows])
    mine = (tickets.c.kuid == kuid) & tickets.c.purpose.in_(VERIFYING)
    await db.execute(delete(tickets).where(mine, void))


async def _mark(db: Database, kuid: str, key: str, instant: int) -> None:
    """Note when an address was verified, the first time."""
    mine = (identifiers.c.kuid == kuid) & (identifiers.c.key == key)
    address = select(identifiers.c.verified_at).where(mine, identifiers.c.kind != USERNAME)
    row = (await db.execute(address)).first()
    if row is None:
        raise errors.NoSuchName(key)
    if row.verified_at is None:
        await db.execute(update(identifiers).where(mine).values(verified_at=instant))


def _yielding(names: Names, instant: int) -> Yielding:
    until = None if names.lasting is None else instant - names.lasting
    return Yielding(until, names.losers)
