"""HTTP as uvicorn speaks it: bounded in what one request may send, shorter in what is answered."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from ostiary.http_answers import AT_ONCE, CONNECTIONS
from ostiary.request import Protocol
from ostiary.websocket_protocol import BoundedWebSocket

LONGEST_HEAD = 2**16
"""Bytes that the head of a request may have."""


def answer_at_once(cycle: RequestResponseCycle, status: int, head: bytes, content: bytes) -> bool:
    """Write an answer in one piece; tell whether that could be done.

    uvicorn looks at each header of an answer three times, which costs more than all
    that the application does to check a token. What can be otherwise than plain goes
    its way: a client that reads slowly, one that wants the connection closed, HEAD.

    :param head: the lines of the headers; its values were checked by whoever made it.
    """
    if (
        cycle.response_started
        or cycle.disconnected
        or cycle.flow.write_paused
        or not cycle.keep_alive
        or cycle.scope["method"] == "HEAD"
    ):
        return False
    lines = [b"%b: %b\r\n" % header for header in cycle.default_headers]
    cycle.transport.write(b"".join((STATUS_LINE[status], *lines, head, b"\r\n", content)))
    cycle.response_started = cycle.response_complete = True
    cycle.waiting_for_100_continue = False
    cycle.message_event.set()
    cycle.on_response()
    return True


class BoundedProtocol(HttpToolsProtocol):
    """Hangs up on heads that are too large and on requests that do not come to their end.

    A request that arrives in one piece pays next to nothing: only what is incomplete is timed.
    """

    speaks: ClassVar[Protocol] = "http"
    slowest: ClassVar[float] = 30
    """Seconds that a request may take to arrive, from its connection or its first byte on."""

    _deadline: asyncio.TimerHandle | None = None
    _in_head = True
    _complete = False
    _head = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self.app_state[CONNECTIONS] = self.connections
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._expect_nothing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, and give up on a head without end."""
        if self._in_head:
            self._head += len(data)
        super().data_received(data)
        if self._complete and self.transport.get_protocol() is self:
            self._expect_nothing()
        elif self._in_head and self._head > LONGEST_HEAD:
            if not self.transport.is_closing():
                self.send_400_response("The head of the request is too large.")
        else:
            self._expect()

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._complete = False
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Refuse a head that came in one piece and is too large all the same."""
        self._in_head = False
        if self._head > LONGEST_HEAD and self._size() > LONGEST_HEAD:
            raise ValueError("the head of the request is too large")
        super().on_headers_complete()
        # After an upgrade there may be no cycle, or that of an earlier request.
        if getattr(self.cycle, "scope", None) is self.scope:
            extensions: Any = {AT_ONCE: partial(answer_at_once, self.cycle)}
            self.scope["extensions"] = extensions

    def on_message_complete(self) -> None:
        """End a request; what comes next is the head of another."""
        self._complete = self._in_head = True
        self._head = 0
        super().on_message_complete()

    def _size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def _expect(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.slowest, self._give_up)

    def _expect_nothing(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        protocol = self.transport.get_protocol()
        upgraded = isinstance(protocol, BoundedWebSocket) and protocol.handshake_complete
        if not upgraded and not self.transport.is_closing():
            self.transport.close()
