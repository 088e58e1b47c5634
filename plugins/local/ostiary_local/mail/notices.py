"""Notices: who has a verified address is told that a password, or a name, was changed.

They are put into the outbox by the transaction that makes the change: none is sent of a change
that failed, and none is missing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from ostiary_local.accounts import now
from ostiary_local.mail import outbox, recipients
from ostiary_local.mail.letters import Letter, circumstances

if TYPE_CHECKING:
    from ostiary import Call, Database, Store
    from ostiary_local.strategy import LocalStrategy

PASSWORD, NAMES = "password", "names"
OF_NAMES = {"username", "email", "phone", "verified"}
"""The fields of credentials by which names change."""

Telling = Callable[["Database"], Awaitable[None]]


def of_change(
    strategy: LocalStrategy, store: Store, kuid: str, fields: Mapping[str, Any], call: Call
) -> Telling | None:
    """Return what tells a user of a change of credentials; None if nobody is to be told.

    It is called in the transaction before anything is changed: an address that is given up is
    told, too.
    """
    kinds = [PASSWORD] if "password" in fields else []
    if not OF_NAMES.isdisjoint(fields):
        kinds.append(NAMES)
    if strategy.settings.mail is None or not kinds:
        return None

    async def telling(db: Database) -> None:
        for kind in kinds:
            await tell(strategy, store, db, kind, kuid, call)

    return telling


async def tell(
    strategy: LocalStrategy, store: Store, db: Database, kind: str, kuid: str, call: Call
) -> None:
    """Put a notice to every verified address of a user into the outbox, if mail is configured.

    Where an administrator sits is no business of the user's.

    :param kind: ``PASSWORD`` or ``NAMES``.
    """
    if strategy.settings.mail is None:
        return
    own = call.kuid == kuid
    kind, about = f"{kind}-{'changed' if own else 'administered'}", circumstances(call)
    addresses = await recipients.verified(db, kuid)
    letters = [Letter(kind, kuid, to, now(), about if own else {}) for to in addresses]
    await outbox.put(store, db, letters)
