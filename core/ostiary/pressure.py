"""What all connections of a process may hold together, and who has to go when it is more.

Bounds of a single connection do not bound ten thousand of them.
"""

from __future__ import annotations

import asyncio
import logging
import resource
from collections.abc import MutableMapping
from time import monotonic
from typing import Any

logger = logging.getLogger(__name__)

PRESSURE = "ostiary.pressure"
"""Where the connections of a process find what they share, in the state of the application."""

MOST_CONNECTIONS = 2**14

MOST_INCOMING = 64 * 2**20
"""Bytes of requests that have not come to their end, in all connections together."""

MOST_UNREAD = 64 * 2**20
"""Bytes of answers that wait for their peers to read, in all connections together; of those that
wait inside the server for a WebSocket to take them, as many more."""

RESERVED_FILES = 256
"""Open files of a process that no connection gets: those of the stores and of the plugins, and
half of them to tell peers that there is no room."""

STALLED = 30.0
"""Seconds in which a peer has to read something of an answer that waits for it."""

LOOK = 1.0
"""Seconds between two looks at how far answers were read."""


SLICE = 4096
"""Bytes that are read in one go: what follows what is not worked off has to wait."""


class Full(Exception):
    """There is no room for what a peer wants to send."""


class Room:
    """Counts the bytes that connections hold, up to a bound."""

    __slots__ = ("held", "most")

    def __init__(self, most: int) -> None:
        self.most, self.held = most, 0

    @property
    def full(self) -> bool:
        """Whether as much is held as may be."""
        return self.held >= self.most

    def take(self, size: int) -> None:
        """Hold some more; a negative size gives back.

        :raises Full: there is no room for it, and none was taken.
        """
        if size > 0 and self.held + size > self.most:
            raise Full
        self.add(size)

    def add(self, size: int) -> None:
        """Hold some more of what cannot be refused any more; a negative size gives back."""
        self.held += size


class Unread:
    """The connections whose peers leave answers unread: who reads none of them is hung up on.

    When all of them together hold too much, it is the largest that has to go.
    """

    def __init__(self, most: int) -> None:
        self._most, self._total = most, 0
        self._left: dict[asyncio.WriteTransport, tuple[int, float]] = {}
        self._timer: asyncio.TimerHandle | None = None

    @property
    def size(self) -> int:
        """How many bytes they hold, as far as was last seen."""
        return self._total

    def begin(self, transport: asyncio.WriteTransport) -> None:
        """Watch a connection that has more to write than it should keep."""
        self._note(transport, transport.get_write_buffer_size(), monotonic())
        if self._total > self._most:
            self._look_at_all()
        if self._timer is None and self._left:
            self._timer = asyncio.get_running_loop().call_later(LOOK, self._look)

    def end(self, transport: asyncio.WriteTransport) -> None:
        """Watch a connection no more: it was read, or is gone."""
        self._total -= self._left.pop(transport, (0, 0.0))[0]

    def _look(self) -> None:
        self._look_at_all()
        self._timer = None
        if self._left:
            self._timer = asyncio.get_running_loop().call_later(LOOK, self._look)

    def _look_at_all(self) -> None:
        now = monotonic()
        for transport, (size, since) in list(self._left.items()):
            left = transport.get_write_buffer_size()
            if not left:
                self.end(transport)
            elif left < size:
                self._note(transport, left, now)
            elif now - since > STALLED:
                self._give_up(transport)
        while self._total > self._most:
            self._give_up(max(self._left, key=lambda transport: self._left[transport][0]))

    def _note(self, transport: asyncio.WriteTransport, size: int, now: float) -> None:
        self._total += size - self._left.get(transport, (0, 0.0))[0]
        self._left[transport] = size, now

    def _give_up(self, transport: asyncio.WriteTransport) -> None:
        self.end(transport)
        transport.abort()


class Pressure:
    """What the connections of a process share.

    :param most_connections: that are served at the same time; others are told that there is no
        room.
    :ivar stopping: the server was told to stop: each connection gets one more answer.
    """

    stopping = False

    def __init__(self, most_connections: int = MOST_CONNECTIONS) -> None:
        self.most_connections = most_connections
        self.incoming, self.unsent = Room(MOST_INCOMING), Room(MOST_UNREAD)
        self.unread = Unread(MOST_UNREAD)


class Pressed(asyncio.Protocol):
    """A connection among many: what it has in hand, and what its peer leaves unread, counts.

    Stands before the protocol class that it is mixed into.
    """

    transport: Any
    _pressure: Pressure
    _waiting = b""
    _held = 0

    def connection_lost(self, exc: Exception | None) -> None:
        """Give back what was held."""
        self._waiting = b""
        self._hold(0)
        self._pressure.unread.end(self.transport)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Write no more answers, and see whether those that were written are read."""
        super().pause_writing()
        self._pressure.unread.begin(self.transport)

    def resume_writing(self) -> None:
        """Go on."""
        self._pressure.unread.end(self.transport)
        super().resume_writing()

    def _hold(self, size: int) -> None:
        """Hold so much of the common room.

        :raises Full: there is no room for it.
        """
        self._pressure.incoming.take(size - self._held)
        self._held = size


def shared(state: MutableMapping[str, Any]) -> Pressure:
    """Return what the connections of an application share."""
    pressure: Pressure | None = state.get(PRESSURE)
    if pressure is None:
        pressure = state[PRESSURE] = Pressure()
    return pressure


def most_connections(wanted: int) -> int:
    """Return how many connections this process can have, after it got all files that it may.

    One that runs out of them can neither accept nor refuse, nor open its own stores.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + RESERVED_FILES
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return wanted
    most = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    if most < needed:
        logger.warning(
            "this process may open %d files: it serves at most %d connections, not %d",
            most, most - RESERVED_FILES, wanted,
        )  # fmt: skip
    return max(1, most - RESERVED_FILES)
