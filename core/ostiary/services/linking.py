"""Linking: somebody who is signed in proves that new credentials are theirs, in one step or several.

A link is kept between its steps as a login is, with whom it is for, and signs nobody in. The
session that has begun it must still be there when the credentials become the user's, so that
nothing comes of what a stolen token has begun once its owner has ended it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from msgspec import Struct, structs
from sqlalchemy import select

from ostiary import errors
from ostiary.acting import source
from ostiary.plugins import Strategies
from ostiary.request import ANONYMOUS
from ostiary.services.access import session_id
from ostiary.services.credentials import Credentials
from ostiary.services.flows import Flow, Flows, Handle, Holder, Link, NextStep
from ostiary.services.login_limits import Attempt, LoginLimits
from ostiary.services.refusals import Refusals
from ostiary.services.returning import Returning
from ostiary.services.sessions import Session
from ostiary.services.subjects import Place
from ostiary.services.user_rows import ENABLED
from ostiary.storage import Database, Store
from ostiary.storage.tables import api_keys, tokens, user_strategies, users
from ostiary.strategies import Call, Challenge, Redirect


class Linked(Struct, frozen=True):
    """Credentials that are a user's from now on.

    :ivar view: what a client may see of them, and the kuid.
    """

    view: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sent:
    """A step that a client takes, and from where.

    :ivar fields: those that are given with it.
    :ivar returning: where a browser wants to go at the end.
    """

    strategy: str
    fields: Mapping[str, Any] = field(repr=False)
    call: Call
    place: Place
    holder: Holder
    returning: Returning | None = None


class Linking:
    """Has users prove that new credentials are theirs, where the strategy asks for it."""

    def __init__(
        self,
        store: Store,
        strategies: Strategies,
        credentials: Credentials,
        flows: Flows,
        limits: LoginLimits,
        refusals: Refusals,
        clock: Callable[[], int],
    ) -> None:
        self._store, self._strategies, self._credentials = store, strategies, credentials
        self._flows, self._limits, self._refusals = flows, limits, refusals
        self._clock = clock

    async def begin(self, sent: Sent, session: Session) -> Linked | NextStep:
        """Take the first step.

        :raises errors.CredentialsExist: there are some, and there may be no others.
        :raises errors.TooManyLogins: there were too many failures of this user or address.
        """
        user, held = session.account.user, session.account.strategies
        if sent.strategy in held and not self._strategies.find(sent.strategy).several:
            raise errors.CredentialsExist(user.kuid, sent.strategy)
        link = Link(user.kuid, user.generation, session.id, session.api_key, held)
        async with self._attempt(sent, link) as attempt:
            return await self._take(sent, link, None, attempt)

    async def resume(self, sent: Sent, handle: Handle) -> Linked | NextStep:
        """Take a later step of a link, for who has begun it.

        :raises errors.FlowOver: it is none, or over, or another user's.
        """
        flow = await self._flows.find(sent.strategy, handle, sent.holder)
        if flow.link is None or flow.link.kuid != sent.call.kuid:
            raise errors.FlowOver
        return await self.go_on(sent, flow, flow.link)

    async def go_on(self, sent: Sent, flow: Flow, link: Link) -> Linked | NextStep:
        """Take a later step of a link; where it comes back without a token, it is known whose.

        :raises errors.FlowOver: its user has changed, or somebody else is signed in here.
        """
        if sent.call.kuid not in (link.kuid, ANONYMOUS):
            raise errors.FlowOver
        source().author = link.kuid
        async with self._store.read() as db:
            await self._check(link, db)
        async with self._attempt(sent, link) as attempt:
            await self._flows.spend(flow)
            # What failed on the way is forgiven with what comes of it.
            whole = structs.replace(attempt, counted=(*attempt.counted, *flow.counted))
            call = replace(sent.call, kuid=link.kuid, state=flow.state)
            return await self._take(replace(sent, call=call), link, flow, whole)

    async def _take(
        self, sent: Sent, link: Link, flow: Flow | None, attempt: Attempt
    ) -> Linked | NextStep:
        """Ask the strategy, and do what it says."""
        name, call = sent.strategy, sent.call
        answer = await self._strategies.link(name, link.kuid, sent.fields, call)
        if isinstance(answer, Challenge | Redirect):
            return await self._ask_more(sent, link, answer, flow, attempt)
        approve = partial(self._check, link)
        view = await self._credentials.create(name, link.kuid, answer, call, approve=approve)
        await self._limits.give_back(attempt)
        return Linked(view)

    async def _ask_more(
        self,
        sent: Sent,
        link: Link,
        step: Challenge | Redirect,
        flow: Flow | None,
        attempt: Attempt,
    ) -> NextStep:
        """Keep a link until its next step; see ``Logins`` for what counts as a failure."""
        following = await self._flows.ask(
            sent.strategy,
            step,
            sent.holder,
            sent.place.address,
            account=attempt.account,
            counted=() if flow is None else attempt.counted,
            returning=sent.returning or (None if flow is None else flow.returning),
            link=link,
        )
        if flow is None:
            await self._limits.give_back(attempt)
        return following

    @asynccontextmanager
    async def _attempt(self, sent: Sent, link: Link) -> AsyncIterator[Attempt]:
        """Count an attempt of a user as failed until it is given back; tell why it was refused."""
        try:
            # As proofs of who one is are counted where logins do not tell whose they are.
            account = f"\0{link.kuid}"
            async with self._limits.attempt(sent.strategy, account, sent.place) as attempt:
                yield attempt
        except errors.OstiaryError as error:
            action = f"{sent.call.controller}:{sent.call.action}"
            await self._refusals.of_action(error, action, link.kuid)
            error.noted = True
            raise

    async def _check(self, link: Link, db: Database) -> None:
        """Refuse to go on for who is not let in any more, or has been changed.

        :raises errors.FlowOver: the user is disabled, deleted or another one; credentials were
            taken off them; or the session is over that has begun it.
        """
        user = select(users.c.generation, users.c.status).where(users.c.kuid == link.kuid)
        found = (await db.execute(user)).first()
        if found is None or tuple(found) != (link.generation, ENABLED):
            raise errors.FlowOver
        held = select(user_strategies.c.strategy).where(user_strategies.c.kuid == link.kuid)
        if not set(link.held) <= set((await db.execute(held)).scalars()):
            raise errors.FlowOver
        if not await self._lives(link, db):
            raise errors.FlowOver

    async def _lives(self, link: Link, db: Database) -> bool:
        """Tell whether the session goes on that has begun a link."""
        table = api_keys if link.api_key else tokens
        this = api_keys.c.id == link.session if link.api_key else session_id == link.session
        mine = (table.c.kuid == link.kuid) & (table.c.generation == link.generation)
        lasting = table.c.expires_at.is_(None) | (table.c.expires_at > self._clock())
        alive = select(table.c.kuid).where(this, mine, lasting).limit(1)
        return await db.scalar(alive) is not None
