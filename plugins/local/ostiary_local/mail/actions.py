"""The actions by which users ask for mail."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, TypedDict

from ostiary import POST, Call, Controller, Store, Strategy
from ostiary_local import accounts, errors, names
from ostiary_local.accounts import now
from ostiary_local.mail import outbox, quota, recipients
from ostiary_local.mail.allowance import ALLOWANCE, FLOODS
from ostiary_local.mail.letters import Letter, circumstances, named
from ostiary_local.strategy import only

if TYPE_CHECKING:
    from ostiary_local.mail.settings import MailSettings

logger = logging.getLogger(__name__)

RETRY = 3600
"""Seconds after which an account has all its mails again."""

LINES = 60
"""Lines of the log about a full outbox, in an hour."""

password = Controller("password")
identifier = Controller("identifier")


class Asking(TypedDict):
    """The body of ``requestReset``."""

    username: Annotated[str, "The user name, or another name of the account."]


class Claiming(TypedDict):
    """The body of ``requestVerification``."""

    value: Annotated[str, "An e-mail address of the account that is not verified yet."]


@password.action(
    POST("/password/requestReset"),
    raises=[errors.MailOff, errors.InvalidUsername, errors.TooMuchMail],
)
async def request_reset(
    store: Store, strategies: Mapping[str, Strategy], call: Call, body: Asking
) -> dict[str, bool]:
    """Ask for a mail with which a new password can be set.

    The answer is the same whether there is such an account or not, whether it has a verified
    address or not, and whether a mail is sent or not; nothing of the account changes.
    """
    strategy = only(strategies)
    settings = strategy.settings.mail
    if settings is None or strategy.reset_page is None:
        raise errors.MailOff
    typed = body["username"]
    if len(typed.encode("utf-8", "surrogatepass")) > names.LONGEST:
        raise errors.InvalidUsername(f"must not have more than {names.LONGEST} bytes")
    _take(settings, call)
    letter = Letter("reset", None, typed, now())
    if not await outbox.put_unknown(store, letter, settings.max_waiting, settings.delay):
        _warn(settings.max_waiting)
    return {"acknowledged": True}


@identifier.action(
    POST("/identifier/requestVerification"),
    signed_in=True,
    raises=[errors.MailOff, errors.NothingToVerify, errors.TooMuchMail],
)
async def request_verification(
    store: Store, strategies: Mapping[str, Strategy], call: Call, body: Claiming
) -> dict[str, bool]:
    """Ask for a mail with which an e-mail address of one's own is verified."""
    strategy = only(strategies)
    settings = strategy.settings.mail
    if settings is None or strategy.verify_page is None:
        raise errors.MailOff
    key = strategy.key(body["value"])
    account = await accounts.of(store, call.kuid)
    if account is None:
        raise errors.NothingToVerify
    about = {"account": named(account.username), **circumstances(call)}
    async with store.begin() as db:
        claimed = await recipients.unverified(db, call.kuid)
        mine = [address for address in claimed if strategy.key(address) == key]
        if not mine:
            raise errors.NothingToVerify
        recipient, most = store.sealer.mark(key), settings.max_per_account
        if await quota.exhausted(db, call.kuid, key, recipient, most, now()):
            raise errors.TooMuchMail(retry_after=RETRY)
        letter = Letter("verify", call.kuid, mine[0], now(), about)
        await outbox.put(store, db, [letter], recipient)
    return {"acknowledged": True}


def _take(settings: MailSettings, call: Call) -> None:
    """Count a request by its address, which tells nothing of any account (AUTH-24)."""
    wait = ALLOWANCE.take(call.address, settings.max_per_address, now())
    if wait is not None:
        raise errors.TooMuchMail(retry_after=wait)


def _warn(most: int) -> None:
    """Say that requests are dropped, now and then."""
    if FLOODS.take("", LINES, now()) is None:
        logger.warning("%d requests for resets wait: others are dropped", most)
