"""Signing in: what the core asks after a strategy has given its verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ostiary import errors
from ostiary.arguments import Duration
from ostiary.plugins import Strategies
from ostiary.services.accounts import Account, Accounts
from ostiary.services.changes import Changes
from ostiary.services.login_limits import Attempt, LoginLimits
from ostiary.services.refusals import Refusals
from ostiary.services.sessions import Issued, Origin
from ostiary.services.subjects import Place
from ostiary.services.tokens import Tokens
from ostiary.services.users import Users
from ostiary.strategies import Call, Newcomer, Redirect, User

ATTEMPTS = 3
"""How often a verdict is asked for while the user keeps changing."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """What somebody gets who has signed in.

    :ivar device: what the cookie of the device is to hold from now on; None for none.
    """

    issued: Issued
    device: str | None = field(repr=False)


class Logins:
    """Turns credentials into an account; every door asks the same questions here."""

    def __init__(
        self,
        strategies: Strategies,
        accounts: Accounts,
        users: Users,
        tokens: Tokens,
        changes: Changes,
        limits: LoginLimits,
        refusals: Refusals,
        profile_ids: list[str],
    ) -> None:
        self._strategies, self._accounts, self._users = strategies, accounts, users
        self._tokens, self._changes, self._profile_ids = tokens, changes, profile_ids
        self._limits, self._refusals = limits, refusals

    async def sign_in(
        self,
        name: str,
        credentials: Mapping[str, Any],
        call: Call,
        wanted: Duration | None,
        origin: Origin,
        place: Place,
    ) -> SignedIn | Redirect:
        """Return a token for whom some credentials belong to, or where the client has to go first.

        :raises errors.LoginRefused: they open nothing; the answer does not tell why.
        :raises errors.TooManyLogins: there were too many failures for this account or address.
        """
        account = self._strategies.account(name, credentials)
        named = None if account is None else self._limits.digest(name, account)
        async with (
            self._refusals.of_sign_in(name, named),
            self._limits.attempt(name, account, place) as attempt,
        ):
            outcome = await self._open(name, credentials, call, wanted, origin, attempt)
            if isinstance(outcome, Redirect):
                await self._limits.give_back(attempt)
                return outcome
            return SignedIn(outcome, self._limits.stamped(attempt, place))

    async def _open(
        self,
        name: str,
        credentials: Mapping[str, Any],
        call: Call,
        wanted: Duration | None,
        origin: Origin,
        attempt: Attempt,
    ) -> Issued | Redirect:
        """Ask for a verdict, and act on it.

        A verdict takes a while. If the user or their credentials have changed since it was
        asked for, it is asked for again: it may be about what is no more.
        """
        succeed = partial(self._limits.succeed, attempt=attempt)
        for _ in range(ATTEMPTS):
            identified = await self.identify(name, credentials, call)
            if isinstance(identified, Redirect):
                return identified
            account, since = identified
            issued = await self._tokens.issue(
                account, wanted, origin, unless_changed_since=since, along=succeed
            )
            if issued is not None:
                return issued
        raise self._refused(name, None, "the user was changed again and again")

    async def identify(
        self, name: str, credentials: Mapping[str, Any], call: Call
    ) -> tuple[Account, int] | Redirect:
        """Return the account that some credentials open, and the last change before they did."""
        since = await self._changes.newest()
        verdict = await self._strategies.verify(name, credentials, call, self)
        if isinstance(verdict, Redirect):
            return verdict
        if isinstance(verdict, Newcomer):
            kuid = await self._welcome(name, verdict.credentials, verdict.content, call)
            since = await self._changes.newest()
        else:
            kuid = verdict.kuid
        if not isinstance(kuid, str):
            raise errors.InvalidKuid(name, type(kuid).__name__)
        account = await self._accounts.find(kuid)
        # Deleted, disabled, or left over in the strategy's store: all look like a wrong secret.
        if account is None:
            raise self._refused(name, kuid, "the user is deleted")
        if not account.user.enabled:
            raise self._refused(name, kuid, "the user is disabled")
        if name not in account.strategies:
            raise self._refused(name, kuid, "the user has no such credentials any more")
        return account, since

    async def find(self, kuid: str) -> User | None:
        """Return a user; this is the directory that strategies may ask."""
        user = await self._users.find(kuid)
        return None if user is None else user.shown()

    async def _welcome(
        self, name: str, fields: Mapping[str, Any], content: Mapping[str, Any], call: Call
    ) -> str:
        """Create the user whom a strategy has met for the first time."""
        profile_ids = content.get("profileIds", self._profile_ids)
        rest = {key: value for key, value in content.items() if key != "profileIds"}
        user = await self._users.create(call, profile_ids, rest, {name: fields})
        return user.kuid

    def _refused(self, name: str, kuid: str | None, reason: str) -> errors.RefusedLoginError:
        return errors.LoginRefused(self._strategies.find(name).refusal, kuid=kuid, reason=reason)
