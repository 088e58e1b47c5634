"""The HTTP adapter: an ASGI scope and a body become a request, an answer becomes bytes.

It is plain ASGI, for every action: this is the path that has to be fast.
"""

from __future__ import annotations

import itertools
import re
import secrets
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from typing import Any

import msgspec

from ostiary import body, errors, message
from ostiary.dispatch import Dispatcher
from ostiary.http_parts import (
    FORM,
    check_framing,
    content_type,
    is_pretty,
    read_form,
    read_query,
    read_volatile,
)
from ostiary.request import Answer, Connection, Request
from ostiary.routes import Routes

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

REQUEST_ID = re.compile(rb"[\w.:-]{1,128}")
LIFTED = ("jwt", "volatile", "body", "controller", "action")
ALLOWED_HEADERS = (
    b"Content-Type, Access-Control-Allow-Headers, Authorization, X-Requested-With, "
    b"Content-Encoding, Content-Length, X-Kuzzle-Volatile"
)
CONSTANT_HEADERS = [
    (b"content-type", b"application/json"),
    (b"content-encoding", b"identity"),
    (b"connection", b"keep-alive"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"access-control-allow-headers", ALLOWED_HEADERS),
    (b"access-control-allow-methods", b"GET,POST,PUT,PATCH,DELETE,OPTIONS,HEAD"),
]
CLOSE = (b"connection", b"close")
CONNECTIONS = "ostiary.connections"
"""Where our own protocol classes leave the open connections in the state of the application."""

AT_ONCE = "ostiary.answer_at_once"
"""The ASGI extension of our own protocol class that writes a plain answer in one piece."""

STRICT_TRANSPORT = (b"strict-transport-security", b"max-age=31536000")
DRAINED = 4
"""How many times too large a body may be and still be read to its end before it is refused."""

UNROUTED = {("HEAD", b"/"), ("GET", b"/_healthcheck"), ("GET", b"/_ready")}


class Http:
    """Serves the API over HTTP.

    :param largest: bytes that the body of a request may have.
    :param credentialed: the origins that may send cookies; each is named, there is no wildcard.
    :param secrets_in_urls: a token in the query string is accepted.
    :param over_https: browsers reach the server by HTTPS, and shall not try otherwise (RFC 6797).
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        routes: Routes,
        ready: Callable[[], Awaitable[bool]],
        *,
        largest: int,
        credentialed: frozenset[str],
        secrets_in_urls: bool,
        over_https: bool,
    ) -> None:
        self._dispatcher, self._routes, self._ready = dispatcher, routes, ready
        self._largest, self._credentialed = largest, credentialed
        self._secrets_in_urls = secrets_in_urls
        self._headers = [*CONSTANT_HEADERS, (b"x-kuzzle-node", dispatcher.node.encode())]
        if over_https:
            self._headers.append(STRICT_TRANSPORT)
        lines = b"".join(b"%b: %b\r\n" % header for header in self._headers)
        self._plain_head = (
            lines.replace(b"%", b"%%") + b"content-length: %d\r\nx-kuzzle-request-id: %b\r\n"
        )
        self._next_id = request_ids()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        raw_headers: list[tuple[bytes, bytes]] = scope["headers"]
        headers = dict(raw_headers)
        request = self._blank(scope, headers)
        try:
            check_framing(scope["http_version"], raw_headers, headers)
            content = None
            if b"content-length" in headers or b"transfer-encoding" in headers:
                raw = await self._read(headers, receive)
                if raw is None:
                    return  # The client has gone.
                if raw:
                    content = self._parse(headers, raw, request)
        except errors.OstiaryError as error:
            await self._send_bare(send, request, error, headers)
            return
        try:
            answer = await self._answer(scope, headers, content, request)
        except errors.OstiaryError as error:
            answer = self._dispatcher.refuse(error, request)
        query = scope["query_string"]
        if query and is_pretty(query):
            answer.body = msgspec.json.format(answer.body, indent=2)
        plain = not (answer.headers or answer.cookies or b"origin" in headers)
        if not (plain and self._sent_at_once(scope, request, answer)):
            await self._send(send, request, answer, headers)

    async def _answer(
        self, scope: Scope, headers: Mapping[bytes, bytes], content: Any, request: Request
    ) -> Answer:
        verb = scope["method"]
        path: bytes = scope["raw_path"]
        if verb == "OPTIONS" or (verb, path) in UNROUTED:
            return await self._greet(verb, path, request)
        self._fill(request, scope["query_string"], headers)
        if path == b"/_query" and verb == "POST":
            message.fill(request, content)
            return await self._dispatcher.answer(request)
        action, values = self._routes.find(verb, path)
        if content is not None and not isinstance(content, dict | list):
            raise errors.InvalidType("body", "object")
        request.controller, request.action = action.controller, action.name
        request.body = content
        if values or request.args:
            request.args = {**request.args, **values}
            _check_texts(request.args)
        return await self._dispatcher.answer(request)

    async def _greet(self, verb: str, path: bytes, request: Request) -> Answer:
        """Answer what is no action, and what everybody may ask."""
        if verb != "GET":
            return self._dispatcher.greet(request, {})
        if path == b"/_ready" and not await self._ready():
            raise errors.Overloaded(retry_after=1)
        return self._dispatcher.greet(request)

    def _blank(self, scope: Scope, headers: Mapping[bytes, bytes]) -> Request:
        peer = scope.get("client")
        connection = Connection("http", peer[0] if peer else "", headers)
        given = headers.get(b"x-kuzzle-request-id")
        if given is None or not REQUEST_ID.fullmatch(given):
            return Request("", "", {}, None, None, connection, self._next_id())
        return Request("", "", {}, None, None, connection, given.decode())

    def _fill(self, request: Request, query: bytes, headers: Mapping[bytes, bytes]) -> None:
        """Read what the query string and the headers say."""
        if query:
            request.args = read_query(query)
            given = request.args.get("jwt")
            if given is not None:
                if not self._secrets_in_urls:
                    raise errors.SecretInUrl("jwt")
                request.jwt = given if isinstance(given, str) else ""
            for name in LIFTED:
                request.args.pop(name, None)
            request.in_url = bool(request.args)
        authorization = headers.get(b"authorization")
        if authorization is not None:
            scheme, *token = authorization.split(None, 1) or (b"",)
            if scheme.lower() == b"bearer":
                request.jwt = token[0].strip().decode("latin-1") if token else ""
        volatile = headers.get(b"x-kuzzle-volatile")
        if volatile is not None:
            request.volatile = read_volatile(volatile)

    def _parse(self, headers: Mapping[bytes, bytes], raw: bytes, request: Request) -> Any:
        """Return the content of a body."""
        encoding = headers.get(b"content-encoding")
        if encoding is not None and encoding.strip().lower() not in (b"", b"identity"):
            raise errors.UnsupportedCompression(encoding.decode("latin-1"))
        kind = headers.get(b"content-type")
        try:
            if kind is not None and content_type(kind) == FORM:
                return read_form(raw)
            request.raw_body = raw
            return body.decode(raw)
        except ValueError as error:
            raise errors.BodyParseFailed(error) from None

    async def _read(self, headers: Mapping[bytes, bytes], receive: Receive) -> bytes | None:
        """Return the body, or None if the client goes before it is complete."""
        declared = int(headers.get(b"content-length", b"0"))
        if declared > self._largest * DRAINED or (
            declared > self._largest and b"expect" in headers
        ):
            raise errors.RequestTooLarge
        chunks: list[bytes] = []
        size, more = 0, True
        while more:
            event = await receive()
            if event["type"] == "http.disconnect":
                return None
            chunks.append(event.get("body", b""))
            more = event.get("more_body", False)
            size += len(chunks[-1])
            if size > self._largest:
                # Who still sends does not see an answer: take a little more, and keep none of it.
                chunks = []
                if not more or size > self._largest * DRAINED:
                    raise errors.RequestTooLarge
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _sent_at_once(self, scope: Scope, request: Request, answer: Answer) -> bool:
        """Write a plain answer in one piece, where our own protocol class can; tell whether."""
        at_once = scope.get("extensions", {}).get(AT_ONCE)
        if at_once is None:
            return False
        head = self._plain_head % (len(answer.body), request.id.encode())
        written: bool = at_once(answer.status, head, answer.body)
        return written

    async def _send(
        self, send: Send, request: Request, answer: Answer, headers: Mapping[bytes, bytes]
    ) -> None:
        own = list(_own_headers(answer))
        names = {name for name, _ in own}
        out = [
            *(header for header in self._headers if header[0] not in names),
            (b"content-length", b"%d" % len(answer.body)),
            (b"x-kuzzle-request-id", request.id.encode()),
            *own,
        ]
        if b"origin" in headers:
            out.extend(self._sharing(headers[b"origin"]))
        await send({"type": "http.response.start", "status": answer.status, "headers": out})
        await send({"type": "http.response.body", "body": answer.body})

    async def _send_bare(
        self,
        send: Send,
        request: Request,
        error: errors.OstiaryError,
        headers: Mapping[bytes, bytes],
    ) -> None:
        """Send an error found before routing: the error object is the whole body."""
        content = msgspec.json.encode(error.to_json())
        out = [header for header in self._headers if header[0] != b"connection"]
        out.append((b"content-length", b"%d" % len(content)))
        out.append((b"x-kuzzle-request-id", request.id.encode()))
        # What is left of the request cannot be trusted, or is not worth reading.
        out.append(CLOSE)
        if b"origin" in headers:
            out.extend(self._sharing(headers[b"origin"]))
        await send({"type": "http.response.start", "status": error.status, "headers": out})
        await send({"type": "http.response.body", "body": content})

    def _sharing(self, origin: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield the headers that let a page of another origin read the answer."""
        yield b"access-control-allow-origin", origin
        yield b"vary", b"Origin"
        if origin.decode("latin-1") in self._credentialed:
            yield b"access-control-allow-credentials", b"true"


def _check_texts(args: Mapping[str, Any]) -> None:
    for value in args.values():
        if not all(map(body.acceptable, value if isinstance(value, list) else (value,))):
            raise errors.UnacceptableText


def _own_headers(answer: Answer) -> Iterator[tuple[bytes, bytes]]:
    """Yield the headers that the action asked for."""
    for name, value in answer.headers.items():
        # A redirection names the length that clients of Kuzzle expect, not its own.
        if name != "content-length":
            yield name.encode(), value.encode("latin-1")
    for cookie in answer.cookies:
        yield b"set-cookie", cookie.OutputString().encode("latin-1")


def request_ids() -> Callable[[], str]:
    """Return a maker of ids in the shape of UUIDs: unique, and not secret."""
    prefix = f"{secrets.token_hex(4)}-{secrets.token_hex(2)}-4{secrets.token_hex(2)[1:]}-a"
    prefix += f"{secrets.token_hex(2)[1:]}-"
    return map(f"{prefix}{{:012x}}".format, itertools.count()).__next__
