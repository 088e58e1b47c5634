"""The names of accounts in the store: whose they are, who may take one, what is verified.

No two accounts have a name of the same key, whatever its kind: the data base sees to that, so
that of many who want one at once only one gets it. Here is told when a name that is held gives
way, which the same statement decides that takes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, case, delete, exists, insert, select, update

from ostiary import Database
from ostiary_local import errors
from ostiary_local.naming import MOST, USERNAME, Kind, Name, Names
from ostiary_local.tables import accounts, identifiers, tickets

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
    """
    if not names.given:
        return Plan((), (), ())
    planned, kept = _planned(await held(db, [kuid]), names)
    if not kept + len(planned.new):
        raise errors.NoNameLeft
    if kept + len(planned.new) > MOST:
        raise errors.TooManyNames(MOST)
    for name in planned.new:
        await _check_free(db, kuid, name, _until(names, instant))
    return planned


async def write(db: Database, kuid: str, names: Names, instant: int) -> None:
    """Give an account its names, within a transaction; parameters and errors as in ``plan``.

    :raises errors.NoSuchName: what is said to be verified is no address of the account.
    :raises sqlalchemy.exc.IntegrityError: another was faster.
    """
    planned = await plan(db, kuid, names, instant)
    await _drop(db, kuid, planned.dropped)
    for name in planned.changed:
        columns = {"value": name.value, "kind": name.kind, "skeleton": _stored(name)}
        mine = (identifiers.c.key == name.key) & (identifiers.c.kuid == kuid)
        await db.execute(update(identifiers).where(mine).values(**columns))
    for name in planned.new:
        await _take(db, kuid, name, _until(names, instant), instant)
    if planned.dropped or planned.new:
        # It may have been sent to an address that is gone (security.md, PWD-10).
        void = (tickets.c.kuid == kuid) & (tickets.c.purpose == "reset")
        await db.execute(delete(tickets).where(void))
    for key in names.verified:
        await _mark(db, kuid, key, instant)


async def confirm(db: Database, kuid: str, name: Name, instant: int) -> None:
    """Mark an address as verified, within a transaction; it is taken from whoever only claims it.

    :raises errors.NoSuchName: nobody claims it any more.
    :raises errors.UsernameTaken: it is verified for another.
    :raises errors.TooManyNames: there is no place for it.
    :raises sqlalchemy.exc.IntegrityError: another was faster.
    """
    await claimed(db, kuid, name)
    rows = await held(db, [kuid])
    if any(row.key == name.key for row in rows):
        columns = {"kind": name.kind, "value": name.value}
        mine = (identifiers.c.key == name.key) & (identifiers.c.kuid == kuid)
        await db.execute(update(identifiers).where(mine).values(**columns))
        return await _mark(db, kuid, name.key, instant)
    if len(rows) >= MOST:
        raise errors.TooManyNames(MOST)
    await _take(db, kuid, name, None, instant)
    return None


async def claimed(db: Database, kuid: str, name: Name) -> str:
    """Return how an address is spelled that this account, or another without proof, claims.

    :raises errors.NoSuchName: nobody claims it.
    :raises errors.UsernameTaken: another has verified it.
    """
    holder = (await db.execute(select(*COLUMNS).where(identifiers.c.key == name.key))).first()
    if holder is None:
        raise errors.NoSuchName(kuid)
    if holder.kuid != kuid and holder.verified_at is not None:
        raise errors.UsernameTaken(name.value)
    mine = holder.kuid == kuid and holder.kind == name.kind
    return str(holder.value) if mine else name.value


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


async def _check_free(db: Database, kuid: str, name: Name, until: int | None) -> None:
    """Refuse a name that is another's, or that another's may be taken for."""
    same = (identifiers.c.key == name.key) | (identifiers.c.value == name.value)
    others = identifiers.c.kuid != kuid
    held = select(identifiers.c.key).where(same, others, ~_yields(name, until)).limit(1)
    if (await db.execute(held)).first() is not None:
        raise errors.UsernameTaken(name.value)
    if name.kind != USERNAME or not name.skeletons:
        return
    alike = identifiers.c.skeleton.in_(name.skeletons) & (identifiers.c.key != name.key)
    found = (await db.execute(select(identifiers.c.value).where(alike, others))).scalars()
    # In ASCII, user1 and userl are two.
    if any(not name.value.isascii() or not value.isascii() for value in found):
        raise errors.UsernameTaken(name.value)


def _yields(name: Name, until: int | None) -> ColumnElement[bool]:
    """Return whether the name that another holds gives way to a claim of the same.

    What is verified never does, and to what is verified everything else does. To anything less
    neither a user name gives way, nor the last name of an account: its user could not sign in
    any more, because somebody says so.

    :param until: an address that is not verified gives way if it is claimed since then.
    """
    mine = identifiers.c.key == name.key
    unproved = mine & identifiers.c.verified_at.is_(None)
    if name.verified:
        return unproved
    if until is None:
        return identifiers.c.key.is_(None)
    other = identifiers.alias()
    more = exists().where(other.c.kuid == identifiers.c.kuid, other.c.key != identifiers.c.key)
    old = identifiers.c.created_at <= until
    return unproved & (identifiers.c.kind != USERNAME) & old & more


async def _take(db: Database, kuid: str, name: Name, until: int | None, instant: int) -> None:
    """Write a new name; who holds it loses it, if that one still gives way."""
    lost = (identifiers.c.kuid != kuid) & _yields(name, until)
    if not name.verified:
        # What else the loser has does not change meanwhile.
        losers = select(identifiers.c.kuid).where(lost)
        await db.execute(
            select(accounts.c.kuid).where(accounts.c.kuid.in_(losers)).with_for_update()
        )
    await db.execute(delete(identifiers).where(lost))
    await db.execute(
        insert(identifiers).values(
            kuid=kuid,
            value=name.value,
            key=name.key,
            kind=name.kind,
            skeleton=_stored(name),
            verified_at=instant if name.verified else None,
            created_at=instant,
        )
    )


async def _drop(db: Database, kuid: str, rows: Sequence[Held]) -> None:
    if not rows:
        return
    gone = identifiers.c.key.in_([row.key for row in rows])
    await db.execute(delete(identifiers).where(identifiers.c.kuid == kuid, gone))
    void = tickets.c.bound.in_([row.value for row in rows])
    mine = (tickets.c.kuid == kuid) & (tickets.c.purpose == "verify")
    await db.execute(delete(tickets).where(mine, void))


async def _mark(db: Database, kuid: str, key: str, instant: int) -> None:
    """Note when an address was verified, the first time."""
    mine = (identifiers.c.kuid == kuid) & (identifiers.c.key == key)
    address = select(identifiers.c.verified_at).where(mine, identifiers.c.kind != USERNAME)
    row = (await db.execute(address)).first()
    if row is None:
        raise errors.NoSuchName(kuid)
    if row.verified_at is None:
        await db.execute(update(identifiers).where(mine).values(verified_at=instant))


def _until(names: Names, instant: int) -> int | None:
    return None if names.lasting is None else instant - names.lasting


def _stored(name: Name) -> str | None:
    return name.skeletons[0] if name.skeletons else None
