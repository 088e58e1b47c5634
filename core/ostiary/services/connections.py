"""Connections: which WebSocket is tied to which token, and what happens to it when that ends.

A process knows its own sockets only. What has become of a token it asks the store:
another process may have refreshed it or ended it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from heapq import heapify, heappop, heappush
from secrets import token_urlsafe

from ostiary import errors
from ostiary.services.changes import EVERY, Changes
from ostiary.services.rooms import Rooms
from ostiary.services.sessions import Session
from ostiary.services.tokens import Tokens

logger = logging.getLogger(__name__)

POLL = 0.5
"""Seconds after which changes made by other processes are known here without any request."""

SPARE = 64
"""Outdated entries of the list of ends that are not worth clearing away."""


class Tie:
    """A token, and the sockets that hear when it expires.

    :ivar due: the instant at which it is asked about, if it stands in the list of ends.
    """

    __slots__ = ("due", "session", "sockets")

    def __init__(self, session: Session) -> None:
        self.session, self.sockets = session, set[Socket]()
        self.due: int | None = None


class Socket:
    """An open WebSocket, as services know it.

    :ivar expired: sends the notice that the token has expired.
    :ivar rooms: what it is subscribed to.
    :ivar secret: what is bound to this socket is bound to.
    """

    __slots__ = ("expired", "rooms", "secret", "tie")

    def __init__(self, expired: Callable[[], None]) -> None:
        self.expired = expired
        self.rooms: set[str] = set()
        self.secret = token_urlsafe(32)
        self.tie: Tie | None = None


class Connections:
    """Ties the sockets of this process to tokens."""

    def __init__(
        self, tokens: Tokens, rooms: Rooms, changes: Changes, clock: Callable[[], int]
    ) -> None:
        self._tokens, self._rooms, self._changes, self._clock = tokens, rooms, changes, clock
        self._ties: dict[bytes, Tie] = {}
        self._ends: list[tuple[int, bytes]] = []
        self._doubtful: set[bytes] = set()
        self._changed_users: set[str] = set()
        self._woken = asyncio.Event()
        changes.listen(self._heard)

    def __len__(self) -> int:
        return len(self._ties)

    def tie(self, socket: Socket, session: Session) -> None:
        """Tie a socket to the token of its latest request, and to no other."""
        tie = socket.tie
        if tie is not None:
            if tie.session.fingerprint == session.fingerprint:
                return
            self._untie(socket, tie)
        tie = self._ties.get(session.fingerprint)
        if tie is None:
            tie = self._ties[session.fingerprint] = Tie(session)
            self._await_end(tie)
        tie.sockets.add(socket)
        socket.tie = tie

    def sign_in(self, socket: Socket, session: Session) -> None:
        """Tie a socket to the token of a login, with all that share the one it had before.

        Those of another user stay where they are, and those of a token that a login does
        not stand for: an API key, or one without end.
        """
        old = socket.tie and socket.tie.session
        if old and old.account.kuid == session.account.kuid and old.expires_at is not None:
            self.move(old.fingerprint, session)
        self.tie(socket, session)

    def move(self, fingerprint: bytes, session: Session) -> None:
        """Tie the sockets of a token to another one."""
        tie = self._ties.get(fingerprint)
        for socket in [] if tie is None else list(tie.sockets):
            self.tie(socket, session)

    def end(self, fingerprint: bytes) -> None:
        """Untie the sockets of a token that was ended before its time: no notice is sent."""
        if (tie := self._ties.get(fingerprint)) is not None:
            self._end(tie)

    def close(self, socket: Socket) -> None:
        """Forget a socket that is closed."""
        self._rooms.leave_all(socket)
        if socket.tie is not None:
            self._untie(socket, socket.tie)

    async def watch(self) -> None:
        """Wait until a token ends or another process may have changed one, and see to it."""
        self._woken.clear()
        wait = POLL
        if self._ends:
            wait = min(wait, max(0, self._ends[0][0] - self._clock()) / 1000)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), wait)
        try:
            await self.settle()
        except errors.StoreUnavailable as error:
            logger.debug("tokens that have ended are asked about later: %s", error.id)

    async def settle(self) -> None:
        """Ask what has become of the tokens that have ended or changed, and act on it."""
        self._note_ends()
        if self._ties and self._changes.pending():
            await self._changes.catch_up()
        if self._changed_users:
            users, self._changed_users = self._changed_users, set()
            for fingerprint, tie in self._ties.items():
                if tie.session.account.kuid in users:
                    self._doubtful.add(fingerprint)
        while self._doubtful:
            fingerprint = self._doubtful.pop()
            if fingerprint in self._ties:
                await self._ask(fingerprint)

    def _note_ends(self) -> None:
        now = self._clock()
        while self._ends and self._ends[0][0] <= now:
            due, fingerprint = heappop(self._ends)
            tie = self._ties.get(fingerprint)
            if tie is not None and tie.due == due:
                tie.due = None
                self._doubtful.add(fingerprint)

    async def _ask(self, fingerprint: bytes) -> None:
        try:
            session = await self._tokens.fate(fingerprint)
        except BaseException:
            self._doubtful.add(fingerprint)  # Asked again when the store can be reached.
            raise
        tie = self._ties.get(fingerprint)
        if tie is None:
            return
        if session is None:
            self._end(tie)
        elif session.expires_at is not None and session.expires_at <= self._clock():
            self._end(tie, expired=True)
        elif session.fingerprint != fingerprint:
            self.move(fingerprint, session)
        else:
            tie.session = session
            self._await_end(tie)

    def _end(self, tie: Tie, *, expired: bool = False) -> None:
        for socket in list(tie.sockets):
            self._untie(socket, tie)
            self._rooms.leave_all(socket)
            if expired:
                socket.expired()

    def _untie(self, socket: Socket, tie: Tie) -> None:
        socket.tie = None
        tie.sockets.discard(socket)
        if not tie.sockets:
            self._ties.pop(tie.session.fingerprint, None)

    def _await_end(self, tie: Tie) -> None:
        end = tie.session.expires_at
        if end is None or end == tie.due:
            return
        tie.due = end
        heappush(self._ends, (end, tie.session.fingerprint))
        if self._ends[0][0] == end:
            self._woken.set()
        if len(self._ends) > 2 * len(self._ties) + SPARE:
            self._ends = [(one.due, key) for key, one in self._ties.items() if one.due is not None]
            heapify(self._ends)

    def _heard(self, what: str, id: str) -> None:
        if what == "token" and id == EVERY:
            self._doubtful.update(self._ties)
        elif what == "token":
            fingerprint = bytes.fromhex(id)
            if fingerprint in self._ties:
                self._doubtful.add(fingerprint)
        elif what == "user" and self._ties:
            self._changed_users.add(id)
