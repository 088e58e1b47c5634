"""What lets a user in, and how all of it ends in the transaction that says so."""

from __future__ import annotations

from sqlalchemy import delete, func

from ostiary.storage import Database
from ostiary.storage.tables import api_keys, tokens

# A token with neither is the first of its session.
session_id = func.coalesce(tokens.c.session, tokens.c.jti)


async def end_sessions(db: Database, kuid: str, *, but: str | None = None) -> int:
    """End every session of a user; whoever has these in memory is told by the log of changes.

    :param but: the id of one that goes on.
    :returns: how many tokens there were.
    """
    which = tokens.c.kuid == kuid
    if but is not None:
        which &= session_id != but
    return int((await db.execute(delete(tokens).where(which))).rowcount)


async def end_access(db: Database, kuid: str) -> None:
    """End every session and every API key of a user."""
    await end_sessions(db, kuid)
    await db.execute(delete(api_keys).where(api_keys.c.kuid == kuid))
