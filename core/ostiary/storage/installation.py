"""What an installation is known by: the master key that its stores were made under."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import insert, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from ostiary.keys import MasterKeyError
from ostiary.storage.store import Database, StorageError, Store
from ostiary.storage.tables import installation, master_keys

if TYPE_CHECKING:
    from ostiary.keys import MasterKey

KEY = "master_key_check"


async def check_master_key(store: Store, master: MasterKey) -> None:
    """Find the given master key that is in force in the core's store, and those before it.

    The first key that is seen is the right one. Afterwards ``master`` opens whatever any
    generation of it has sealed.

    :raises StorageError: no given key is the one; every hash, seal and token would be worthless.
    """
    try:
        known = await in_force(store) or await _remember(store, master.check_value())
        async with store.read() as db:
            rows = (await db.execute(select(master_keys))).all()
    except DBAPIError:
        raise StorageError(
            f"the store {store.name} has no tables: run `ostiary db upgrade`"
        ) from None
    older = {row.generation: row.sealed for row in rows}
    try:
        master.settle(known, older, max((row.created_at for row in rows), default=0))
    except MasterKeyError as unfit:
        raise StorageError(
            f"{unfit}; give the server the key that belongs to them (OSTIARY_MASTER_KEY, "
            "security.masterKeyCommand, or the key file of the data folder)"
        ) from None


async def replace_master_key(
    db: Database, master: MasterKey, successor: MasterKey, now: int
) -> None:
    """Put another master key in force, and keep the present one sealed by it.

    :raises StorageError: the present one is not in force any more; nothing is changed.
    """
    generation, sealed = master.sealed_by(successor)
    present = (installation.c.key == KEY) & (installation.c.value == master.check_value())
    changed = await db.execute(
        update(installation).where(present).values(value=successor.check_value())
    )
    if changed.rowcount != 1:
        raise StorageError("the master key was replaced meanwhile, by somebody else")
    row = {"generation": generation, "sealed": sealed, "created_at": now}
    await db.execute(insert(master_keys).values(row))


async def in_force(store: Store) -> str | None:
    """Return the check value of the master key that is in force, or None before the first."""
    async with store.read() as db:
        known: str | None = await db.scalar(
            select(installation.c.value).where(installation.c.key == KEY)
        )
    return known


async def _remember(store: Store, value: str) -> str:
    try:
        async with store.begin() as db:
            await db.execute(insert(installation).values(key=KEY, value=value))
    except IntegrityError:
        # Another process was faster, with what may be another key.
        return await in_force(store) or ""
    return value
