"""Refused logins and actions in the audit log: each at once, repeated ones as a number.

Attackers are refused as often as they like, and must fill neither the disk nor the memory: the
same refusal again within a minute is only counted, and above a number of rows a minute all
that are refused for one reason are counted together.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from msgspec.structs import replace

from ostiary import errors
from ostiary.acting import Source, acting, source
from ostiary.durations import MINUTE
from ostiary.events import (
    ActionRefused,
    ReauthenticationRefused,
    Refusal,
    SignInHeldBack,
    SignInRefused,
)
from ostiary.services.events import Events
from ostiary.services.tally import Tally

logger = logging.getLogger(__name__)

MOST = 120
"""Rows about refusals that a process writes in a minute, short of the numbers of repeated ones."""

MOST_REASONS = 50
OTHERS = "for several reasons"
PLUGIN_FAILED = "the plugin failed"
REFUSED = "refused by the strategy"
TOO_MANY = "too many failures"

Key = tuple[object, ...]


class Refusals:
    """Tells of refusals.

    :param most: rows a minute.
    """

    def __init__(
        self, events: Events, tally: Tally, clock: Callable[[], int], most: int = MOST
    ) -> None:
        self._events, self._tally, self._clock, self._most = events, tally, clock, most
        self._minute, self._rows = 0, 0
        self._known: set[Key] = set()
        self._repeated: dict[Key, Refusal] = {}

    @asynccontextmanager
    async def of_sign_in(self, strategy: str, account: bytes | None) -> AsyncIterator[None]:
        """Tell why a login that is made in here was refused, if it is.

        :param account: a keyed hash of the account that it names.
        """
        try:
            yield
        except errors.OstiaryError as error:
            await self.note(_refused_sign_in(error, strategy, account))
            error.noted = True
            raise

    @asynccontextmanager
    async def of_reauthentication(self, strategy: str, kuid: str) -> AsyncIterator[None]:
        """Tell why a proof that is asked for in here was refused, if it is.

        That a proof is missing is told of the action, as any other mistake.
        """
        try:
            yield
        except errors.BadRequestError:
            raise
        except errors.OstiaryError as error:
            told = ReauthenticationRefused(reason=_reason(error), kuid=kuid, strategy=strategy)
            await self.note(told)
            error.noted = True
            raise

    async def of_action(self, error: errors.OstiaryError, action: str, target: str | None) -> None:
        """Tell that an action was refused, unless that was told already."""
        if not error.noted:
            about = error.about or target
            await self.note(ActionRefused(reason=error.id, action=action, target=about))

    async def note(self, event: Refusal) -> None:
        """Tell of a refusal, now or with others like it.

        A store that cannot be reached does not make another refusal of it: that is logged.
        """
        now, here = self._clock(), source()
        if isinstance(event, SignInRefused | SignInHeldBack):
            self._tally.refuse_sign_in()
        event = replace(
            event, at=now, author=here.author, protocol=here.protocol, address=here.address,
            agent=here.agent, request=here.request,
        )  # fmt: skip
        if now // MINUTE != self._minute:
            self._minute, self._rows = now // MINUTE, 0
            self._known.clear()
            await self.flush()
        key = _key(event)
        if key in self._known:
            self._count(key, event)
        elif self._rows >= self._most:
            self._count_with_others(event)
        else:
            self._rows += 1
            self._known.add(key)
            await self._write(event)

    async def sweep(self) -> None:
        """Write the numbers of the last minute if it is over."""
        if self._clock() // MINUTE != self._minute:
            await self.flush()

    async def flush(self) -> None:
        """Write the numbers of the refusals that were repeated."""
        repeated, self._repeated = self._repeated, {}
        # They do not come from whoever asks now.
        with acting(Source()):
            for event in repeated.values():
                await self._write(event)

    def _count(self, key: Key, event: Refusal) -> None:
        before = self._repeated.get(key)
        count = event.count if before is None else before.count + event.count
        self._repeated[key] = replace(event, count=count)

    def _count_with_others(self, event: Refusal) -> None:
        reason = event.reason
        key: Key = (type(event), reason)
        if key not in self._repeated and len(self._repeated) >= self._most + MOST_REASONS:
            reason, key = OTHERS, (type(event), OTHERS)
        self._count(key, _anonymous(event, reason))

    async def _write(self, event: Refusal) -> None:
        try:
            await self._events.emit(event)
        except errors.OstiaryError as error:
            kind = type(event).__name__
            logger.warning("the audit log misses %s (%s): %s", kind, event.reason, error.id)


def _refused_sign_in(
    error: errors.OstiaryError, strategy: str, account: bytes | None
) -> SignInRefused | SignInHeldBack:
    if isinstance(error, errors.TooManyLogins):
        return SignInHeldBack(
            reason=TOO_MANY, strategy=strategy, account=account, wait=error.retry_after
        )
    told = SignInRefused(reason=_reason(error), strategy=strategy, account=account)
    if not isinstance(error, errors.LoginRefusal):
        return told
    return replace(told, kuid=error.kuid, proved=error.proved)


def _reason(error: errors.OstiaryError) -> str:
    """Return why somebody was refused, for who watches; nothing that a client has sent."""
    match error:
        case errors.LoginRefusal(reason=str(reason)) if reason:
            return reason
        case errors.LoginRefused():
            return REFUSED
        case errors.TooManyLogins():
            return TOO_MANY
        case errors.PluginImplementationError():
            return PLUGIN_FAILED
    return error.id


def _key(event: Refusal) -> Key:
    """Return what the same refusal shares; what a client may vary as it likes is not in it."""
    same: tuple[object, ...]
    match event:
        case SignInRefused() | SignInHeldBack():
            same = (event.strategy, event.account)
        case ReauthenticationRefused():
            same = (event.strategy, event.kuid)
        case ActionRefused():
            same = (event.author, event.action)
        case _:
            same = ()
    return (type(event), event.address, event.reason, *same)


def _anonymous(event: Refusal, reason: str) -> Refusal:
    """Return what is left of a refusal among many others: that there was one, and why."""
    match event:
        case SignInRefused():
            return SignInRefused(reason=reason, strategy=None, at=event.at)
        case SignInHeldBack():
            return SignInHeldBack(reason=reason, strategy=None, at=event.at)
        case ReauthenticationRefused():
            return ReauthenticationRefused(reason=reason, kuid=None, strategy=None, at=event.at)
        case ActionRefused():
            return ActionRefused(reason=reason, action="*", at=event.at)
        case _:
            return replace(event, reason=reason)
