"""What lets a user in, and how all of it ends in the transaction that says so."""

from __future__ import annotations

from sqlalchemy import delete

from ostiary.storage import Database
from ostiary.storage.tables import api_keys, tokens


async def end_sessions(db: Database, kuid: str) -> None:
    """End every session of a user; whoever has these in memory is told by the log of changes."""
    await db.execute(delete(tokens).where(tokens.c.kuid == kuid))


async def end_access(db: Database, kuid: str) -> None:
    """End every session and every API key of a user."""
    await end_sessions(db, kuid)
    await db.execute(delete(api_keys).where(api_keys.c.kuid == kuid))
