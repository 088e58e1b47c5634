"""Work that makes the accounts whose hashes were wrapped at import like all others.

A wrapped hash costs what the other system's costs, and ours on top. As long as a store has such
an account, every check of a password does the same; else the time of an answer would tell which
names are theirs (AUTH-02). Whose hashes are alike in function and parameters, as those of one
system are, cannot be told from anybody by time.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import select

from ostiary import Prepared, SealBroken, Store
from ostiary_local.tables import accounts

if TYPE_CHECKING:
    from ostiary_local.foreign import Outline

logger = logging.getLogger(__name__)

WRAPPED = "wrapped:\u212b"
"""What no password holds as it is hashed: NFC has another character for the sign of the angstrom."""

# Built once: every login asks.
FIRST_WRAPPED = Prepared(
    select(accounts.c.kuid, accounts.c.imported)
    .where(accounts.c.hash.is_not(None), accounts.c.imported.is_not(None))
    .order_by(accounts.c.kuid)
    .limit(1)
)


async def decoy(store: Store) -> Outline | None:
    """Return how the value of a wrapped hash is made; None if the store has none."""
    async with store.read() as db:
        row = (await db.execute(FIRST_WRAPPED)).first()
    if row is None:
        return None
    from ostiary_local import foreign

    try:
        opened = store.sealer.open(row.imported, column=accounts.c.imported, row=row.kuid)
        return foreign.parse_outline(opened.decode())
    except (SealBroken, UnicodeDecodeError, foreign.UnknownHash) as damage:
        logger.error(  # noqa: TRY400 -- a traceback may hold the text
            "what is stored of the password of user %r is damaged, and times of answers may tell "
            "of wrapped hashes: %s",
            row.kuid,
            type(damage).__name__,
        )
        return None


def wrapped(value: bytes) -> str:
    """Return the secret of which a wrapped hash is made.

    No password is equal to it: should it be lost that a hash is wrapped, the value of the other
    one, which may be known from a leak, still opens nothing.

    :param value: what the other system's hash has of a password.
    """
    return f"{WRAPPED}{value.hex()}"


async def imitate(store: Store, outline: Outline, forms: list[str]) -> None:
    """Do what a wrapped hash needs above one of our own hashes, for nothing.

    :param forms: what is tried; our own hash is compared with one of them.
    """
    for number, form in enumerate(forms):
        digest = await store.hasher.run(partial(outline.digest, form))
        if number:
            await store.hasher.matches(None, wrapped(digest))
