"""The passwords that a user had before: kept as they were, for as long as a policy asks."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import RowMapping, delete, func, insert, select

from ostiary import Store
from ostiary_local.tables import accounts, former_passwords

if TYPE_CHECKING:
    from ostiary.storage.store import Database
    from ostiary_local.accounts import Account


async def archive(store: Store, db: Database, kuid: str, keep: int, instant: int) -> None:
    """Keep the password that a user is about to lose, and forget the oldest ones.

    :param db: the transaction in which the account gets another password, afterwards.
    :param keep: how many former passwords there are at most from now on.
    :param instant: now, in ms.
    """
    mine = former_passwords.c.kuid == kuid
    if keep > 0:
        last = await db.scalar(select(func.max(former_passwords.c.archived_at)).where(mine))
        # Two changes may fall into one instant, and still one was the first.
        archived_at = instant if last is None else max(instant, last + 1)
        if lost := await _about_to_be_lost(db, kuid):
            row = _row(store, kuid, lost)
            await db.execute(insert(former_passwords).values(archived_at=archived_at, **row))
    newest = select(former_passwords.c.id).where(mine)
    newest = newest.order_by(former_passwords.c.archived_at.desc()).limit(keep)
    kept = (await db.execute(newest)).scalars().all() if keep > 0 else []
    await db.execute(delete(former_passwords).where(mine, former_passwords.c.id.not_in(kept)))


async def former(store: Store, account: Account, most: int) -> Sequence[Account]:
    """Return an account as it was with its former passwords, from the newest to the oldest.

    What is sealed in them opens as what is sealed in the account itself does.
    """
    if most < 1:
        return []
    mine = select(former_passwords).where(former_passwords.c.kuid == account.kuid)
    mine = mine.order_by(former_passwords.c.archived_at.desc()).limit(most)
    async with store.read() as db:
        rows = (await db.execute(mine)).mappings().all()
    return [
        replace(
            account,
            hash=row["hash"],
            imported=_moved(store, row["imported"], _there(row["id"]), _here(account.kuid)),
            password_set_at=row["set_at"],
        )
        for row in rows
    ]


async def _about_to_be_lost(db: Database, kuid: str) -> RowMapping | None:
    columns = (accounts.c.hash, accounts.c.imported, accounts.c.password_set_at)
    # Locked, so that of two changes at once each archives what the other has set.
    wanted = select(*columns).where(accounts.c.kuid == kuid).with_for_update()
    return (await db.execute(wanted)).mappings().first()


def _row(store: Store, kuid: str, lost: RowMapping) -> dict[str, Any]:
    id = secrets.token_hex(16)
    return {
        "id": id,
        "kuid": kuid,
        "hash": lost["hash"],
        "imported": _moved(store, lost["imported"], _here(kuid), _there(id)),
        "set_at": lost["password_set_at"],
    }


Place = Mapping[str, Any]


def _here(kuid: str) -> Place:
    return {"column": accounts.c.imported, "row": kuid}


def _there(id: str) -> Place:
    return {"column": former_passwords.c.imported, "row": id}


def _moved(store: Store, sealed: bytes | None, old: Place, new: Place) -> bytes | None:
    """Return a sealed secret for another place than the one that it was sealed for."""
    if sealed is None:
        return None
    return store.sealer.seal(store.sealer.open(sealed, **old), **new)
