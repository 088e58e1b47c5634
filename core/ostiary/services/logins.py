"""Signing in: what the core asks before and after a strategy gives its verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

from msgspec import structs

from ostiary import errors
from ostiary.arguments import Duration
from ostiary.login_hooks import LoginHooks
from ostiary.plugins import Strategies
from ostiary.services.accounts import Account, Accounts
from ostiary.services.assignments import Assignments
from ostiary.services.changes import Changes
from ostiary.services.directory import Directories
from ostiary.services.door import Door
from ostiary.services.flows import Flow, Flows, Holder, NextStep
from ostiary.services.knowledge import known_since
from ostiary.services.linking import Linked, Linking, Sent
from ostiary.services.login_limits import Attempt, LoginLimits
from ostiary.services.refusals import Refusals
from ostiary.services.returning import Returning
from ostiary.services.sessions import Issued, Origin
from ostiary.services.subjects import Place
from ostiary.services.tokens import Tokens
from ostiary.services.users import Users
from ostiary.strategies import Call, Challenge, Newcomer, Redirect, Verdict, Verified

ATTEMPTS = 3
"""How often a verdict is asked for while the user keeps changing."""

STRANGER = Holder()


@dataclass(frozen=True, slots=True)
class SignedIn:
    """What somebody gets who has signed in.

    :ivar device: what the cookie of the device is to hold from now on; None for none.
    """

    issued: Issued
    device: str | None = field(repr=False)


class Proved(NamedTuple):
    """Who may sign in, without a token yet.

    :ivar account: a hash of the account, as ``login_limits`` counts; None if it is not known.
    :ivar since: the last change that this can know of.
    :ivar session: by what the plugin names the session; None if it does not.
    """

    kuid: str
    account: bytes | None
    since: int
    session: str | None


class Identified(NamedTuple):
    """Whom some credentials belong to.

    :ivar since: the last change that the verdict can know of.
    :ivar session: by what the plugin names the session; None if it does not.
    :ivar profiles: those that the user is to have from now on; None leaves them.
    :ivar created: the user was created for this login; the plugins have been asked.
    """

    account: Account
    since: int
    session: str | None = None
    profiles: tuple[str, ...] | None = None
    created: bool = False


class Asked(NamedTuple):
    """What the client has to do first.

    :ivar since: the last change that this can know of.
    """

    step: Challenge | Redirect
    since: int


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
        door: Door,
        refusals: Refusals,
        profile_ids: list[str],
        *,
        flows: Flows,
        hooks: LoginHooks,
        assignments: Assignments,
        directories: Directories,
        linking: Linking,
    ) -> None:
        self._strategies, self._accounts, self._users = strategies, accounts, users
        self._tokens, self._changes, self._profile_ids = tokens, changes, profile_ids
        self._limits, self._door, self._refusals = limits, door, refusals
        self._flows, self._hooks = flows, hooks
        self._assignments, self._directories = assignments, directories
        self._linking = linking

    async def sign_in(
        self,
        name: str,
        credentials: Mapping[str, Any],
        call: Call,
        wanted: Duration | None,
        origin: Origin,
        place: Place,
        *,
        flow: Flow | None = None,
        holder: Holder = STRANGER,
        returning: Returning | None = None,
    ) -> SignedIn | Linked | NextStep | Proved:
        """Return a token for whom some credentials belong to, or what the client has to do next.

        :param flow: with the step before, at a later one. That of a link finishes the link, and
            signs nobody in: a browser that was sent elsewhere comes back here.
        :param returning: where a browser wants to go at the end. If that is to hand in a one-time
            code, and it comes back from elsewhere or a page sends it there, there is no token yet,
            but what has been proved.
        :raises errors.LoginRefused: they open nothing; the answer does not tell why.
        :raises errors.FlowOver: the step before is over.
        :raises errors.TooManyLogins: there were too many failures for this account or address.
        :raises errors.LoginsClosed: a plugin is missing that took part in every login.
        """
        self._strategies.find(name)
        await self._door.check()
        if flow is not None:
            returning = flow.onward
            if flow.link is not None:
                sent = Sent(name, credentials, call, place, holder, returning)
                return await self._linking.go_on(sent, flow, flow.link)
        if returning is not None and returning.lifetime is not None:
            wanted = returning.lifetime
        account = (flow and flow.account) or self._strategies.account(name, credentials)
        async with (
            self._refusals.of_sign_in(name, self._limits.subject(name, account)),
            self._limits.attempt(name, account, place) as counted,
        ):
            call, attempt = await self._begin(name, call, flow, counted)
            since = None if flow is None else flow.since
            later = returning is not None and returning.by_page if flow is None else flow.by_code
            outcome = await self._open(
                name, credentials, call, wanted, origin, attempt, since, later=later
            )
            if isinstance(outcome, Issued):
                return SignedIn(outcome, self._limits.stamped(attempt, place))
            if isinstance(outcome, Proved):
                await self._limits.give_back(attempt)
                return outcome
            return await self._ask_more(name, outcome, place, holder, flow, attempt, returning)

    async def _begin(
        self, name: str, call: Call, flow: Flow | None, attempt: Attempt
    ) -> tuple[Call, Attempt]:
        """Begin a login, or go on with one; return what goes on."""
        if flow is None:
            await self._hooks.before(name, call)
            return call, attempt
        await self._flows.spend(flow)
        # What failed on the way is forgiven with what comes of it.
        counted = (*attempt.counted, *flow.counted)
        return replace(call, state=flow.state), structs.replace(attempt, counted=counted)

    async def _ask_more(
        self,
        name: str,
        asked: Asked,
        place: Place,
        holder: Holder,
        flow: Flow | None,
        attempt: Attempt,
        returning: Returning | None,
    ) -> NextStep:
        """Keep a login until its next step.

        That a first step leads to another is no failure. Of a later one there is no telling:
        a plugin may ask again where an answer was wrong. So those count until the login has
        succeeded, and guessing answers is limited as guessing passwords is.
        """
        following = await self._flows.ask(
            name,
            asked.step,
            holder,
            place.address,
            account=attempt.account,
            counted=() if flow is None else attempt.counted,
            since=asked.since,
            returning=returning,
        )
        if flow is None:
            await self._limits.give_back(attempt)
        return following

    async def _open(
        self,
        name: str,
        credentials: Mapping[str, Any],
        call: Call,
        wanted: Duration | None,
        origin: Origin,
        attempt: Attempt,
        since: int | None,
        *,
        later: bool,
    ) -> Issued | Asked | Proved:
        """Ask for a verdict, and act on it.

        A verdict takes a while. If the user or their credentials have changed since it was
        asked for, it may be about what is no more: it is asked for again, at a first step.

        :param since: the last change that an earlier step can know of; its proof is not asked
            for again.
        :param later: the token is made when a one-time code is handed in.
        """
        succeed = partial(self._limits.succeed, attempt=attempt)
        asked = None
        for _ in range(ATTEMPTS):
            found = await self.identify(name, credentials, call, since)
            if isinstance(found, Asked):
                return found
            if asked != found.account.kuid:
                asked = found.account.kuid
                if not found.created:
                    await self._hooks.after(asked, name, call)
            account, unchanged = await self._assign(name, found)
            if later:
                return Proved(account.kuid, attempt.account, unchanged, found.session)
            issued = await self._tokens.issue(
                account,
                wanted,
                replace(origin, foreign=found.session) if found.session else origin,
                unless_changed_since=unchanged,
                along=succeed,
            )
            if issued is not None:
                return issued
            if call.state is not None:
                # What comes with a later step is looked at once: a provider's code is spent.
                raise errors.FlowOver
        raise self._refusal(name, asked, "the user was changed again and again")

    async def identify(
        self, name: str, credentials: Mapping[str, Any], call: Call, since: int | None = None
    ) -> Identified | Asked:
        """Return the account that some credentials open, and the last change before they did.

        :param since: the last change that an earlier step can know of.
        """
        if since is None:
            since = await self._changes.newest()
        await self._strategies.settle(name)
        with known_since(since) as knowledge:
            verdict = await self._verdict(name, credentials, call)
        if isinstance(verdict, Challenge | Redirect):
            return Asked(verdict, since)
        if created := isinstance(verdict, Newcomer):
            kuid = await self._welcome(name, verdict.credentials, verdict.content, call)
            since = await self._changes.newest()
        else:
            kuid = verdict.kuid
            since = knowledge.of(kuid)
        profiles = verdict.profiles if isinstance(verdict, Verified) else None
        account = await self.account(name, kuid)
        return Identified(account, since, verdict.session, profiles, created)

    async def _verdict(self, name: str, credentials: Mapping[str, Any], call: Call) -> Verdict:
        """Ask the strategy; who may not sign in is not told either what else is wrong."""
        directory = self._directories.of(self._strategies.owner(name))
        try:
            return await self._strategies.verify(name, credentials, call, directory)
        except errors.LoginRefusal as refusal:
            if refusal.proved and refusal.kuid is not None:
                await self.account(name, refusal.kuid)
            raise

    async def account(self, name: str, kuid: str) -> Account:
        """Return an account that a strategy may open.

        Deleted, disabled, or left over in the strategy's store: all look like a wrong secret.
        """
        account = await self._accounts.find(kuid)
        if account is None:
            raise self._refusal(name, kuid, "the user is deleted")
        if not account.user.enabled:
            raise self._refusal(name, kuid, "the user is disabled")
        if name not in account.strategies:
            raise self._refusal(name, kuid, "the user has no such credentials any more")
        return account

    async def _assign(self, name: str, found: Identified) -> tuple[Account, int]:
        """Give a user the profiles that a verdict names, if they have others."""
        account, since, wanted = found.account, found.since, found.profiles
        if wanted is None or set(wanted) == set(account.user.profile_ids):
            return account, since
        if not wanted:
            raise errors.InvalidVerdict(name)
        number = await self._assignments.assign(name, account.kuid, wanted, since)
        await self._changes.catch_up()
        # If it was not done, the token is not made either: the user has changed.
        return await self.account(name, account.kuid), since if number is None else number

    async def _welcome(
        self, name: str, fields: Mapping[str, Any], content: Mapping[str, Any], call: Call
    ) -> str:
        """Create the user whom a strategy has met for the first time."""
        profile_ids = content.get("profileIds", self._profile_ids)
        rest = {key: value for key, value in content.items() if key != "profileIds"}
        approve = partial(self._hooks.after, strategy=name, call=call)
        user = await self._users.create(call, profile_ids, rest, {name: fields}, approve=approve)
        return user.kuid

    def _refusal(self, name: str, kuid: str | None, reason: str) -> errors.OstiaryError:
        refusal = self._strategies.find(name).refusal
        return errors.LoginRefused(refusal, kuid=kuid, reason=reason)
