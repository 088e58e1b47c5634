"""HTTP under pressure: no more connections than can be served, no more read than is worked on.

uvicorn answers requests that a client sends without waiting one after the other, but reads and
keeps all of them.
"""

from __future__ import annotations

import asyncio

import msgspec
from uvicorn.protocols.http.flow_control import FlowControl

from ostiary import errors
from ostiary.http_protocol import BoundedProtocol
from ostiary.pressure import RESERVED_FILES, SLICE, Full, Pressed, shared

ALWAYS_ANSWERED = (b"GET /_healthcheck ", b"GET /_ready ")
"""How requests begin that are answered when there is no room for others, once a connection."""

LAST_BODY, LAST_READER = 2.0, 5.0
"""Seconds in which peers have to send what they have begun, and to read what they have asked for,
when the server stops."""


def _no_room() -> bytes:
    error = errors.Overloaded(retry_after=1)
    content = msgspec.json.encode(error.to_json())
    return (
        b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\n"
        b"retry-after: 1\r\ncache-control: no-store\r\nconnection: close\r\n"
        b"content-length: %d\r\n\r\n%b" % (len(content), content)
    )


NO_ROOM = _no_room()


class Flow(FlowControl):
    """Reads no more while something that was read has to wait."""

    held = False

    def resume_reading(self) -> None:
        """Read on, if that is wanted."""
        if not self.held:
            super().resume_reading()


class PressedProtocol(Pressed, BoundedProtocol):
    """One connection among many.

    A request that comes alone and is read when it is answered pays two comparisons for this.
    """

    flow: Flow
    _refused = _reading = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or get ready to say that there is no room for it."""
        super().connection_made(transport)
        self.flow = Flow(transport)
        self._pressure = shared(self.app_state)
        beyond = len(self.connections) - self._pressure.most_connections
        self._refused = beyond > 0
        self.keeps = not (self._refused or self._pressure.stopping)
        if beyond > RESERVED_FILES // 2:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        """Read on, as far as earlier requests were answered."""
        if self._refused and not data.startswith(ALWAYS_ANSWERED):
            self._refuse()
        elif len(data) <= SLICE and not self._waiting and not self.pipeline:
            BoundedProtocol.data_received(self, data)
        else:
            # Of several requests in a row the last may have come after others were answered.
            self._eager.part()
            self._waiting += data
            self._read_on()
        if self._held or not self._complete:
            self._measure()

    def read_waiting(self) -> None:
        """Go on with the next request."""
        if not self._reading:
            self._read_on()
            self._measure()

    def shutdown(self) -> None:
        """Finish what was asked; neither the rest of a request nor a reader is waited for long."""
        super().shutdown()
        sending = getattr(self.cycle, "more_body", False)
        self.loop.call_later(LAST_BODY if sending else LAST_READER, self._end)

    def _end(self) -> None:
        """Hang up on a peer that had its time; what is worked on has that of the server."""
        cycle = self.cycle
        if (
            self.transport.is_closing()
            or self.flow.write_paused
            or cycle is None
            or cycle.more_body
            or cycle.response_started
        ):
            self.transport.abort()
        else:
            self.loop.call_later(LAST_READER, self._end)

    def _refuse(self) -> None:
        self.refuse(self._say_no_room)

    def _say_no_room(self) -> None:
        self.transport.write(NO_ROOM)
        self.transport.close()

    def _read_on(self) -> None:
        """Read what has come, until a request waits for the one before it."""
        self._reading = True
        while self._waiting and not self.pipeline and not self.transport.is_closing():
            part, self._waiting = self._waiting[:SLICE], self._waiting[SLICE:]
            super().data_received(part)
            if self.transport.get_protocol() is not self:
                # Who upgrades has to wait for the answer before it sends more.
                self._waiting = b""
        self._reading = False
        self.flow.held = bool(self._waiting)
        if self.flow.held:
            self.flow.pause_reading()
        elif not self.pipeline:
            self.flow.resume_reading()

    def _measure(self) -> None:
        """Hold as much of the common room as this connection has in hand."""
        try:
            self._hold(len(self._waiting) + self._head)
        except Full:
            self._refuse()
