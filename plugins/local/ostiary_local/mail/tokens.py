"""The links in mail: made when it is sent, so that no token waits in the outbox."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ostiary_local import accounts, resets, tickets
from ostiary_local.forms import CODE
from ostiary_local.mail import recipients
from ostiary_local.verification import LIFETIME

if TYPE_CHECKING:
    from ostiary import Store
    from ostiary_local.mail.letters import Letter
    from ostiary_local.strategy import LocalStrategy

MINUTE, HOUR = 60_000, 3_600_000


class Void(Exception):
    """There is nothing to be sent any more; the text says why, and holds nothing secret."""


async def link(strategy: LocalStrategy, store: Store, letter: Letter) -> Mapping[str, str]:
    """Return what a letter names besides the circumstances: its link, if it has one.

    :raises Void: what it was to be sent for is not so any more.
    """
    match letter.kind:
        case "reset":
            token = await _reset(strategy, store, letter)
            return {"link": _opened(strategy.reset_page, token), "minutes": _minutes(strategy)}
        case "verify":
            token = await _verify(strategy, store, letter)
            return {"link": _opened(strategy.verify_page, token), "hours": str(LIFETIME // HOUR)}
        case _:
            return {}


async def _reset(strategy: LocalStrategy, store: Store, letter: Letter) -> str:
    assert letter.kuid is not None
    lifetime = strategy.settings.reset_password_expires_in
    async with store.begin() as db:
        # Whoever changes the account afterwards voids the ticket.
        set_at = await accounts.lock(db, letter.kuid)
        if set_at is None or letter.to not in await recipients.verified(db, letter.kuid):
            raise Void("the address is not the user's any more")
        bound = resets.bound(set_at)
        return await tickets.add(db, "reset", "mailed", letter.kuid, bound, lifetime)


async def _verify(strategy: LocalStrategy, store: Store, letter: Letter) -> str:
    assert letter.kuid is not None
    async with store.begin() as db:
        await accounts.lock(db, letter.kuid)
        if letter.to not in await recipients.unverified(db, letter.kuid):
            raise Void("the address is verified, or not the user's any more")
        return await tickets.add(db, "verify", "mailed", letter.kuid, letter.to, LIFETIME)


def _minutes(strategy: LocalStrategy) -> str:
    return str(max(1, strategy.settings.reset_password_expires_in // MINUTE))


def _opened(url: str | None, token: str) -> str:
    """Return the address of a page with a token in its fragment, which no server is sent."""
    if url is None:
        raise Void("its page is not configured any more")
    return f"{url}#{CODE}={token}"
