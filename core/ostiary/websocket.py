"""The WebSocket adapter: one text frame is one request; answers may come in any order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from ostiary import body, errors, message
from ostiary.dispatch import Dispatcher
from ostiary.http import request_ids
from ostiary.request import Answer, Connection, Request

logger = logging.getLogger(__name__)

MOST_AT_ONCE = 50
"""Requests of one socket that run at the same time; the next frame waits to be read."""

UNACCEPTABLE_DATA = 1003


class WebSockets:
    """Serves the API over WebSocket (RFC 6455)."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self._next_id = request_ids()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one socket until it closes."""
        socket = WebSocket(scope, receive, send)
        headers: Mapping[bytes, bytes] = dict(scope["headers"])
        connection = Connection("websocket", socket.client.host if socket.client else "", headers)
        await socket.accept()
        places = asyncio.Semaphore(MOST_AT_ONCE)
        async with asyncio.TaskGroup() as tasks:
            while (frame := await self._receive(socket)) is not None:
                if frame:
                    await places.acquire()
                    task = tasks.create_task(self._serve(socket, connection, frame))
                    task.add_done_callback(lambda _task: places.release())

    async def _receive(self, socket: WebSocket) -> str | None:
        """Return the next frame of text, or None when there will be none."""
        event = await socket.receive()
        if event["type"] == "websocket.disconnect":
            return None
        text: str | None = event.get("text")
        if text is None:
            await socket.close(UNACCEPTABLE_DATA)
        return text

    async def _serve(self, socket: WebSocket, connection: Connection, frame: str) -> None:
        content = await self._answer(connection, frame)
        if content is None:
            return
        try:
            await socket.send_text(content.decode())
        except (WebSocketDisconnect, RuntimeError) as error:
            # The client left before its answer; RuntimeError is how a closed socket says so.
            if socket.application_state is WebSocketState.CONNECTED:
                logger.debug("an answer could not be sent: %s", type(error).__name__)

    async def _answer(self, connection: Connection, frame: str) -> bytes | None:
        request = Request("", "", {}, None, None, connection, "")
        try:
            content = body.decode(frame)
            if content is None:
                return None
            if content == {"p": 1} and content["p"] is not True:
                return msgspec.json.encode({"p": 2})
            request.raw_body = frame
            request.id = self._id(content)
            message.fill(request, content)
        except ValueError as error:
            return self._refuse(errors.WebSocketError(error), request)
        except errors.OstiaryError as error:
            return self._refuse(error, request)
        answer: Answer = await self._dispatcher.answer(request, room=True)
        return answer.body

    def _refuse(self, error: errors.OstiaryError, request: Request) -> bytes:
        """Answer a frame that is no request: without ``room``."""
        request.id = request.id or self._next_id()
        request.controller = request.action = ""
        return self._dispatcher.refuse(error, request).body

    def _id(self, content: Any) -> str:
        given = content.get("requestId") if isinstance(content, dict) else None
        if given is None:
            return self._next_id()
        if not isinstance(given, str):
            raise errors.InvalidType("requestId", "string")
        return given
