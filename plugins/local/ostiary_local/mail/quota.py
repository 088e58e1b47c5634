"""How much mail an account, or an address that is not verified, gets in an hour.

Mail that waits counts like mail that was sent, so that no burst and no outage of the mail server
adds up to more; it is counted while the account is locked, so that no two processes admit more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, func, select

from ostiary_local import accounts
from ostiary_local.mail.letters import Letter
from ostiary_local.tables import identifiers, outbox

if TYPE_CHECKING:
    from ostiary import Database

HOUR, APART = 3_600_000, 60_000
"""Milliseconds that a mail counts, and between two resets of an account."""


WAITS = outbox.c.typed.is_not(None)
"""Which rows are mail to be sent; others are only counted."""


async def admitted(
    db: Database, letters: Sequence[Letter], most: int, instant: int
) -> tuple[Sequence[Letter], str | None]:
    """Return those of the letters of one account that may be sent, and why others may not.

    :param most: mails of the kind in an hour.
    """
    if not letters:
        return [], None
    kind, kuid = letters[0].kind, letters[0].kuid
    assert kuid is not None
    await accounts.lock(db, kuid)
    same = (outbox.c.kuid == kuid) & (outbox.c.kind == kind)
    if await _count(db, same & _recent(instant)):
        return [], "another was asked for less than a minute before"
    room = max(0, most - await _count(db, same & _counted(instant)))
    if room < len(letters):
        return letters[:room], f"{most} in an hour are the most"
    return letters, None


async def exhausted(
    db: Database, kuid: str, key: str, recipient: bytes, most: int, instant: int
) -> bool:
    """Tell whether a user, or whoever claims the address, has asked for enough verifications.

    :param key: of the address.
    :param recipient: its mark.
    """
    await accounts.lock(db, kuid)
    # No two accounts have the same: it is what those who claim it one after the other share.
    claim = select(identifiers.c.key).where(identifiers.c.key == key)
    await db.execute(claim.with_for_update())
    verifies = (outbox.c.kind == "verify") & _counted(instant)
    for whose in (outbox.c.kuid == kuid, outbox.c.recipient == recipient):
        if await _count(db, verifies & whose) >= most:
            return True
    return False


async def _count(db: Database, which: ColumnElement[bool]) -> int:
    return int(await db.scalar(select(func.count()).select_from(outbox).where(which)))


def _counted(instant: int) -> ColumnElement[bool]:
    """Return what waits, or was sent in the last hour; see ``outbox.delivered``."""
    return WAITS | (outbox.c.due_at > instant)


def _recent(instant: int) -> ColumnElement[bool]:
    """Return what was asked for, or sent, in the last minute."""
    sent = ~WAITS & (outbox.c.due_at > instant + HOUR - APART)
    return sent | (outbox.c.created_at > instant - APART)
