"""One request and its answer, as uvicorn's protocol class keeps them, made for less."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

if TYPE_CHECKING:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class Cycle(RequestResponseCycle):
    """What ``RequestResponseCycle`` is; most of what it holds is that of its class.

    :ivar body: what has arrived and is yet to be received.
    """

    body: bytes | bytearray = b""  # type: ignore[assignment]
    more_body = True
    disconnected = False
    response_started = False
    response_complete = False
    chunked_encoding: bool | None = None
    expected_content_length = 0
    _event: asyncio.Event | None = None
    _received = False

    def __init__(self, protocol: HttpToolsProtocol, scope: Any, *, keep_alive: bool) -> None:
        self.scope = scope
        self.keep_alive = keep_alive
        self.transport = protocol.transport
        self.flow = protocol.flow
        self.logger = protocol.logger
        self.access_logger = protocol.access_logger
        self.access_log = protocol.access_log
        self.default_headers = protocol.server_state.default_headers
        self.waiting_for_100_continue = (
            # Who speaks HTTP/1.0 takes no such answer (RFC 9110, 10.1.1).
            protocol.expect_100_continue and scope["http_version"] != "1.0"
        )
        self.on_response = protocol.on_response_complete

    @property
    def message_event(self) -> asyncio.Event:  # type: ignore[override]
        """Is set when there is something to receive; made only for who waits for it."""
        if self._event is None:
            self._event = asyncio.Event()
            if not self._received and (self.body or not self.more_body):
                self._event.set()
        return self._event

    def feed(self, chunk: bytes) -> int:
        """Take a part of the body; return how much there is to receive."""
        if not self.body and self._event is None:
            self.body = chunk
            return len(chunk)
        if self.body:
            if isinstance(self.body, bytes):
                self.body = bytearray(self.body)
            self.body += chunk
        else:
            self.body = chunk
        self.wake()
        return len(self.body)

    def end(self) -> None:
        """Note that the body is complete."""
        self.more_body = False
        self.wake()

    def wake(self) -> None:
        """Tell who waits that there is something to receive."""
        if self._event is not None:
            self._event.set()

    def take_whole(self) -> bytes | None:
        """Return the body of a request that has come as a whole, once; None if that is not so."""
        if (
            self.more_body
            or self._received
            or self._event is not None
            or self.waiting_for_100_continue
            or self.response_complete
        ):
            return None
        self._received = True
        self.flow.resume_reading()
        body, self.body = self.body, b""
        return bytes(body)

    async def receive(self) -> Any:
        """Return a request that has come as a whole at once, the first time."""
        whole = self.take_whole()
        if whole is None:
            return await super().receive()
        return {"type": "http.request", "body": whole, "more_body": False}
