"""Proving once more who one is, before one's own credentials change (OWASP ASVS 7.5.1, 6.2.3).

Whoever holds a stolen token may guess at the password here as well as at the login: both count
as one (CVE-2026-9798).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ostiary import errors
from ostiary.plugins import Strategies
from ostiary.services.changes import Changes
from ostiary.services.credentials import Credentials
from ostiary.services.login_limits import LoginLimits
from ostiary.services.refusals import Refusals
from ostiary.services.subjects import Place
from ostiary.strategies import Call


class Reauthentication:
    """Asks the strategies that want to be asked."""

    def __init__(
        self,
        strategies: Strategies,
        credentials: Credentials,
        limits: LoginLimits,
        refusals: Refusals,
        changes: Changes,
    ) -> None:
        self._strategies, self._credentials = strategies, credentials
        self._limits, self._refusals, self._changes = limits, refusals, changes

    async def demand(
        self, strategy: str, kuid: str, body: Mapping[str, Any], call: Call, place: Place
    ) -> int:
        """Let a user change credentials who has proved to be their owner, where that is asked for.

        Every proof is counted as a failed login before it is looked at, and given back if it is
        right, or if there is none.

        :param body: of the request; what the strategy takes for a proof is in it.
        :returns: the last change that the proof can know of: it means nothing after the next one.
        :raises errors.NoCredentials: there are none to prove.
        :raises errors.TooManyLogins: there were too many failures for this account or address.
        """
        await self._strategies.settle(strategy)
        self._strategies.find(strategy)
        since = await self._changes.newest()
        seen = await self._credentials.view(strategy, kuid)
        if self._strategies.reauthenticates(strategy):
            account = self._account(strategy, kuid, seen)
            async with (
                self._refusals.of_reauthentication(strategy, kuid),
                self._limits.attempt(strategy, account, place) as attempt,
            ):
                try:
                    await self._strategies.reauthenticate(strategy, kuid, body, call)
                except errors.BadRequestError:
                    await self._limits.give_back(attempt)
                    raise
                await self._limits.give_back(attempt)
        return since

    def _account(self, strategy: str, kuid: str, seen: Mapping[str, Any]) -> str:
        """Return by what a login with these credentials would be counted."""
        account = self._strategies.account(strategy, seen)
        # Where logins do not tell whose they are, this one does. No client can send a NUL.
        return f"\0{kuid}" if account is None else account
