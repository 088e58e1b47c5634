"""Delivering what is in the outbox: the work of every process in the background."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from ostiary import SealBroken, errors
from ostiary_local.accounts import now
from ostiary_local.mail import outbox, recipients
from ostiary_local.mail.bell import BELL
from ostiary_local.mail.letters import Letter
from ostiary_local.mail.outbox import Claimed
from ostiary_local.mail.smtp import Mailer, Refused, Undelivered
from ostiary_local.mail.tokens import Void, link
from ostiary_local.mail.writing import written

if TYPE_CHECKING:
    from ostiary import Directory, Store
    from ostiary_local.mail.settings import MailSettings
    from ostiary_local.strategy import LocalStrategy

logger = logging.getLogger(__name__)

POLL = 3.0
"""Seconds between two looks for what other processes have put in, or what has to be tried again."""

LONGEST_DELAY = 3_600_000
"""Milliseconds between two attempts at most."""


async def deliver(
    strategy: LocalStrategy, settings: MailSettings, store: Store, directory: Directory
) -> None:
    """Deliver mail until cancelled."""
    office = Delivery(strategy, settings, store, directory)
    with BELL.heard() as rung:
        while True:
            rung.clear()
            pause = await office.round()
            if pause > 0:
                with suppress(TimeoutError):
                    await asyncio.wait_for(rung.wait(), pause)


class Delivery:
    """Delivers mail that is due."""

    def __init__(
        self,
        strategy: LocalStrategy,
        settings: MailSettings,
        store: Store,
        directory: Directory,
    ) -> None:
        self._strategy, self._settings = strategy, settings
        self._store, self._directory = store, directory
        self._mailer = Mailer(settings, store.hasher.run)
        # Twice what a delivery may take: who holds a row for longer is gone.
        self._lease = 2 * settings.timeout

    async def round(self) -> float:
        """Deliver some of what is due; return in how many seconds there may be more.

        While the store cannot be reached, there is nothing.
        """
        try:
            due_at = await outbox.next_due(self._store)
            pause = POLL if due_at is None else min((due_at - now()) / 1000, POLL)
            if pause > 0:
                return pause
            claimed = await outbox.claim(self._store, self._lease)
            handled = map(self._handle, claimed)
            for failure in await asyncio.gather(*handled, return_exceptions=True):
                if failure is not None:
                    raise failure
        except errors.ServiceUnavailableError as error:
            logger.warning("mail is put off: %s", error.id)
            return POLL
        return 0.0

    async def _handle(self, claimed: Claimed) -> None:
        """Do what is to be done about a row, and say so where it fails: others follow it."""
        try:
            await self._send(claimed, claimed.opened(self._store))
        except Undelivered as failure:
            await self._fail(claimed, str(failure))
        except Refused as refusal:
            logger.warning("mail (%s) to user %r is refused: %s", *_of(claimed), refusal)
            await outbox.drop(self._store, claimed)
        except Void as reason:
            logger.info("mail (%s) to user %r is not sent: %s", *_of(claimed), reason)
            await outbox.drop(self._store, claimed)
        except SealBroken:
            logger.error("mail (%s) to user %r cannot be read: its key is gone", *_of(claimed))  # noqa: TRY400
            await outbox.drop(self._store, claimed)
        except errors.OstiaryError as error:
            # It is claimed, and is found again.
            logger.warning("mail (%s) to user %r is put off: %s", *_of(claimed), error.id)
        except Exception as error:  # noqa: BLE001 - one that fails always must not stop the others
            await self._fail(claimed, type(error).__name__)

    async def _send(self, claimed: Claimed, letter: Letter) -> None:
        if letter.kuid is None:
            await self._address(claimed, letter)
            return
        # What follows from a change is told to those who are disabled, too.
        if claimed.kind in outbox.ASKED:
            await self._check(letter.kuid)
        values = await link(self._strategy, self._store, letter)
        try:
            # It takes its time, and nobody's request is to tell when.
            write = partial(written, letter, self._settings, id=claimed.id, values=values)
            message = await self._store.hasher.run(write)
        except ValueError:
            raise Refused("no mail can be sent to such an address") from None
        await self._mailer.deliver(message)
        await outbox.delivered(self._store, claimed)
        logger.info("mail (%s) to user %r is sent", *_of(claimed))

    async def _address(self, claimed: Claimed, letter: Letter) -> None:
        """Put letters in the place of what was typed, one for each address."""
        found = await recipients.meant(self._strategy, self._store, self._directory, letter.to)
        if found is None:
            # What was typed is never told: it may be a password.
            logger.debug("mail (%s) is not sent: nobody who may sign in is called so", letter.kind)
            await outbox.drop(self._store, claimed)
            return
        kuid, addresses = found
        letters = [Letter(letter.kind, kuid, to, letter.created_at) for to in addresses]
        most = self._settings.max_per_account
        why = await outbox.replace(self._store, claimed, letters, most)
        why = why if addresses else "no address is verified"
        if why is not None:
            logger.info("mail (%s) to user %r is not sent: %s", letter.kind, kuid, why)

    async def _check(self, kuid: str) -> None:
        """Refuse what was asked for by whom is gone meanwhile."""
        if not await recipients.may_sign_in(self._directory, kuid):
            raise Void("the user may not sign in")

    async def _fail(self, claimed: Claimed, why: str) -> None:
        """Have a mail tried again, unless that has gone on for too long."""
        instant, settings = now(), self._settings
        if instant - claimed.created_at >= settings.retry_for:
            given_up = "mail (%s) to user %r is given up after %d attempts: %s"
            logger.error(given_up, *_of(claimed), claimed.attempts, why)
            await outbox.drop(self._store, claimed)
            return
        delay = min(settings.retry_after * 3 ** min(claimed.attempts - 1, 20), LONGEST_DELAY)
        again = "mail (%s) to user %r was not delivered, and is tried again in %d s: %s"
        logger.warning(again, *_of(claimed), delay // 1000, why)
        await outbox.postpone(self._store, claimed, instant + delay)


def _of(claimed: Claimed) -> tuple[str, str | None]:
    return claimed.kind, claimed.kuid
