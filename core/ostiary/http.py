"""The HTTP adapter: an ASGI scope and a body become a request, an answer becomes bytes.

It is plain ASGI, for every action: this is the path that has to be fast.
"""

from __future__ import annotations

import itertools
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from ostiary import body, errors, message
from ostiary.dispatch import Dispatcher
from ostiary.request import Answer, Connection, Request
from ostiary.routes import Routes

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

REQUEST_ID = re.compile(r"[\w.:-]{1,128}", re.ASCII)
LIFTED = ("jwt", "volatile", "body", "controller", "action")
MOST_PARAMETERS = 1000
JSON, FORM = "application/json", "application/x-www-form-urlencoded"
ONLY_ONCE = (b"host", b"content-length", b"transfer-encoding", b"authorization", b"content-type")
CONSTANT_HEADERS = [
    (b"content-type", b"application/json"),
    (b"content-encoding", b"identity"),
    (b"connection", b"keep-alive"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"accept-encoding", b"identity"),
    (
        b"access-control-allow-headers",
        b"Content-Type, Access-Control-Allow-Headers, Authorization, X-Requested-With, "
        b"Content-Encoding, Content-Length, X-Kuzzle-Volatile",
    ),
    (b"access-control-allow-methods", b"GET,POST,PUT,PATCH,DELETE,OPTIONS,HEAD"),
]
CLOSE = (b"connection", b"close")


class Http:
    """Serves the API over HTTP.

    :param largest: bytes that the body of a request may have.
    :param credentialed: the origins that may send cookies; each is named, there is no wildcard.
    :param secrets_in_urls: a token in the query string is accepted.
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
    ) -> None:
        self._dispatcher, self._routes, self._ready = dispatcher, routes, ready
        self._largest, self._credentialed = largest, credentialed
        self._secrets_in_urls = secrets_in_urls
        self._headers = [*CONSTANT_HEADERS, (b"x-kuzzle-node", dispatcher.node.encode())]
        self._next_id = request_ids()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers: dict[bytes, bytes] = dict(scope["headers"])
        request = self._blank(scope, headers)
        try:
            _check_framing(scope, headers)
            raw = await self._read(headers, receive)
        except errors.OstiaryError as error:
            await self._send_bare(send, request, error, headers)
            return
        if raw is None:
            return  # The client has gone.
        try:
            answer = await self._answer(scope, headers, raw, request)
        except _BareError as bare:
            await self._send_bare(send, request, bare.error, headers)
            return
        except errors.OstiaryError as error:
            answer = self._dispatcher.refuse(error, request)
        if b"pretty" in scope["query_string"] and "pretty" in _query(scope["query_string"]):
            answer.body = msgspec.json.format(answer.body, indent=2)
        await self._send(send, request, answer, headers)

    async def _answer(
        self, scope: Scope, headers: Mapping[bytes, bytes], raw: bytes, request: Request
    ) -> Answer:
        verb, path = scope["method"], scope.get("raw_path") or scope["path"].encode()
        path = path.partition(b"?")[0]
        if verb == "OPTIONS" or (verb == "HEAD" and path == b"/"):
            return self._dispatcher.greet(request, {})
        if verb == "GET" and path == b"/_healthcheck":
            return self._dispatcher.greet(request)
        if verb == "GET" and path == b"/_ready":
            if not await self._ready():
                raise errors.Overloaded(retry_after=1)
            return self._dispatcher.greet(request)
        content = self._parse(headers, raw, request)
        self._fill(request, scope["query_string"], headers)
        if verb == "POST" and path == b"/_query":
            message.fill(request, content)
            return await self._dispatcher.answer(request)
        action, values = self._routes.find(verb, path)
        request.controller, request.action = action.controller, action.name
        request.args = {**request.args, **values} if values else request.args
        if content is not None and not isinstance(content, dict | list):
            request.controller = request.action = ""
            raise errors.InvalidType("body", "object")
        request.body = content
        for value in request.args.values():
            if not all(map(body.acceptable, value if isinstance(value, list) else (value,))):
                raise errors.UnacceptableText
        return await self._dispatcher.answer(request)

    def _blank(self, scope: Scope, headers: Mapping[bytes, bytes]) -> Request:
        peer = scope.get("client")
        connection = Connection("http", peer[0] if peer else "", headers)
        given = headers.get(b"x-kuzzle-request-id", b"").decode("latin-1")
        id = given if REQUEST_ID.fullmatch(given) else self._next_id()
        return Request("", "", {}, None, None, connection, id)

    def _fill(self, request: Request, query: bytes, headers: Mapping[bytes, bytes]) -> None:
        """Read what the query string and the headers say."""
        if query:
            request.args = _query(query)
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
            scheme, _, token = authorization.decode("latin-1").partition(" ")
            if scheme.lower() == "bearer":
                request.jwt = token.strip()
        volatile = headers.get(b"x-kuzzle-volatile")
        if volatile is not None:
            request.volatile = _volatile(volatile)

    def _parse(self, headers: Mapping[bytes, bytes], raw: bytes, request: Request) -> Any:
        """Return the content of a body; errors here are answered bare (contract, 2.7)."""
        encoding = headers.get(b"content-encoding", b"identity").decode("latin-1").strip().lower()
        if encoding not in ("", "identity"):
            raise _BareError(errors.UnsupportedCompression(encoding))
        if not raw:
            return None
        kind = JSON
        if b"content-type" in headers:
            kind = _content_type(headers[b"content-type"].decode("latin-1"))
        try:
            if kind == FORM:
                return _form(raw)
            request.raw_body = raw
            return body.decode(raw)
        except ValueError as error:
            raise _BareError(errors.BodyParseFailed(error)) from None
        except errors.OstiaryError as error:
            raise _BareError(error) from None

    async def _read(self, headers: Mapping[bytes, bytes], receive: Receive) -> bytes | None:
        declared = headers.get(b"content-length")
        if declared is not None and int(declared) > self._largest:
            raise errors.RequestTooLarge
        chunks: list[bytes] = []
        size = 0
        while True:
            event = await receive()
            if event["type"] == "http.disconnect":
                return None
            chunks.append(event.get("body", b""))
            size += len(chunks[-1])
            if size > self._largest:
                raise errors.RequestTooLarge
            if not event.get("more_body"):
                return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def _send(
        self, send: Send, request: Request, answer: Answer, headers: Mapping[bytes, bytes]
    ) -> None:
        out = [
            *self._headers,
            (b"content-length", b"%d" % len(answer.body)),
            (b"x-kuzzle-request-id", request.id.encode()),
        ]
        for name, value in answer.headers.items():
            if name != "content-length":
                out.append((name.encode(), value.encode("latin-1")))
        for cookie in answer.cookies:
            out.append((b"set-cookie", cookie.OutputString().encode("latin-1")))
        await self._emit(send, answer.status, out, answer.body, headers)

    async def _send_bare(
        self, send: Send, request: Request, error: errors.OstiaryError, headers: Mapping[bytes, bytes]
    ) -> None:
        """Send an error found before routing: the error object is the whole body."""
        content = msgspec.json.encode(error.to_json())
        out = [header for header in self._headers if header[0] != b"connection"]
        out.append((b"content-length", b"%d" % len(content)))
        out.append((b"x-kuzzle-request-id", request.id.encode()))
        # What is left of the request cannot be trusted, or is not worth reading.
        out.append(CLOSE)
        await self._emit(send, error.status, out, content, headers)

    async def _emit(
        self,
        send: Send,
        status: int,
        out: list[tuple[bytes, bytes]],
        content: bytes,
        headers: Mapping[bytes, bytes],
    ) -> None:
        origin = headers.get(b"origin")
        if origin is not None:
            out.append((b"access-control-allow-origin", origin))
            out.append((b"vary", b"Origin"))
            if origin.decode("latin-1") in self._credentialed:
                out.append((b"access-control-allow-credentials", b"true"))
        await send({"type": "http.response.start", "status": status, "headers": out})
        await send({"type": "http.response.body", "body": content})


class _BareError(Exception):
    """An error of the body: answered without an envelope."""

    def __init__(self, error: errors.OstiaryError) -> None:
        self.error = error


def request_ids() -> Callable[[], str]:
    """Return a maker of ids in the shape of UUIDs: unique, and not secret."""
    prefix = f"{secrets.token_hex(4)}-{secrets.token_hex(2)}-4{secrets.token_hex(2)[1:]}-a"
    prefix += f"{secrets.token_hex(2)[1:]}-"
    return map(f"{prefix}{{:012x}}".format, itertools.count()).__next__


def _check_framing(scope: Scope, headers: Mapping[bytes, bytes]) -> None:
    """Refuse what two parsers could read differently (RFC 9112, 6.3 and 3.2)."""
    if len(headers) != len(scope["headers"]):
        names = [name for name, _ in scope["headers"]]
        for name in ONLY_ONCE:
            if names.count(name) > 1:
                raise errors.HttpError(f"header {name.decode()} stands twice")
    if b"transfer-encoding" in headers and (
        headers[b"transfer-encoding"].lower() != b"chunked" or b"content-length" in headers
    ):
        raise errors.HttpError("the length of the body is not clear")
    if b"host" not in headers and scope["http_version"] == "1.1":
        raise errors.HttpError("header host is missing")


def _query(raw: bytes) -> dict[str, Any]:
    """Return the parameters of a query string; one that stands twice is a list."""
    try:
        pairs = parse_qsl(
            raw.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MOST_PARAMETERS,
        )
    except ValueError:
        raise errors.HttpError("the query string cannot be read") from None
    return _gather(pairs)


def _form(raw: bytes) -> dict[str, Any]:
    text = raw.decode("ascii")
    fields = _gather(parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=1000))
    for name, value in fields.items():
        if not all(map(body.acceptable, (name, *(value if isinstance(value, list) else [value])))):
            raise errors.UnacceptableText
    return fields


def _gather(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, value in pairs:
        if name not in fields:
            fields[name] = value
        elif isinstance(fields[name], list):
            fields[name].append(value)
        else:
            fields[name] = [fields[name], value]
    return fields


def _content_type(header: str) -> str:
    kind, *parameters = (part.strip() for part in header.split(";"))
    if kind.lower() not in (JSON, FORM):
        raise _BareError(errors.UnsupportedContent(kind))
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        charset = value.strip('" ').lower()
        if name.strip().lower() == "charset" and charset not in ("utf-8", "utf8"):
            raise _BareError(errors.UnsupportedCharset(charset))
    return kind.lower()


def _volatile(raw: bytes) -> dict[str, Any]:
    try:
        volatile = body.decode(raw)
    except (ValueError, errors.OstiaryError):
        volatile = None
    if not isinstance(volatile, dict):
        raise errors.VolatileParseFailed
    return volatile
