"""A request as one JSON object: a WebSocket frame, or the body of ``POST /_query``."""

from __future__ import annotations

from typing import Any

from ostiary import errors
from ostiary.request import Request

TEXTS = ("controller", "action", "jwt")
MEMBERS = {*TEXTS, "requestId", "volatile", "body"}


def fill(request: Request, message: Any) -> None:
    """Take the action, the arguments and the body of a request from a message.

    A ``jwt`` that is absent or null leaves the one the request came with.

    :raises errors.InvalidType: a member has the wrong type.
    """
    if not isinstance(message, dict):
        raise errors.InvalidType("body", "object")
    for name in TEXTS:
        value = message.get(name)
        if value is not None:
            if not isinstance(value, str):
                raise errors.InvalidType(name, "string")
            setattr(request, name, value)
    volatile = message.get("volatile")
    if volatile is not None and not isinstance(volatile, dict):
        raise errors.InvalidType("volatile", "object")
    body = message.get("body")
    if body is not None and not isinstance(body, dict | list):
        raise errors.InvalidType("body", "object")
    request.volatile = volatile if volatile is not None else request.volatile
    request.body = body
    request.args = {name: value for name, value in message.items() if name not in MEMBERS}
