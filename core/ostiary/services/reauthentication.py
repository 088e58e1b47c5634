"""Proving once more who one is, before one's own credentials change (OWASP ASVS 7.5.1, 6.2.3).

Whoever holds a stolen token may guess at the password here as well as at the login: both count
as one (CVE-2026-9798).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ostiary import errors
from ostiary.plugins import Strategies
from ostiary.services.account_hashes import account_of
from ostiary.services.changes import Changes
from ostiary.services.credentials import Credentials
from ostiary.services.login_limits import LoginLimits
from ostiary.services.refusals import Refusals
from ostiary.services.sessions import Session
from ostiary.services.subjects import Place
from ostiary.settings.sections import NewCredentials
from ostiary.strategies import Call


class Reauthentication:
    """Asks the strategies that want to be asked.

    :param new: what is asked for before a user gets credentials of one more strategy.
    """

    def __init__(
        self,
        strategies: Strategies,
        credentials: Credentials,
        limits: LoginLimits,
        refusals: Refusals,
        changes: Changes,
        new: NewCredentials,
        clock: Callable[[], int],
    ) -> None:
        self._new, self._clock = new, clock
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
            account = account_of(self._strategies, strategy, kuid, seen)
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

    def needed_to_add(self, strategy: str, session: Session) -> tuple[str, ...] | None:
        """Return the strategies of which one has to be proved before a user gets another one.

        A stolen token must not plant a way in that stays (OWASP ASVS 7.5.1). Who has just signed
        in has proved enough; what the token of an API key, or one made with it, was never.

        :param strategy: of which they get credentials.
        :returns: None if nothing has to be proved, also because they hold nothing at all. What a
            plugin that is missing has given them is no proof, and counts all the same: a stolen
            token must not gain by it.
        """
        wanted = self._new.proof == "all" or (
            self._new.proof == "linked" and self._strategies.links(strategy)
        )
        held = session.account.strategies
        signed_in = session.strategy is not None and not session.api_key
        age = self._clock() - session.began_at
        if not wanted or not held or (signed_in and age < self._new.young_session):
            return None
        known = filter(self._strategies.knows, held)
        return tuple(one for one in known if self._strategies.reauthenticates(one))

    async def demand_one(
        self, names: Sequence[str], kuid: str, body: Mapping[str, Any], call: Call, place: Place
    ) -> None:
        """Let a user go on who proves to be the owner of credentials of one of some strategies.

        :raises errors.ProofNeeded: the body has a proof of none.
        """
        for name in names:
            try:
                await self.demand(name, kuid, body, call, place)
            except errors.BadRequestError:
                continue
            return
        raise errors.ProofNeeded(", ".join(names) or "none")
