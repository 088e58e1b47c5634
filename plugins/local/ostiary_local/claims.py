"""Who may have a name: whose it is, when it gives way, and whose it looks like.

No two accounts have a name of the same key, whatever its kind: the data base sees to that, so
that of many who want one at once only one gets it. Whether a name that is held gives way is
decided by the statement that takes it.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, delete, exists, insert, select

from ostiary import Database
from ostiary_local import errors
from ostiary_local.naming import USERNAME, Name
from ostiary_local.tables import accounts, identifiers


async def check_free(db: Database, kuid: str, name: Name, until: int | None) -> None:
    """Refuse a name that is another's, or that another's may be taken for.

    :param until: an address that is not verified gives way if it is claimed since then; in ms.
    :raises errors.UsernameTaken: it is.
    """
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


async def take(db: Database, kuid: str, name: Name, until: int | None, instant: int) -> None:
    """Write a new name; who holds it loses it, if that one still gives way.

    :raises sqlalchemy.exc.IntegrityError: it does not.
    """
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
            skeleton=stored(name),
            verified_at=instant if name.verified else None,
            created_at=instant,
        )
    )


async def claimed(db: Database, kuid: str, name: Name) -> str:
    """Return how an address is spelled that this account, or another without proof, claims.

    :raises errors.NoSuchName: nobody claims it.
    :raises errors.UsernameTaken: another has verified it.
    """
    holder = (await db.execute(select(identifiers).where(identifiers.c.key == name.key))).first()
    if holder is None:
        raise errors.NoSuchName(kuid)
    if holder.kuid != kuid and holder.verified_at is not None:
        raise errors.UsernameTaken(name.value)
    mine = holder.kuid == kuid and holder.kind == name.kind
    return str(holder.value) if mine else name.value


def stored(name: Name) -> str | None:
    """Return the skeleton that is written beside a name."""
    return name.skeletons[0] if name.skeletons else None


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
