"""What an installation is known by: the key that its stores were made under."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from sqlalchemy import insert, select
from sqlalchemy.exc import DBAPIError, IntegrityError

from ostiary.storage.store import StorageError, Store
from ostiary.storage.tables import installation

if TYPE_CHECKING:
    from ostiary.keys import MasterKey

KEY = "master_key_check"


async def check_master_key(store: Store, master: MasterKey) -> None:
    """Compare the master key with the one that the core's store was made under.

    The first key that is seen is the right one.

    :raises StorageError: it is another one; every hash, seal and token would be worthless.
    """
    try:
        known = await _known(store) or await _remember(store, master.check_value())
    except DBAPIError:
        raise StorageError(
            f"the store {store.name} has no tables: run `ostiary db upgrade`"
        ) from None
    if not hmac.compare_digest(known, master.check_value()):
        raise StorageError(
            "the master key is not the one that these stores were made under; "
            "give the server the key that belongs to them (OSTIARY_MASTER_KEY, "
            "security.masterKeyCommand, or the key file of the data folder)"
        )


async def _known(store: Store) -> str | None:
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
        return await _known(store) or ""
    return value
