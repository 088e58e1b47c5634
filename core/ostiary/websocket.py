"""The WebSocket adapter: one text frame is one request; answers may come in any order."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import msgspec
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from ostiary import body, errors, message
from ostiary.dispatch import Dispatcher
from ostiary.http import request_ids
from ostiary.pressure import Room
from ostiary.proxies import PROXIED
from ostiary.request import Connection, Request
from ostiary.services.connections import Connections, Socket

logger = logging.getLogger(__name__)

MOST_UNSENT = 2**20
"""Characters of answers that may wait to be sent before nothing more is read."""

MOST_AT_ONCE = 50
"""Requests of one socket that run, or whose answers wait to be sent, at the same time."""

STALLED = 5.0
"""Seconds after which a peer that takes none of so many, or so large, answers is given up."""

LONGEST_ID = 1024
"""Characters of a ``requestId``, which every answer holds twice."""

GOING_AWAY, UNACCEPTABLE_DATA, INTERNAL_ERROR = 1001, 1003, 1011

EXPIRED = "The token of this connection has expired. This notice needs no subscription."


class Pace:
    """Counts the messages of one socket, in frames of a second.

    :param most: messages a second; 0 is any number.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._clock = most, clock
        self._count, self._since = 0, 0.0

    def exceeded(self) -> bool:
        """Count a message; tell whether it is one too many."""
        if not self._most:
            return False
        now = self._clock()
        if now - self._since >= 1:
            self._since, self._count = now, 0
        self._count += 1
        return self._count > self._most

    def rest(self) -> float:
        """Return for how many seconds nothing more should be read, not even to be refused."""
        if self._count < 2 * self._most or not self._most:
            return 0
        return max(0, self._since + 1 - self._clock())


class WebSockets:
    """Serves the API over WebSocket (RFC 6455).

    :param unsent: for the answers of all sockets together that wait to be sent.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        connections: Connections,
        messages_per_second: int,
        unsent: Room,
    ) -> None:
        self.dispatcher, self.connections, self.unsent = dispatcher, connections, unsent
        self.messages_per_second = messages_per_second
        self.next_id = request_ids()
        notice = {
            "status": 200,
            "type": "TokenExpired",
            "message": "Authentication Token Expired",
            "info": EXPIRED,
            "node": dispatcher.node,
            "room": "kuzzle:notification:server",
        }
        self.expired = msgspec.json.encode(notice).decode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one socket until it closes."""
        await Conversation(self, WebSocket(scope, receive, send)).hold()


class Conversation:
    """One socket, from its opening to its end."""

    def __init__(self, server: WebSockets, websocket: WebSocket) -> None:
        self._server, self._websocket = server, websocket
        self._dispatcher = server.dispatcher
        self._pace = Pace(server.messages_per_second)
        self._running = self._unsent = self._unsent_size = 0
        self._moved = asyncio.Event()
        self._tasks = asyncio.TaskGroup()
        self._socket = Socket(expired=self._say_expired)
        headers: Mapping[bytes, bytes] = dict(websocket.scope["headers"])
        address = websocket.client.host if websocket.client else ""
        proxied = PROXIED in websocket.scope
        self._connection = Connection("websocket", address, headers, self._socket, proxied)

    async def hold(self) -> None:
        """Answer what is asked until the socket closes; what runs then is finished."""
        await self._websocket.accept()
        try:
            async with self._tasks:
                while (frame := await self._receive()) is not None:
                    if frame and await self._find_place():
                        exceeded = self._pace.exceeded()
                        self._tasks.create_task(self._serve(frame, exceeded=exceeded))
                        if rest := self._pace.rest():
                            await asyncio.sleep(rest)
        finally:
            self._server.connections.close(self._socket)
        await self._close(GOING_AWAY)

    async def _receive(self) -> str | None:
        """Return the next frame of text, or None when there will be none."""
        event = await self._websocket.receive()
        if event["type"] == "websocket.disconnect":
            return None
        text: str | None = event.get("text")
        if text is None:
            await self._close(UNACCEPTABLE_DATA)
        return text

    async def _find_place(self) -> bool:
        """Wait for a place; there is none for a peer that leaves its answers unread."""
        while self._running >= MOST_AT_ONCE or self._leaves_too_much():
            self._moved.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._moved.wait(), STALLED)
                continue
            if self._unsent >= MOST_AT_ONCE or self._leaves_too_much():
                await self._close(INTERNAL_ERROR)
                return False
        self._running += 1
        return True

    def _leaves_too_much(self) -> bool:
        """Tell whether the peer leaves more unread than it may: nothing, if all leave too much."""
        return self._unsent_size > (0 if self._server.unsent.full else MOST_UNSENT)

    async def _serve(self, frame: str, *, exceeded: bool) -> None:
        try:
            content = await self._answer(frame, exceeded=exceeded)
            if content is not None:
                await self._send(content.decode())
        finally:
            self._running -= 1
            self._moved.set()

    async def _answer(self, frame: str, *, exceeded: bool) -> bytes | None:
        request = Request("", "", {}, None, None, self._connection, "")
        try:
            content = body.decode(frame)
            if content is None:
                return None
            if content == {"p": 1} and content["p"] is not True:
                return msgspec.json.encode({"p": 2})
            request.raw_body = frame
            request.id = self._id(content)
            if exceeded:
                error = errors.TooManyMessages(retry_after=1)
                return self._dispatcher.refuse(error, request, room=True).body
            message.fill(request, content)
        except ValueError as error:
            return self._refuse(errors.WebSocketError(error), request)
        except errors.OstiaryError as error:
            return self._refuse(error, request)
        return (await self._dispatcher.answer(request, room=True)).body

    def _refuse(self, error: errors.OstiaryError, request: Request) -> bytes:
        """Answer a frame that is no request: without ``room``."""
        request.id = request.id or self._server.next_id()
        request.controller = request.action = ""
        return self._dispatcher.refuse(error, request).body

    def _id(self, content: Any) -> str:
        given = content.get("requestId") if isinstance(content, dict) else None
        if given is None:
            return self._server.next_id()
        if not isinstance(given, str):
            raise errors.InvalidType("requestId", "string")
        if len(given) > LONGEST_ID:
            raise errors.InvalidArgument("requestId", f"at most {LONGEST_ID} characters")
        return given

    def _say_expired(self) -> None:
        self._tasks.create_task(self._send(self._server.expired))

    async def _send(self, text: str) -> None:
        self._unsent += 1
        self._unsent_size += len(text)
        self._server.unsent.add(len(text))
        try:
            await self._websocket.send_text(text)
        except (WebSocketDisconnect, RuntimeError) as error:
            # The client left before its answer; RuntimeError is how a closed socket says so.
            if self._websocket.application_state is WebSocketState.CONNECTED:
                logger.debug("an answer could not be sent: %s", type(error).__name__)
        finally:
            self._unsent -= 1
            self._unsent_size -= len(text)
            self._server.unsent.add(-len(text))

    async def _close(self, code: int) -> None:
        """Close the socket, unless that has been done."""
        if self._websocket.application_state is WebSocketState.CONNECTED:
            with suppress(WebSocketDisconnect, RuntimeError):
                await self._websocket.close(code)
