"""WebSocket as uvicorn speaks it, with an end to what frames cost that ask for nothing."""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus
from time import monotonic
from typing import Any, ClassVar

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import ProtocolError
from websockets.frames import CloseCode, Frame, Opcode
from websockets.server import ServerProtocol

from ostiary.pressure import SLICE, Full, Pressed, shared
from ostiary.request import Protocol

MESSAGES = (Opcode.TEXT, Opcode.BINARY, Opcode.CONT)
SHORT = 16
"""Bytes below which nobody has a reason to send a part of a message on its own."""

LONGEST_MESSAGE = 30.0
"""Seconds that a message may take to arrive, from its first byte on."""

LAST_WAIT = 2.0
"""Seconds that a peer gets to read its last answers and say goodbye when the server stops."""


class BoundedFrames(ServerProtocol):
    """Fails the connection of a peer that sends too many frames, at the frame that is too many."""

    most_fragments: ClassVar[int] = 1000
    """Frames that one message may come in."""
    most_idle: ClassVar[int] = 100
    """Frames a second that carry nothing, or next to nothing, of a message."""

    incomplete = 0
    """Bytes of a message of which more frames have to come."""

    _fragments = _idle = 0
    _since = 0.0

    @property
    def held(self) -> int:
        """How many bytes have come of what is not complete."""
        return self.incomplete + len(self.reader.buffer)

    def recv_frame(self, frame: Frame) -> None:
        """Count a frame, and take it."""
        if frame.opcode in MESSAGES:
            self._fragments += 1
            self.incomplete = 0 if frame.fin else self.incomplete + len(frame.data)
            if self._fragments > self.most_fragments:
                self._refuse(CloseCode.MESSAGE_TOO_BIG, "too many fragments")
            if frame.fin:
                self._fragments = 0
        if _is_idle(frame):
            self._count_idle()
        super().recv_frame(frame)

    def _count_idle(self) -> None:
        now = monotonic()
        if now - self._since >= 1:
            self._since, self._idle = now, 0
        self._idle += 1
        if self._idle > self.most_idle:
            self._refuse(CloseCode.POLICY_VIOLATION, "too many frames without content")

    def _refuse(self, code: CloseCode, reason: str) -> None:
        self.fail(code, reason)
        # It stops the parser, which keeps the code that is already sent.
        raise ProtocolError(reason)


class BoundedWebSocket(Pressed, WebSocketsSansIOProtocol):
    """Hangs up on peers that flood, and on those that do not read how their socket ends."""

    speaks: ClassVar[Protocol] = "websocket"
    frames_of: ClassVar[type[BoundedFrames]] = BoundedFrames
    conn: BoundedFrames

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._pressure = shared(self.app_state)
        self._deadline: asyncio.TimerHandle | None = None
        self.conn = self.frames_of(
            max_size=self.config.ws_max_size, logger=logging.getLogger("uvicorn.error")
        )

    def data_received(self, data: bytes) -> None:
        """Read on, as far as earlier messages were taken; what comes first is the whole head."""
        if not self.handshake_initiated:
            self._read_head(data)
            return
        self._waiting += data
        self._read_on()

    async def receive(self) -> Any:
        """Hand the next message over, and read on when there is no other."""
        message = await super().receive()
        if self._waiting and self.queue.empty():
            self._read_on()
        return message

    def handle_connect(self, event: Any) -> None:
        """Begin the handshake, and read no frame before it is complete."""
        super().handle_connect(event)
        if not self.handshake_complete:
            self.read_paused = True
            self.transport.pause_reading()

    def handle_ping(self) -> None:
        """Answer a ping, unless the peer leaves earlier answers unread."""
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.conn.data_to_send()

    def send_receive_event_to_app(self) -> None:
        """Hand a message over; what is no UTF-8 is the peer's fault and no error of ours."""
        if self.curr_msg_data_type == "text" and not self.close_sent:
            try:
                b"".join(self.frames).decode()
            except UnicodeDecodeError:
                self.conn.fail(CloseCode.INVALID_DATA, "invalid UTF-8")
                self.handle_parser_exception()
                return
        super().send_receive_event_to_app()

    def handle_parser_exception(self) -> None:
        """Fail the connection."""
        super().handle_parser_exception()
        self._hang_up()

    def handle_close(self, event: Frame) -> None:
        """Answer the end."""
        super().handle_close(event)
        if self.transport.is_closing():
            self._hang_up()

    def keepalive_timeout(self) -> None:
        """Give up on a silent peer."""
        super().keepalive_timeout()
        self._hang_up()

    def eof_received(self) -> None:
        """Let the transport close itself."""
        self._hang_up()

    async def send(self, message: Any) -> None:
        """Send what the application says, one answer after the other as the peer reads."""
        if message["type"] == "websocket.close":
            # A peer that does not read is told all the same; answers that wait are dropped.
            self.writable.set()
        while not self.writable.is_set():
            await self.writable.wait()
        await super().send(message)
        if message["type"] == "websocket.close" and self.close_timer is not None:
            self._hang_up()

    def shutdown(self) -> None:
        """Let the application finish what it has begun and say goodbye."""
        self.close_timeout = LAST_WAIT
        if self.transport.is_closing() or self.close_sent or not self.handshake_complete:
            super().shutdown()
            return
        self.queue.put_nowait({"type": "websocket.disconnect", "code": CloseCode.GOING_AWAY})
        if not self.writable.is_set():
            self._hang_up()

    def _read_head(self, data: bytes) -> None:
        super().data_received(data)
        if not self.handshake_initiated:
            refusal = self.conn.reject(HTTPStatus.BAD_REQUEST, "This is no WebSocket handshake.\n")
            said = b"".join(self.conn.data_to_send())
            self.handshake_initiated = self.handshake_complete = self.close_sent = True
            self.transport.write(said or refusal.serialize())
            self.transport.close()

    def _read_on(self) -> None:
        """Read what has come, until a message waits to be taken."""
        while self._waiting and (self.queue.empty() or self.close_sent):
            part, self._waiting = self._waiting[:SLICE], self._waiting[SLICE:]
            super().data_received(part)
        if self._waiting and not self.read_paused:
            self.read_paused = True
            self.transport.pause_reading()
        self._measure()

    def _measure(self) -> None:
        """Hold as much of the common room as this socket has in hand, and not for long."""
        held = self.conn.held
        if held and self._deadline is None:
            self._deadline = self.loop.call_later(LONGEST_MESSAGE, self._too_slow)
        elif not held and self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        try:
            self._hold(held + len(self._waiting))
        except Full:
            self._fail(CloseCode.TRY_AGAIN_LATER, "the server holds too much")

    def _too_slow(self) -> None:
        self._fail(CloseCode.POLICY_VIOLATION, "the message takes too long")

    def _fail(self, code: CloseCode, reason: str) -> None:
        """Close the socket; what it has begun to send is not waited for."""
        if not self.close_sent and not self.transport.is_closing():
            self.conn.fail(code, reason)
            self.handle_parser_exception()

    def _hang_up(self) -> None:
        """Wait for a while, not for ever, until the peer has read the rest."""
        if self.close_timer is not None:
            self.close_timer.cancel()
        if not self.disconnected:
            self.close_timer = self.loop.call_later(self.close_timeout, self.transport.abort)


def _is_idle(frame: Frame) -> bool:
    if frame.opcode not in MESSAGES:
        return True
    if not frame.fin:
        return len(frame.data) < SHORT
    # Some clients end every message of several frames with an empty one.
    return frame.opcode is not Opcode.CONT and not frame.data
