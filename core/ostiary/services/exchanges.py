"""One-time codes: a browser takes one from the end of its login to a page, which hands it in.

So no token is ever in a URL. A code lives for a minute and is spent by its first use; the store
has its SHA-256. It is worth nothing alone: with it comes the verifier that only the page has that
began the login (RFC 7636), or the cookie of the browser. What an attacker has planted or read
opens nothing (RFC 9700, 4.5 and 4.7). The token is made when the code is handed in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from ostiary import errors
from ostiary.acting import source
from ostiary.services.door import Door
from ostiary.services.flows import Flow, Flows, Holder
from ostiary.services.login_limits import LoginLimits
from ostiary.services.logins import Logins, Proved, SignedIn
from ostiary.services.refusals import Refusals
from ostiary.services.returning import Proof, Returning
from ostiary.services.sessions import Origin
from ostiary.services.subjects import Place
from ostiary.services.tokens import Tokens

ASKED = "asked"
"""What is still to be answered is kept under this name; else it is kept who may sign in."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is still to be answered, as the client is to see it."""

    value: Mapping[str, Any] = field(repr=False)


class Exchanges:
    """Makes one-time codes, and what they are handed in for."""

    def __init__(
        self,
        flows: Flows,
        logins: Logins,
        tokens: Tokens,
        limits: LoginLimits,
        door: Door,
        refusals: Refusals,
    ) -> None:
        self._flows, self._logins, self._tokens = flows, logins, tokens
        self._limits, self._door, self._refusals = limits, door, refusals

    async def offer(
        self, name: str, returning: Returning, proved: Proved, holder: Holder, address: str
    ) -> str:
        """Return a code for who may sign in."""
        # A step is no change, and that somebody signs in is told when the token is made.
        source().told = True
        begun = await self._flows.begin(
            name,
            Proof({"kuid": proved.kuid, "session": proved.session}),
            holder,
            address,
            account=proved.account,
            since=proved.since,
            returning=returning,
        )
        return begun.handle

    async def offer_question(
        self,
        name: str,
        returning: Returning,
        question: Mapping[str, Any],
        holder: Holder,
        address: str,
    ) -> str:
        """Return a code for what is still to be answered; as the client is to see it."""
        begun = await self._flows.begin(
            name, Proof({ASKED: question}), holder, address, returning=returning
        )
        return begun.handle

    async def redeem(
        self, name: str, flow: Flow, origin: Origin, place: Place
    ) -> SignedIn | Question:
        """Spend a code; return a token, or what is still to be answered.

        :raises errors.FlowOver: another has spent it, or the user has changed since, or has
            left at the provider.
        :raises errors.LoginRefused: the user may not sign in any more.
        :raises errors.TooManyLogins: there were too many failures for this account or address.
        :raises errors.LoginsClosed: a plugin is missing that took part in every login.
        """
        await self._door.check()
        async with (
            self._refusals.of_sign_in(name, flow.account),
            self._limits.attempt(name, flow.account, place) as attempt,
        ):
            await self._flows.spend(flow)
            if ASKED in flow.state:
                source().told = True
                await self._limits.give_back(attempt)
                return Question(flow.state[ASKED])
            assert flow.since is not None
            issued = await self._tokens.issue(
                await self._logins.account(name, flow.state["kuid"]),
                None if flow.returning is None else flow.returning.lifetime,
                replace(origin, foreign=flow.state["session"]),
                unless_changed_since=flow.since,
                along=partial(self._limits.succeed, attempt=attempt),
            )
            if issued is None:
                raise errors.FlowOver
            return SignedIn(issued, self._limits.stamped(attempt, place))
