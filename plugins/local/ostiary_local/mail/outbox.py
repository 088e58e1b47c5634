"""The outbox: mail in the store until it is delivered, by whichever process claims it.

What was typed and to whom it goes is sealed. A row that is claimed is moved into the future: if
its process dies, another finds it then. So a mail is sent once or, at worst, again, and is not
lost. Mail that was asked for leaves a row without contents for an hour, which ``quota`` counts.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, delete, func, insert, select, update

from ostiary_local.accounts import now
from ostiary_local.mail import quota
from ostiary_local.mail.bell import BELL
from ostiary_local.mail.letters import Letter
from ostiary_local.mail.quota import WAITS
from ostiary_local.tables import outbox

if TYPE_CHECKING:
    from ostiary import Database, Store

ASKED = ("reset", "verify")
"""The kinds of mail that anybody can ask for; the others follow from what a user does."""

AT_ONCE = 5
"""Rows that are claimed together, and connections to the SMTP server at most."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A row that this process has claimed.

    :ivar until: nobody else takes it before; in ms.
    :ivar sealed: address and contents of the letter.
    """

    id: str
    kind: str
    kuid: str | None
    created_at: int
    attempts: int
    until: int
    sealed: bytes

    def opened(self, store: Store) -> Letter:
        """Return the letter.

        :raises SealBroken: the key that it was sealed with is gone.
        """
        packed = store.sealer.open(self.sealed, column=outbox.c.typed, row=self.id)
        return Letter.unpacked(self.kind, self.kuid, self.created_at, packed)


async def put(
    store: Store, db: Database, letters: Iterable[Letter], recipient: bytes | None = None
) -> None:
    """Put letters into the outbox, within a transaction, and tell who delivers here.

    :param recipient: the mark of the address, where it is to be counted.
    """
    instant = now()
    rows = [{**_row(store, letter, instant), "recipient": recipient} for letter in letters]
    if rows:
        await db.execute(insert(outbox), rows)
        db.after_commit(BELL.ring)


async def put_unknown(store: Store, letter: Letter, most: int, delay: int) -> bool:
    """Put in what somebody has typed; tell whether there was room for it.

    It is the same work whatever was typed.

    :param delay: it is looked at after a random time of at most this, in ms: what comes after
        the request is not to tell by its pace what was found.
    """
    row = _row(store, letter, now() + secrets.randbelow(delay + 1))
    nobodys = select(outbox.c.id).where(outbox.c.kuid.is_(None), WAITS).limit(most)
    async with store.begin() as db:
        waiting = await db.scalar(select(func.count()).select_from(nobodys.subquery()))
        if waiting < most:
            await db.execute(insert(outbox), [row])
            db.after_commit(BELL.ring)
    return bool(waiting < most)


async def next_due(store: Store) -> int | None:
    """Return when there is something to be done, in ms; None if there is nothing."""
    async with store.read() as db:
        first: int | None = await db.scalar(select(func.min(outbox.c.due_at)))
    return first


async def claim(store: Store, lease: int) -> Sequence[Claimed]:
    """Take some rows that are due, and remove those that are counted no more.

    :param lease: for how long nobody else takes them, in ms.
    """
    instant = now()
    late = outbox.c.due_at <= instant
    due = select(outbox.c.id).where(late, WAITS)
    due = due.order_by(outbox.c.due_at).limit(AT_ONCE).with_for_update(skip_locked=True)
    taken = update(outbox).where(outbox.c.id.in_(due), late)
    moved = {"due_at": instant + lease, "attempts": outbox.c.attempts + 1}
    async with store.begin() as db:
        await db.execute(delete(outbox).where(late, ~WAITS))
        rows = (await db.execute(taken.values(moved).returning(*outbox.c))).all()
    return [
        Claimed(
            id=row.id,
            kind=row.kind,
            kuid=row.kuid,
            created_at=row.created_at,
            attempts=row.attempts,
            until=row.due_at,
            sealed=row.typed,
        )
        for row in rows
    ]


async def replace(
    store: Store, claimed: Claimed, letters: Sequence[Letter], most: int
) -> str | None:
    """Put letters in the place of what was typed; none, if it is nobody's name.

    :param most: mails of one kind and one account in an hour.
    :return: why not all of them were put in; None if they were.
    """
    async with store.begin() as db:
        allowed, why = await quota.admitted(db, letters, most, now())
        if (await db.execute(delete(outbox).where(_still(claimed)))).rowcount != 1:
            return None
        await put(store, db, allowed)
    return why


async def postpone(store: Store, claimed: Claimed, due_at: int) -> None:
    """Have a row tried again later."""
    async with store.begin() as db:
        await db.execute(update(outbox).where(_still(claimed)).values(due_at=due_at))


async def drop(store: Store, claimed: Claimed) -> None:
    """Remove a row."""
    async with store.begin() as db:
        await db.execute(delete(outbox).where(_still(claimed)))


async def delivered(store: Store, claimed: Claimed) -> None:
    """Note that a mail was delivered; whoever asked for it has one less in this hour."""
    if claimed.kind not in ASKED:
        await drop(store, claimed)
        return
    counted = {"typed": None, "due_at": now() + quota.HOUR}
    async with store.begin() as db:
        await db.execute(update(outbox).where(_still(claimed)).values(counted))


def _row(store: Store, letter: Letter, due_at: int) -> dict[str, Any]:
    id = secrets.token_urlsafe(18)
    return {
        "id": id,
        "kind": letter.kind,
        "kuid": letter.kuid,
        "typed": store.sealer.seal(letter.packed(), column=outbox.c.typed, row=id),
        "created_at": letter.created_at,
        "due_at": due_at,
        "attempts": 0,
    }


def _still(claimed: Claimed) -> ColumnElement[bool]:
    """Return whether a row is as it was when this process has claimed it."""
    return (outbox.c.id == claimed.id) & (outbox.c.due_at == claimed.until)
