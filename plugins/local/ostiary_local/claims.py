"""Who may have a name: whose it is, when it gives way, and whose it looks like.

No two accounts have a name of the same key, whatever its kind: the data base sees to that, so
that of many who want one at once only one gets it. Whether a name that is held gives way is
decided by the statement that takes it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, delete, exists, insert, select

from ostiary import Call, Database, Directory, Prepared, Store
from ostiary import errors as core
from ostiary_local import errors
from ostiary_local.naming import USERNAME, Name
from ostiary_local.tables import accounts, identifiers


@dataclass(frozen=True, slots=True)
class Yielding:
    """Which names that others hold without proof give way.

    :ivar until: to any claim, those that are claimed since then; in ms, None for none.
    :ivar losers: to what is verified, the addresses of these users; None for all names of all
        users, because the owner of the address has proved it.
    """

    until: int | None = None
    losers: Collection[str] | None = ()


async def within_authority(
    store: Store, directory: Directory, kuid: str, names: Iterable[Name], call: Call
) -> frozenset[str]:
    """Return the users whose addresses give way because a caller says what is verified.

    Whoever says so may be wrong, or lie: nobody loses a name who may do more than the caller.
    The operator, who calls from a command, may do everything.
    """
    keys = [name.key for name in names if name.verified]
    if not keys:
        return frozenset()
    held = identifiers.c.key.in_(keys) & identifiers.c.verified_at.is_(None)
    others = select(identifiers.c.kuid).where(held, identifiers.c.kuid != kuid).distinct()
    async with store.read() as db:
        kuids = list((await db.execute(others)).scalars())
    return frozenset([one for one in kuids if await _may_take_from(directory, one, call)])


async def check_free(db: Database, kuid: str, name: Name, yielding: Yielding) -> None:
    """Refuse a name that is another's, or that another's may be taken for.

    :raises errors.UsernameTaken: it is.
    """
    if name.verified:
        same = (identifiers.c.key == name.key) | (identifiers.c.value == name.value)
        held = _held(same & (identifiers.c.kuid != kuid), _yields_to_proof(name, yielding.losers))
        taken = await db.scalar(held)
    else:
        taken = await db.scalar(HELD, {**_claim(kuid, name, yielding), "value": name.value})
    if taken is not None:
        raise errors.UsernameTaken(name.value)
    if name.kind != USERNAME or not name.skeletons:
        return
    looks = {"one": name.skeletons[0], "other": name.skeletons[-1]}
    found = (await db.execute(ALIKE, {"key": name.key, "mine": kuid, **looks})).scalars()
    # In ASCII, user1 and userl are two.
    if any(not name.value.isascii() or not value.isascii() for value in found):
        raise errors.UsernameTaken(name.value)


async def take(db: Database, kuid: str, name: Name, yielding: Yielding, instant: int) -> None:
    """Write a new name; who holds it loses it, if that one still gives way.

    :raises sqlalchemy.exc.IntegrityError: it does not.
    """
    if name.verified:
        lost = (identifiers.c.kuid != kuid) & _yields_to_proof(name, yielding.losers)
        await db.execute(delete(identifiers).where(lost))
    elif yielding.until is not None:
        claim = _claim(kuid, name, yielding)
        # What else the loser has does not change meanwhile.
        await db.execute(LOCK, claim)
        await db.execute(LOSE, claim)
    row = {
        "kuid": kuid,
        "value": name.value,
        "key": name.key,
        "kind": name.kind,
        "skeleton": stored(name),
        "verified_at": instant if name.verified else None,
        "created_at": instant,
    }
    await db.execute(INSERT, row)


async def claimed(db: Database, kuid: str, name: Name, losers: Collection[str] | None) -> str:
    """Return how an address is spelled that this account, or another without proof, claims.

    :param losers: as of ``Yielding``.
    :raises errors.NoSuchName: nobody claims it.
    :raises errors.UsernameTaken: it is another's and does not give way.
    """
    holder = (await db.execute(select(identifiers).where(identifiers.c.key == name.key))).first()
    if holder is None:
        raise errors.NoSuchName(name.value)
    if holder.kuid != kuid:
        told = losers is not None and (holder.kuid not in losers or holder.kind == USERNAME)
        if holder.verified_at is not None or told:
            raise errors.UsernameTaken(name.value)
    mine = holder.kuid == kuid and holder.kind == name.kind
    return str(holder.value) if mine else name.value


def stored(name: Name) -> str | None:
    """Return the skeleton that is written beside a name."""
    return name.skeletons[0] if name.skeletons else None


async def claimed_before(db: Database, name: Name, instant: int) -> Collection[str]:
    """Return who holds a name since an instant or longer, in ms: one user, or nobody."""
    older = (identifiers.c.key == name.key) & (identifiers.c.created_at <= instant)
    return list((await db.execute(select(identifiers.c.kuid).where(older))).scalars())


async def _may_take_from(directory: Directory, kuid: str, call: Call) -> bool:
    if call.protocol == "cli":
        return True
    try:
        await directory.check_authority(kuid, call)
    except core.TargetTooPowerful:
        return False
    return True


def _yields_to_proof(name: Name, losers: Collection[str] | None) -> ColumnElement[bool]:
    """Return whether the name that another holds gives way to the same, verified.

    To what its owner has proved, everything does that is not verified; to what a caller says, no
    user name.

    :param losers: as of ``Yielding``.
    """
    unproved = (identifiers.c.key == name.key) & identifiers.c.verified_at.is_(None)
    if losers is None:
        return unproved
    return unproved & (identifiers.c.kind != USERNAME) & identifiers.c.kuid.in_(list(losers))


def _yields_to_claim() -> ColumnElement[bool]:
    """Return whether the name that another holds gives way to a mere claim of ``key``.

    What is verified never does, no user name does, and the last name of an account does not
    either: its user could not sign in any more.
    """
    other = identifiers.alias()
    more = exists().where(other.c.kuid == identifiers.c.kuid, other.c.key != identifiers.c.key)
    old = identifiers.c.created_at <= bindparam("until")
    unproved = (identifiers.c.key == bindparam("key")) & identifiers.c.verified_at.is_(None)
    return unproved & (identifiers.c.kind != USERNAME) & old & more


def _claim(kuid: str, name: Name, yielding: Yielding) -> dict[str, Any]:
    until = NEVER if yielding.until is None else yielding.until
    return {"key": name.key, "mine": kuid, "until": until}


def _held(which: ColumnElement[bool], yields: ColumnElement[bool]) -> Select[Any]:
    return select(identifiers.c.key).where(which, ~yields).limit(1)


NEVER = -1
"""An instant at which nothing was claimed yet."""

# Built once: every sign-up asks.
_OTHERS = identifiers.c.kuid != bindparam("mine")
_SAME = (identifiers.c.key == bindparam("key")) | (identifiers.c.value == bindparam("value"))
_LOST = _OTHERS & _yields_to_claim()
_LOSERS = accounts.c.kuid.in_(select(identifiers.c.kuid).where(_LOST))
HELD = Prepared(_held(_SAME & _OTHERS, _yields_to_claim()))
LOCK = Prepared(select(accounts.c.kuid).where(_LOSERS).with_for_update())
LOSE = Prepared(delete(identifiers).where(_LOST))
INSERT = Prepared(insert(identifiers))
ALIKE = Prepared(
    select(identifiers.c.value).where(
        (identifiers.c.skeleton == bindparam("one"))
        | (identifiers.c.skeleton == bindparam("other")),
        identifiers.c.key != bindparam("key"),
        _OTHERS,
    )
)
