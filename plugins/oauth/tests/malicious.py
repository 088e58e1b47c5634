"""What a malicious provider answers: tokens that it forges, and answers that do not end or fit."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable, Mapping
from typing import Any

import anyio
from starlette.responses import JSONResponse, Response

from .provider import Answer, Loopback

Bend = Callable[[Loopback], None]
"""Changes what a provider answers."""

KIND = {"content-type": "application/json"}


def always(response: Response) -> Answer:
    """Return what answers so, whatever it is asked."""
    return lambda _request: response


def body(content: bytes, status: int = 200, **headers: str) -> Answer:
    """Return an answer that says to be JSON.

    :param headers: with ``_`` for ``-``.
    """
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return always(Response(content, status, {**KIND, **named}))


def said(content: Any, status: int = 200) -> Answer:
    """Return an answer that says some JSON."""
    return always(JSONResponse(content, status))


def dripping(parts: int, pause: float, part: bytes = b" ") -> Answer:
    """Return an answer that comes in parts, with a pause in seconds after each."""
    return always(_Slow(parts, pause, part))


def unsigned(header: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
    """Return the first two parts of a JWT."""
    return f"{encoded(json.dumps(header).encode())}.{encoded(json.dumps(claims).encode())}"


def signed_by_secret(header: Mapping[str, Any], secret: bytes) -> Callable[[dict[str, Any]], str]:
    """Return what signs claims by HMAC, whatever the header says."""

    def sign(claims: dict[str, Any]) -> str:
        text = unsigned(header, claims)
        return f"{text}.{encoded(hmac.digest(secret, text.encode(), 'sha256'))}"

    return sign


def encoded(data: bytes) -> str:
    """Return bytes as base64url without padding (RFC 7515, 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def claims(**changed: Any) -> Bend:
    """Return a bend of claims; None leaves one out, and a callable is given what was right."""

    def change(right: dict[str, Any]) -> dict[str, Any]:
        given = {
            name: value(right) if callable(value) else value for name, value in changed.items()
        }
        return {name: value for name, value in {**right, **given}.items() if value is not None}

    return lambda loopback: setattr(loopback, "claim", change)


class _Slow(Response):
    """Sends a part, and waits, again and again, as long as somebody is there."""

    def __init__(self, parts: int, pause: float, part: bytes) -> None:
        super().__init__(headers=KIND)
        self._parts, self._pause, self._part = parts, pause, part

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG002 - ASGI
        # Nobody ends what is sent to nobody: it would keep this process busy to its end.
        async with anyio.create_task_group() as group:
            group.start_soon(_gone, receive, group.cancel_scope)
            await self._send(send)
            group.cancel_scope.cancel()

    async def _send(self, send: Any) -> None:
        headers = [(name.encode(), value.encode()) for name, value in KIND.items()]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for _ in range(self._parts):
            message = {"type": "http.response.body", "body": self._part, "more_body": True}
            await send(message)
            await anyio.sleep(self._pause)
        await send({"type": "http.response.body", "body": b"{}"})


async def _gone(receive: Any, scope: anyio.CancelScope) -> None:
    """Cancel what is sent once nobody is there any more."""
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()
