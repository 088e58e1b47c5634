"""Forgetting what is over: invitations that expired, and what was spent and is not accepted any more."""

from __future__ import annotations

import asyncio
import logging

from sqlalchemy import Table, delete, select

from ostiary import Store, errors
from ostiary_oauth.rows import now
from ostiary_oauth.tables import invitations, spent

logger = logging.getLogger(__name__)

BATCH = 500
PAUSE = 600.0
"""Seconds between two looks; nothing that is over opens anything, so there is no hurry."""

BETWEEN = 0.05
"""Seconds that others have between two batches."""


async def sweep_on(store: Store) -> None:
    """Forget what is over, until cancelled."""
    while True:
        try:
            await sweep(store)
        except errors.StoreUnavailable as error:
            logger.warning("what is over could not be forgotten: %s", error.id)
        await asyncio.sleep(PAUSE)


async def sweep(store: Store) -> int:
    """Forget all that is over now, a few rows at a time; return how many there were."""
    total = 0
    for table in (invitations, spent):
        while gone := await _some(store, table):
            total += gone
            await asyncio.sleep(BETWEEN)
    return total


async def _some(store: Store, table: Table) -> int:
    """Forget some rows of a table; who forgets others at this moment has theirs."""
    over = select(table.c.fingerprint).where(table.c.expires_at <= now())
    over = over.limit(BATCH).with_for_update(skip_locked=True)
    async with store.begin() as db:
        marks = (await db.execute(over)).scalars().all()
        if not marks:
            return 0
        return (await db.execute(delete(table).where(table.c.fingerprint.in_(marks)))).rowcount
