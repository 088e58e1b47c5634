"""The passwords that a user had before: kept as they were, for as long as a policy asks."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, insert, select

from ostiary import Store
from ostiary_local import proofs
from ostiary_local.proofs import Former
from ostiary_local.tables import accounts, former_passwords

if TYPE_CHECKING:
    from ostiary.storage.store import Database


async def archive(store: Store, kuid: str, keep: int, db: Database, instant: int) -> None:
    """Keep the password that a user is about to lose, and forget the oldest ones.

    :param keep: how many former passwords there are at most from now on.
    :param db: the transaction in which the account gets another password, afterwards.
    :param instant: now, in ms.
    """
    mine = former_passwords.c.kuid == kuid
    if keep < 1:
        await db.execute(delete(former_passwords).where(mine))
        return
    if row := await _row(store, kuid, db):
        last = await db.scalar(select(func.max(former_passwords.c.archived_at)).where(mine))
        # Two changes may fall into one instant, and still one was the first.
        row["archived_at"] = instant if last is None else max(instant, last + 1)
        await db.execute(insert(former_passwords).values(row))
    newest = select(former_passwords.c.id).where(mine)
    newest = newest.order_by(former_passwords.c.archived_at.desc()).limit(keep)
    kept = (await db.execute(newest)).scalars().all()
    await db.execute(delete(former_passwords).where(mine, former_passwords.c.id.not_in(kept)))


async def former(store: Store, kuid: str, most: int) -> Sequence[Former]:
    """Return the former passwords of a user, from the newest to the oldest."""
    if most < 1:
        return []
    table = former_passwords
    columns = (table.c.id, table.c.kuid, table.c.hash, table.c.imported)
    mine = select(*columns).where(table.c.kuid == kuid)
    mine = mine.order_by(table.c.archived_at.desc()).limit(most)
    async with store.read() as db:
        return [Former(**row._asdict()) for row in await db.execute(mine)]


async def _row(store: Store, kuid: str, db: Database) -> dict[str, Any] | None:
    """Return the row of the password that is about to be lost; None if it cannot be kept."""
    table = accounts
    columns = (table.c.kuid, table.c.hash, table.c.imported, table.c.password_set_at)
    # Locked, so that of two changes at once each archives what the other has set.
    wanted = select(*columns).where(table.c.kuid == kuid).with_for_update()
    lost: Any = (await db.execute(wanted)).first()
    if lost is None:
        return None
    id = secrets.token_hex(16)
    imported = proofs.sealed_as_former(store, lost, id)
    if lost.imported is not None and imported is None:
        # It is damaged, and nothing would ever match it.
        return None
    row = {"id": id, "kuid": kuid, "hash": lost.hash, "imported": imported}
    return {**row, "set_at": lost.password_set_at}
