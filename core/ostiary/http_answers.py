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

WHOLE_BODY = "ostiary.whole_body"
"""The ASGI extension of our own protocol class that gives a body that has come as a whole."""

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

    def send(
        self, scope: Scope, send: Send, request: Request, answer: Answer
    ) -> Awaitable[None] | None:
        """Send an answer, or return what is to be awaited for that.

        In one piece at once goes what needs no thought, where our own protocol class serves.
        """
        headers = request.connection.headers
        if answer.headers or answer.cookies or b"origin" in headers:
            return self._send_special(scope, send, request, answer)
        if b"accept-encoding" in headers and (coding := _coding(headers, answer.body)):
            return self._send_encoded(coding, scope, send, request, answer)
        return _sent(self._plain, scope, send, request, answer)

    async def _send_encoded(
        self, coding: Coding, scope: Scope, send: Send, request: Request, answer: Answer
    ) -> None:
        """Send a compressed answer."""
        answer.body = await encodings.deflate(answer.body, coding)
        rest = _sent(self._encoded[coding], scope, send, request, answer)
        if rest is not None:
            await rest

    async def _send_special(
        self, scope: Scope, send: Send, request: Request, answer: Answer
    ) -> None:
        """Send an answer with headers of its own, which take the place of common ones."""
        headers = request.connection.headers
        head = self._plain
        if b"accept-encoding" in headers and (coding := _coding(headers, answer.body)):
            answer.body = await encodings.deflate(answer.body, coding)
            head = self._encoded[coding]
        own = list(_own_headers(answer))
        names = {name for name, _ in own}
        common = [header for header in head.headers if header[0] not in names]
        out = [*common, *_about(request, answer.body), *own]
        if answer.shared:
            out += self._sharing(headers)
        await _send_parts(send, answer.status, _ended(scope, out), answer.body)

    async def send_last(self, scope: Scope, send: Send, request: Request, answer: Answer) -> None:
        """Send an answer with headers of its own, and close the connection after it."""
        name, value = CLOSE
        answer.headers = {**answer.headers, name.decode(): value.decode()}
        await self._send_special(scope, send, request, answer)

    async def send_bare(self, send: Send, request: Request, error: errors.OstiaryError) -> int:
        """Send an error found before routing as the whole body; return how many bytes it has."""
        content = msgspec.json.encode(error.to_json())
        out = [header for header in self._plain.headers if header[0] != b"connection"]
        # What is left of the request cannot be trusted, or is not worth reading.
        out += [CLOSE, *_about(request, content), *self._sharing(request.connection.headers)]
        if error.retry_after is not None:
            out.append((b"retry-after", b"%d" % error.retry_after))
        await _send_parts(send, error.status, out, content)
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


def _sent(
    head: _Head, scope: Scope, send: Send, request: Request, answer: Answer
) -> Awaitable[None] | None:
    """Send an answer without headers of its own, or return what is to be awaited for that."""
    if "extensions" in scope and (at_once := scope["extensions"].get(AT_ONCE)) is not None:
        lines = head.lines % (len(answer.body), request.id.encode())
        if at_once(scope, answer.status, lines, answer.body):
            return None
    out = [*head.headers, *_about(request, answer.body)]
    return _send_parts(send, answer.status, _ended(scope, out), answer.body)


def _ended(scope: Scope, headers: list[Header]) -> list[Header]:
    """Return headers that tell the end of the connection, where the answer is its last."""
    kept = scope["extensions"].get(KEPT) if "extensions" in scope else None
    if kept is None or kept(scope):
        return headers
    return [*(header for header in headers if header[0] != b"connection"), CLOSE]


async def _send_parts(send: Send, status: int, headers: list[Header], content: bytes) -> None:
    """Send an answer as every ASGI server takes it."""
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


def _about(request: Request, content: bytes) -> tuple[Header, Header]:
    return (
        (b"content-length", b"%d" % len(content)),
        (b"x-kuzzle-request-id", request.id.encode()),
    )


def _own_headers(answer: Answer) -> Iterator[Header]:
    """Yield the headers that the action asked for."""
    for name, value in answer.headers.items():
        # A redirection names the length that clients of Kuzzle expect, not its own.
        if name != "content-length":
            yield name.encode(), value.encode("latin-1")
    for cookie in answer.cookies:
        yield b"set-cookie", cookie.encode("ascii")
