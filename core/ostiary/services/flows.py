"""Logins and links of several steps: what is kept between two of them, once, for some minutes.

The client holds a handle of 256 random bits. The store has its SHA-256, and what the plugin
wants back, sealed for that handle, strategy and kind: a dump of it answers nothing. A handle is
spent by its first use, whatever comes of it.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Literal

import msgspec
from msgspec import Struct, structs
from sqlalchemy import ColumnElement, delete, func, insert, select, true
from sqlalchemy.exc import IntegrityError

from ostiary import errors
from ostiary.acting import source
from ostiary.declarations import fault_of_fields
from ostiary.networks import network
from ostiary.seals import SealBroken
from ostiary.services.batches import Batch, remove
from ostiary.services.counters import Counted
from ostiary.services.returning import Proof, Returning
from ostiary.storage import Database, Store
from ostiary.storage.tables import login_flows as table
from ostiary.strategies import Challenge, Redirect
from ostiary.verdicts import LONGEST_LIFETIME

Kind = Literal["challenge", "redirect", "code"]

Step = Challenge | Redirect | Proof

LARGEST = 16_384
"""Bytes of what a plugin may have kept."""

PER_NETWORK, IN_ALL = 1_000, 50_000
"""Logins that may be under way from one address (IPv6: /64), and from everywhere. Beyond that
those go first that would be over first, and nobody is refused: who floods the server from an
address can end what others have begun there, and has to go on with it."""

ROW = "SELECT strategy, sealed, binding, expires_at FROM login_flows WHERE fingerprint = ?"


@dataclass(frozen=True, slots=True)
class Handle:
    """What a client comes back with."""

    text: str = field(repr=False)
    kind: Kind


@dataclass(frozen=True, slots=True)
class Holder:
    """By what a client is known again that has begun a login.

    :ivar secret: of its WebSocket, or what its cookie holds; None if there is none.
    """

    secret: str | None = field(default=None, repr=False)
    socket: bool = False


class Link(msgspec.Struct, frozen=True):
    """Whose credentials are to be linked, and who has asked for it.

    :ivar generation: of the user.
    :ivar session: the id of the session, or of an API key.
    :ivar held: the strategies of which the user held credentials.
    """

    kuid: str
    generation: str
    session: str
    api_key: bool
    held: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Flow:
    """A login between two steps, or a link.

    :ivar account: a hash of whose it is, as ``login_limits`` counts; None if that is not known.
    :ivar counted: failures that are taken back when the login has succeeded.
    :ivar since: the last change that the step before can know of: what was proved then means
        nothing once the user or their credentials have changed. None after a redirect, whose
        proof comes with the answer.
    :ivar returning: where a browser wants to go at the end.
    :ivar link: what it is for, if it is no login: it signs nobody in.
    """

    fingerprint: bytes
    state: Mapping[str, Any] = field(repr=False)
    account: bytes | None = None
    counted: tuple[Counted, ...] = ()
    since: int | None = None
    returning: Returning | None = None
    link: Link | None = None

    @property
    def leads_back(self) -> bool:
        """The browser itself asks, and goes on to another page: no script sees the answer."""
        return self.returning is not None and self.since is None

    @property
    def onward(self) -> Returning | None:
        """Where the browser wants to go, for a next step: it asks itself there, and no page does."""
        if self.returning is None or not self.leads_back:
            return self.returning
        return structs.replace(self.returning, by_page=False)

    @property
    def by_code(self) -> bool:
        """That page gets a one-time code, and no cookie."""
        if self.returning is None or self.returning.challenge is None:
            return False
        return self.leads_back or self.returning.by_page


@dataclass(frozen=True, slots=True)
class Begun:
    """What a client gets for its way to the next step.

    :ivar cookie: what its cookie has to hold; None if it needs none.
    """

    handle: str = field(repr=False)
    expires_at: int
    cookie: str | None = field(default=None, repr=False)


class NextStep(Struct, frozen=True):
    """What somebody gets who has more to do.

    :ivar begun: by what they go on; None if nothing is kept.
    """

    what: Challenge | Redirect
    begun: Begun | None


class _Kept(msgspec.Struct):
    # Sealed with the rest: it opens for no other strategy, nor another way.
    strategy: str
    kind: Kind
    state: dict[str, Any]
    account: bytes | None
    counted: list[tuple[bytes, int, int]]
    since: int = 0
    returning: Returning | None = None
    link: Link | None = None


class Flows:
    """Keeps logins between their steps.

    :param key: of the hashes that stand in the store for addresses.
    :param per_network: logins that may be under way from one address; ``in_all``: from all.
    """

    def __init__(
        self,
        store: Store,
        key: bytes,
        clock: Callable[[], int],
        *,
        per_network: int = PER_NETWORK,
        in_all: int = IN_ALL,
    ) -> None:
        self._store, self._key, self._clock = store, key, clock
        self._per_network, self._in_all = per_network, in_all

    async def begin(
        self,
        strategy: str,
        step: Step,
        holder: Holder,
        address: str,
        *,
        account: bytes | None = None,
        counted: Iterable[Counted] = (),
        since: int = 0,
        returning: Returning | None = None,
        link: Link | None = None,
    ) -> Begun:
        """Keep what a plugin wants back, and return what the client gets.

        :param link: it is no login.
        :raises errors.InvalidVerdict: the state is no JSON, or too large; or its handle is known.
        """
        done = [(one.subject, one.first, one.locked_until) for one in counted]
        kind = _kind(step)
        state = dict(step.state or {})
        kept = _encoded(
            strategy, _Kept(strategy, kind, state, account, done, since, returning, link)
        )
        handle = (isinstance(step, Redirect) and step.handle) or secrets.token_urlsafe(32)
        cookie = None
        if kind == "redirect" and not holder.socket:
            # One for all tabs of a browser.
            cookie = holder.secret or secrets.token_urlsafe(32)
        fingerprint = _digest(handle)
        expires_at = self._clock() + step.lifetime
        row = {
            "fingerprint": fingerprint,
            "strategy": strategy,
            "sealed": self._store.sealer.seal(kept, column=table.c.sealed, row=fingerprint),
            "binding": _binding(kind, holder, cookie, returning),
            "network": hmac.digest(self._key, network(address).encode(errors="replace"), "sha256"),
            "expires_at": expires_at,
        }
        async with self._store.begin() as db:
            await _make_room(db, table.c.network == row["network"], self._per_network)
            await _make_room(db, true(), self._in_all)
            try:
                await db.execute(insert(table).values(row))
            except IntegrityError:
                # Only a plugin gives the same handle twice.
                raise errors.InvalidVerdict(strategy) from None
        return Begun(handle, expires_at, cookie)

    async def ask(
        self, strategy: str, step: Challenge | Redirect, holder: Holder, address: str, **kept: Any
    ) -> NextStep:
        """Return what a client gets that a plugin asks for more, and keep what belongs to it.

        :param kept: see ``begin``. A redirection without a state keeps nothing of a login.
        :raises errors.InvalidVerdict: the plugin cannot ask for that.
        """
        # A step is no change: an event of its own would let strangers fill the audit log.
        source().told = True
        check_step(strategy, step)
        bare = isinstance(step, Redirect) and step.state is None and step.handle is None
        if bare and kept.get("link") is None:
            return NextStep(step, None)
        return NextStep(step, await self.begin(strategy, step, holder, address, **kept))

    async def find(self, strategy: str, handle: Handle, holder: Holder) -> Flow:
        """Return the login that a handle goes on with; it is not spent yet.

        :raises errors.FlowOver: it is unknown, spent or over, or another caller's or strategy's.
        """
        fingerprint = _digest(handle.text)
        # Without a transaction: attackers go on asking.
        row = await self._store.fetch(ROW, fingerprint)
        if row is None or row[0] != strategy or row[3] <= self._clock():
            raise errors.FlowOver
        _, sealed, binding, _ = row
        if binding is not None and not hmac.compare_digest(_digest(holder.secret or ""), binding):
            raise errors.FlowOver
        try:
            opened = self._store.sealer.open(bytes(sealed), column=table.c.sealed, row=fingerprint)
        except SealBroken:
            raise errors.FlowOver from None
        kept = msgspec.json.decode(opened, type=_Kept)
        if (kept.strategy, kept.kind) != (strategy, handle.kind):
            raise errors.FlowOver
        counted = tuple(Counted(*one) for one in kept.counted)
        since = None if kept.kind == "redirect" else kept.since
        return Flow(
            fingerprint, kept.state, kept.account, counted, since, kept.returning, kept.link
        )

    async def spend(self, flow: Flow) -> None:
        """Spend a handle: of many at once, one is the first.

        :raises errors.FlowOver: another was.
        """
        alive = (table.c.fingerprint == flow.fingerprint) & (table.c.expires_at > self._clock())
        async with self._store.begin() as db:
            if (await db.execute(delete(table).where(alive))).rowcount != 1:
                raise errors.FlowOver

    async def purge(self, batch: Batch) -> int:
        """Remove some logins that were given up; return how many."""
        over = table.c.expires_at <= self._clock()
        return await remove(self._store, table, over, table.c.expires_at, batch)


def check_step(strategy: str, step: Challenge | Redirect) -> None:
    """Refuse what a plugin cannot ask for.

    :raises errors.InvalidVerdict: it is no question, no address, or takes too long.
    """
    lifetime: Any = step.lifetime
    if type(lifetime) is not int or not 0 < lifetime <= LONGEST_LIFETIME:
        raise errors.InvalidVerdict(strategy)
    if isinstance(step, Redirect):
        location: Any = step.location
        sound = isinstance(location, str) and location.isascii() and location.isprintable()
    else:
        question: Any = step.question
        sound = isinstance(question, Mapping) and not fault_of_fields(step.fields)
        _encoded(strategy, dict(question) if sound else {})
    state: Any = step.state or {}
    if not sound or not isinstance(state, Mapping):
        raise errors.InvalidVerdict(strategy)


def _kind(step: Step) -> Kind:
    match step:
        case Redirect():
            return "redirect"
        case Challenge():
            return "challenge"
        case Proof():
            return "code"


def _binding(
    kind: Kind, holder: Holder, cookie: str | None, returning: Returning | None
) -> bytes | None:
    """Return the SHA-256 of what has to come with a handle; None where holding it is enough."""
    if kind == "code" and returning is not None and returning.binding is not None:
        return returning.binding
    proof = holder.secret if holder.socket or kind == "code" else cookie
    return None if proof is None else _digest(proof)


async def _make_room(db: Database, which: ColumnElement[bool], most: int) -> None:
    """Remove what is too much; on PostgreSQL a few more may be begun at the same moment."""
    count = select(func.count()).select_from(table).where(which)
    excess = int(await db.scalar(count)) - most + 1
    if excess > 0:
        first = select(table.c.fingerprint).where(which).order_by(table.c.expires_at).limit(excess)
        await db.execute(delete(table).where(table.c.fingerprint.in_(first.scalar_subquery())))


def _encoded(strategy: str, value: Any) -> bytes:
    """Return what a plugin has given, as JSON."""
    try:
        text = msgspec.json.encode(value)
    except (TypeError, ValueError, RecursionError):
        raise errors.InvalidVerdict(strategy) from None
    if len(text) > LARGEST:
        raise errors.InvalidVerdict(strategy)
    return text


def _digest(text: str) -> bytes:
    return sha256(text.encode(errors="surrogatepass")).digest()
