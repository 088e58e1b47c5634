"""The HTTP adapter: an ASGI scope and a body become a request, an answer becomes bytes.

It is plain ASGI, for every action: this is the path that has to be fast.
"""

from __future__ import annotations

import itertools
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from ostiary import access_log, body, encodings, errors, message
from ostiary.actions import Action
from ostiary.dispatch import Dispatcher
from ostiary.front import Front
from ostiary.http_answers import WHOLE_BODY, Answers, Scope, Send
from ostiary.http_parts import (
    Receive,
    check_framing,
    checked_body,
    content_type,
    is_pretty,
    read_body,
    read_form,
    read_query,
    read_volatile,
)
from ostiary.pressure import Room
from ostiary.proxies import PROXIED
from ostiary.request import FORM, Answer, Connection, Request
from ostiary.routes import Routes

REQUEST_ID = re.compile(rb"[\w.:-]{1,128}")
LIFTED = ("jwt", "volatile", "body", "controller", "action")
UNROUTED = {("HEAD", b"/"), ("GET", b"/_healthcheck"), ("GET", b"/_ready")}
UNROUTED_PATHS = {path for _, path in UNROUTED}


class Http:
    """Serves the API over HTTP.

    :param front: leads to the pages; None if there are none.
    :param room: for bodies that have not come to their end.
    :param largest: bytes that the body of a request may have.
    :param secrets_in_urls: a token in the query string is accepted.
    :param logged: each request is written to the access log.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        routes: Routes[Action],
        ready: Callable[[], Awaitable[bool]],
        answers: Answers,
        front: Front | None,
        *,
        room: Room,
        largest: int,
        secrets_in_urls: bool,
        logged: bool,
    ) -> None:
        self._dispatcher, self._routes, self._ready = dispatcher, routes, ready
        self._answers, self._front, self._room = answers, front, room
        self._largest, self._secrets_in_urls, self._logged = largest, secrets_in_urls, logged
        self._next_id = request_ids()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        began = access_log.now() if self._logged else 0.0
        raw_headers: list[tuple[bytes, bytes]] = scope["headers"]
        headers = dict(raw_headers)
        request = self._blank(scope, headers)
        try:
            check_framing(scope["http_version"], raw_headers, headers)
            content = None
            if b"content-length" in headers or b"transfer-encoding" in headers:
                raw = self._whole_body(scope)
                unread = headers, receive, self._largest, self._room
                raw = await read_body(*unread) if raw is None else raw
                if raw is None:
                    return  # The client has gone.
                if raw:
                    if b"content-encoding" in headers:
                        encoding = headers[b"content-encoding"]
                        raw = await encodings.inflate(encoding, raw, self._largest)
                    content = self._parse(headers, raw, request)
        except errors.OstiaryError as error:
            await self._refuse(error, scope, send, request, began)
            return
        try:
            answer = await self._answer(scope, headers, content, request)
        except errors.OstiaryError as error:
            answer = self._dispatcher.refuse(error, request)
        query = scope["query_string"]
        if query and is_pretty(query) and _is_json(answer):
            answer.body = msgspec.json.format(answer.body, indent=2)
        unsent = self._answers.send(scope, send, request, answer)
        if unsent is not None:
            await unsent
        if self._logged:
            self._log(scope, request, (answer.status, len(answer.body)), began)

    def _whole_body(self, scope: Scope) -> bytes | None:
        """Return a body that the server has as a whole, and can tell without waiting."""
        if "extensions" not in scope or (take := scope["extensions"].get(WHOLE_BODY)) is None:
            return None
        whole: bytes | None = take(scope)
        return whole if whole is None else checked_body(whole, self._largest)

    async def _refuse(
        self,
        error: errors.OstiaryError,
        scope: Scope,
        send: Send,
        request: Request,
        began: float,
    ) -> None:
        """Answer a request that cannot be read; a browser that asked for a page gets one."""
        path, headers = scope["raw_path"], request.connection.headers
        if self._front is not None and self._front.explains(path, headers):
            page = await self._front.explain(error, scope["method"], path, request)
            await self._answers.send_last(scope, send, request, page)
            size = len(page.body)
        else:
            size = await self._answers.send_bare(send, request, error)
        if self._logged:
            self._log(scope, request, (error.status, size), began)

    def _answer(
        self, scope: Scope, headers: Mapping[bytes, bytes], content: Any, request: Request
    ) -> Awaitable[Answer]:
        """Return what is to be awaited for the answer."""
        verb = scope["method"]
        path: bytes = scope["raw_path"]
        if verb == "OPTIONS" or (path in UNROUTED_PATHS and (verb, path) in UNROUTED):
            return self._greet(verb, path, request)
        if self._front is not None and self._front.leads_to_pages(verb, path, headers):
            return self._front.answer(verb, path, scope["query_string"], content, request)
        self._fill(request, scope["query_string"], headers)
        if path == b"/_query" and verb == "POST":
            message.fill(request, content)
            return self._dispatcher.answer(request)
        action, values = self._routes.find(verb, path)
        if content is not None and not isinstance(content, dict | list):
            raise errors.InvalidType("body", "object")
        request.controller, request.action = action.controller, action.name
        request.body = content
        if values or request.args:
            request.args = {**request.args, **values}
            _check_texts(request.args)
        return self._dispatcher.answer(request)

    async def _greet(self, verb: str, path: bytes, request: Request) -> Answer:
        """Answer what is no action, and what everybody may ask."""
        if verb != "GET":
            return self._dispatcher.greet(request, {})
        if path == b"/_ready" and not await self._ready():
            return self._dispatcher.put_off(request)
        return self._dispatcher.greet(request)

    def _blank(self, scope: Scope, headers: Mapping[bytes, bytes]) -> Request:
        peer = scope.get("client")
        address = peer[0] if peer else ""
        connection = Connection("http", address, headers, None, PROXIED in scope)
        given = headers.get(b"x-kuzzle-request-id")
        known = given is not None and REQUEST_ID.fullmatch(given)
        id = known[0].decode() if known else self._next_id()
        return Request("", "", {}, None, None, connection, id)

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
        kind = headers.get(b"content-type")
        try:
            if kind is not None and content_type(kind) == FORM:
                return read_form(raw)
            request.raw_body = raw
            return body.decode(raw)
        except ValueError as error:
            raise errors.BodyParseFailed(error) from None

    def _log(self, scope: Scope, request: Request, outcome: tuple[int, int], began: float) -> None:
        url = (scope["raw_path"], scope["query_string"])
        access_log.write(request, scope["method"], url, outcome, began)


def _is_json(answer: Answer) -> bool:
    return answer.headers.get("content-type", "application/").startswith("application/")


def _check_texts(args: Mapping[str, Any]) -> None:
    for value in args.values():
        if not all(map(body.acceptable, value if isinstance(value, list) else (value,))):
            raise errors.UnacceptableText


def request_ids() -> Callable[[], str]:
    """Return a maker of ids in the shape of UUIDs: unique, and not secret."""
    prefix = f"{secrets.token_hex(4)}-{secrets.token_hex(2)}-4{secrets.token_hex(2)[1:]}-a"
    prefix += f"{secrets.token_hex(2)[1:]}-"
    return map(f"{prefix}%012x".__mod__, itertools.count()).__next__
