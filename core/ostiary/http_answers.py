"""Answers over HTTP: their headers, their encoding, and the short way out for plain ones."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from typing import Any

import msgspec

from ostiary import encodings, errors
from ostiary.encodings import Coding
from ostiary.origins import Origins
from ostiary.request import Answer, Request

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Header = tuple[bytes, bytes]

CONNECTIONS = "ostiary.connections"
"""Where our own protocol classes leave the open connections in the state of the application."""

AT_ONCE = "ostiary.answer_at_once"
"""The ASGI extension of our own protocol class that writes a plain answer in one piece."""

KEPT = "ostiary.kept"
"""The extension that tells whether the connection outlives the answer."""

ALLOWED_HEADERS = (
    b"Content-Type, Access-Control-Allow-Headers, Authorization, X-Requested-With, "
    b"Content-Encoding, Content-Length, X-Kuzzle-Volatile"
)
CONSTANT_HEADERS = [
    (b"content-type", b"application/json"),
    (b"connection", b"keep-alive"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    # The address of a browser that comes back from a provider has a code and a state.
    (b"referrer-policy", b"no-referrer"),
    (b"accept-encoding", b"gzip,deflate,identity"),
    (b"access-control-allow-headers", ALLOWED_HEADERS),
    (b"access-control-allow-methods", b"GET,POST,PUT,PATCH,DELETE,OPTIONS,HEAD"),
]
CLOSE = (b"connection", b"close")
STRICT_TRANSPORT = (b"strict-transport-security", b"max-age=31536000")
SECRETS = (
    b"kauth-",
    b"kapikey-",
    b'"token":"',
    b'"resetToken":"',
    b'"accessToken":"',
    b'"challenge":"',
    b"#loginCode=",
)
"""How tokens begin, and the members in which other secrets stand: an answer that holds one of
them is never compressed."""


class _Head:
    """The headers that all answers in one encoding have, as a list and as lines."""

    def __init__(self, headers: list[Header]) -> None:
        self.headers = headers
        lines = b"".join(b"%b: %b\r\n" % header for header in headers).replace(b"%", b"%%")
        self.lines = lines + b"content-length: %d\r\nx-kuzzle-request-id: %b\r\n"


class Answers:
    """Sends answers.

    :param over_https: browsers reach the server by HTTPS, and shall not try otherwise (RFC 6797).
    """

    def __init__(self, node: str, origins: Origins, *, over_https: bool) -> None:
        self._origins = origins
        common = [*CONSTANT_HEADERS, (b"x-kuzzle-node", node.encode())]
        if over_https:
            common.append(STRICT_TRANSPORT)
        self._plain = _Head([*common, (b"content-encoding", b"identity")])
        varying = [*common, (b"vary", b"Accept-Encoding")]
        self._encoded = {
            coding: _Head([*varying, (b"content-encoding", coding.encode())])
            for coding in encodings.FORMATS
        }

    def sent_plainly(self, scope: Scope, request: Request, answer: Answer) -> bool:
        """Send an answer that needs no thought in one piece, where the server can; tell whether."""
        if b"accept-encoding" in request.connection.headers:
            return False
        return _sent_at_once(scope, request, answer, self._plain)

    async def send(self, scope: Scope, send: Send, request: Request, answer: Answer) -> None:
        """Send an answer."""
        headers = request.connection.headers
        head = self._plain
        if b"accept-encoding" in headers:
            if coding := _coding(headers, answer.body):
                answer.body = await encodings.deflate(answer.body, coding)
                head = self._encoded[coding]
            if _sent_at_once(scope, request, answer, head):
                return
        own = list(_own_headers(answer))
        if (kept := scope.get("extensions", {}).get(KEPT)) and not kept(scope):
            own.append(CLOSE)
        names = {name for name, _ in own}
        common = (header for header in head.headers if header[0] not in names)
        out = [*common, *_about(request, answer.body), *own]
        out.extend(self._sharing(headers))
        await send({"type": "http.response.start", "status": answer.status, "headers": out})
        await send({"type": "http.response.body", "body": answer.body})

    async def send_bare(self, send: Send, request: Request, error: errors.OstiaryError) -> int:
        """Send an error found before routing as the whole body; return how many bytes it has."""
        content = msgspec.json.encode(error.to_json())
        out = [header for header in self._plain.headers if header[0] != b"connection"]
        # What is left of the request cannot be trusted, or is not worth reading.
        out += [CLOSE, *_about(request, content), *self._sharing(request.connection.headers)]
        if error.retry_after is not None:
            out.append((b"retry-after", b"%d" % error.retry_after))
        await send({"type": "http.response.start", "status": error.status, "headers": out})
        await send({"type": "http.response.body", "body": content})
        return len(content)

    def _sharing(self, headers: Mapping[bytes, bytes]) -> Iterator[Header]:
        """Yield the headers that let a page of another origin read the answer."""
        given = headers.get(b"origin")
        if given is None:
            return
        yield b"vary", b"Origin"
        origin = given.decode("latin-1")
        if self._origins.shared_with(origin):
            yield b"access-control-allow-origin", given
        if self._origins.credentialed(origin):
            yield b"access-control-allow-credentials", b"true"


def _coding(headers: Mapping[bytes, bytes], content: bytes) -> Coding | None:
    """Return how to encode an answer.

    How well a text compresses tells what is in it (BREACH). Who is to guess a secret needs
    many answers with it, so a page would have the browser ask again and again with its cookie:
    such answers are left alone, and all that hold a secret themselves.
    """
    if b"cookie" in headers or any(secret in content for secret in SECRETS):
        return None
    return encodings.choose(headers[b"accept-encoding"])


def _sent_at_once(scope: Scope, request: Request, answer: Answer, head: _Head) -> bool:
    """Write an answer in one piece, where our own protocol class can; tell whether.

    It has the same headers as all others, none of its own.
    """
    if answer.headers or answer.cookies or b"origin" in request.connection.headers:
        return False
    at_once = scope.get("extensions", {}).get(AT_ONCE)
    if at_once is None:
        return False
    lines = head.lines % (len(answer.body), request.id.encode())
    written: bool = at_once(scope, answer.status, lines, answer.body)
    return written


def _about(request: Request, content: bytes) -> Iterator[Header]:
    yield b"content-length", b"%d" % len(content)
    yield b"x-kuzzle-request-id", request.id.encode()


def _own_headers(answer: Answer) -> Iterator[Header]:
    """Yield the headers that the action asked for."""
    for name, value in answer.headers.items():
        # A redirection names the length that clients of Kuzzle expect, not its own.
        if name != "content-length":
            yield name.encode(), value.encode("latin-1")
    for cookie in answer.cookies:
        yield b"set-cookie", cookie.encode("ascii")
