"""A server in a thread of the test, and one way to call it over HTTP and over WebSocket."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import threading
import time
import uuid
import zlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import partial
from http import HTTPStatus
from typing import Any, Literal
from urllib.parse import quote, urlencode

import uvicorn
from websockets.sync.client import connect

from ostiary.actions import Registry, Route
from ostiary.app import Application
from ostiary.composition import make_registry
from ostiary.serving import configuration
from ostiary.settings import Settings
from ostiary.startup import prepare

HOST = "127.0.0.1"
PATIENCE = 20
IDLE = 20
"""Seconds after which a kept connection is not trusted; the server keeps it for longer."""
"""Seconds after which an answer that has not come will not come."""

PARTIAL = 206
"""The status of an answer that has both a result and an error (contract, 2.7)."""

NOTICES = "kuzzle:notification:server"
"""Where WebSockets are told that their token has expired, unasked."""

MEMBERS = {
    "status", "error", "result", "controller", "action", "requestId", "volatile", "node", "headers"
}  # fmt: skip
"""The members of every answer (contract, 2.5)."""

COMMON = (
    "api.assert.invalid_type",
    "api.assert.mutually_exclusive",
    "api.process.action_locked",
    "api.process.action_not_found",
    "api.process.controller_not_found",
    "api.process.incompatible_sdk_version",
    "api.process.overloaded",
    "api.process.shutting_down",
    "api.process.too_many_requests",
    "api.process.unauthorized_origin",
    "network.*",
    "ostiary.plugin.*",
    "ostiary.request.*",
    "ostiary.server.failsafe",
    "ostiary.storage.unavailable",
    "security.cookie.*",
    "security.rights.forbidden",
    "security.rights.unauthorized",
    "security.token.invalid",
    "security.token.verification_error",
)
"""Errors, as patterns, that any request can meet, whatever its action declares."""


class _Server(uvicorn.Server):
    """Says when it listens, or when it has failed to."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.decided = threading.Event()

    def stop(self) -> None:
        self.should_exit = True

    async def serve(self, sockets: list[Any] | None = None) -> None:
        try:
            await super().serve(sockets)
        finally:
            self.decided.set()

    async def startup(self, sockets: list[Any] | None = None) -> None:
        await super().startup(sockets)
        self.decided.set()


@contextmanager
def serving(settings: Settings, protocol: type[asyncio.Protocol] | None = None) -> Iterator[int]:
    """Serve in a thread, as ``ostiary serve`` does in a process; yield the port.

    :param protocol: speaks HTTP instead of the server's own.
    """
    # In a thread of its own: a browser that a test drives keeps an event loop in the test's.
    with ThreadPoolExecutor(1) as aside:
        aside.submit(asyncio.run, prepare(settings)).result()

    def stop() -> None:
        server.stop()

    config = configuration(settings, partial(Application, settings, stop))
    config.http = protocol or config.http
    server = _Server(config)
    thread = threading.Thread(target=server.run, name="ostiary")
    thread.start()
    try:
        if not server.decided.wait(PATIENCE) or not server.started:
            raise RuntimeError("the server did not start")
        yield int(server.servers[0].sockets[0].getsockname()[1])
    finally:
        server.stop()
        thread.join(PATIENCE)


@dataclass(frozen=True)
class Outcome:
    """What came back. ``headers`` are those of HTTP, in lower case; a repeated one is joined.

    :param raw: the body as it was sent, compressed or not.
    """

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: bytes = b""

    @property
    def result(self) -> Any:
        """The result, where there is no error."""
        assert self.body["error"] is None, self.body["error"]
        return self.body["result"]

    @property
    def error(self) -> dict[str, Any]:
        """The error, bare or in an envelope."""
        error: dict[str, Any] = self.body.get("error", self.body)
        assert error is not None, self.body
        return error

    @property
    def error_id(self) -> str:
        """The id of the error."""
        return str(self.error["id"])


class HttpApi:
    """Calls actions over HTTP by their routes, as the SDK does, on one kept connection."""

    protocol: Literal["http"] = "http"

    def __init__(self, port: int, registry: Registry | None = None) -> None:
        self.port = port
        self._registry = registry or make_registry()
        self._connection = http.client.HTTPConnection(HOST, port, timeout=PATIENCE)
        self._used_at = time.monotonic()

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def send(
        self,
        verb: str,
        url: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        jwt: str | None = None,
    ) -> Outcome:
        """Send a request as it is given; a body that is not bytes is sent as JSON."""
        head = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            head.setdefault("Content-Type", "application/json")
        if jwt is not None:
            head["Authorization"] = f"Bearer {jwt}"
        if time.monotonic() - self._used_at > IDLE:
            self._connection.close()  # The server may be about to do the same.
        self._used_at = time.monotonic()
        try:
            self._connection.request(verb, url, body, head)
            answer = self._connection.getresponse()
            raw = answer.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            raise
        text = _inflated(raw, answer.headers["content-encoding"])
        outcome = Outcome(answer.status, json.loads(text) if text else None, _joined(answer), raw)
        return _declared(outcome, self._registry)

    def call(self, name: str, body: Any = None, *, jwt: str | None = None, **args: Any) -> Outcome:
        """Call an action by its shortest fitting route, or by ``/_query`` where none fits."""
        controller, _, action = name.partition(":")
        route = self._route(controller, action, args, with_body=body is not None)
        if route is None:
            message = {"controller": controller, "action": action, **args, "body": body}
            outcome = self.send("POST", "/_query", message, jwt=jwt)
        else:
            outcome = self.send(route.verb, url_of(route, args), body, jwt=jwt)
        return _enveloped(outcome, MEMBERS)

    def _route(
        self, controller: str, action: str, args: Mapping[str, Any], *, with_body: bool
    ) -> Route | None:
        for known in self._registry:
            if (known.controller, known.name) == (controller, action):
                fitting = [
                    route
                    for route in known.routes
                    if all(isinstance(args.get(name), str) and args[name] for name in route.names)
                    and not (with_body and route.verb == "GET")
                ]
                return min(fitting, key=lambda route: len(route.path), default=None)
        return None


class WebSocketApi:
    """Calls actions over one WebSocket."""

    protocol: Literal["websocket"] = "websocket"

    def __init__(
        self,
        port: int,
        headers: Mapping[str, str] | None = None,
        registry: Registry | None = None,
    ) -> None:
        self.port = port
        self._registry = registry or make_registry()
        self._closing = ExitStack()
        self.socket = self._closing.enter_context(
            connect(
                f"ws://{HOST}:{port}/",
                additional_headers=dict(headers or {}),
                open_timeout=PATIENCE,
                compression=None,
                max_size=None,
            )
        )

    def close(self) -> None:
        """Close the socket."""
        self._closing.close()

    def frame(self, text: str | bytes) -> Any:
        """Send a frame and return what the next one says that is no notice."""
        self.socket.send(text)
        while (answer := json.loads(self.socket.recv(PATIENCE))).get("room") == NOTICES:
            pass
        return answer

    def send(self, message: Mapping[str, Any]) -> Outcome:
        """Send a message and return its answer."""
        body = self.frame(json.dumps(message))
        return _declared(Outcome(body["status"], body), self._registry)

    def call(self, name: str, body: Any = None, *, jwt: str | None = None, **args: Any) -> Outcome:
        """Call an action."""
        controller, _, action = name.partition(":")
        id = str(uuid.uuid4())
        message = {"controller": controller, "action": action, "requestId": id, **args}
        optional = {"body": body, "jwt": jwt}
        message |= {key: value for key, value in optional.items() if value is not None}
        outcome = self.send(message)
        assert outcome.body.get("room") == outcome.body["requestId"] == id
        return _enveloped(outcome, MEMBERS | {"room"})


Api = HttpApi | WebSocketApi


def url_of(route: Route, args: Mapping[str, Any]) -> str:
    """Return the URL of a call, written as the JavaScript SDK writes it."""
    path = route.path
    for name in route.names:
        path = path.replace(f"{{{name}}}", quote(args[name], safe=""))
    pairs = [
        (name, _in_query(value))
        for name, value in args.items()
        if name not in route.names and value is not None and value is not False
    ]
    return f"{path}?{urlencode(pairs)}" if pairs else path


def differences(expected: Any, actual: Any, where: str = "result") -> list[str]:
    """Say in what an answer is not the expected one.

    In the expected one ``<ms>``, ``<jwt>``, ``<apikey-jwt>``, ``<text>``, ``<scrollId>``,
    ``<kuid>`` and ``kuid-<uuid>`` stand for any value of that kind, ``<any>`` for any value.
    """
    match expected:
        case str() if expected in _MASKS:
            return [] if _MASKS[expected](actual) else [f"{where}: {actual!r} is no {expected}"]
        case dict() if isinstance(actual, dict) and expected.keys() == actual.keys():
            found = (differences(expected[key], actual[key], f"{where}.{key}") for key in expected)
            return [difference for one in found for difference in one]
        case list() if isinstance(actual, list) and len(expected) == len(actual):
            pairs = enumerate(zip(expected, actual, strict=True))
            found = (differences(one, other, f"{where}[{at}]") for at, (one, other) in pairs)
            return [difference for one in found for difference in one]
        case _ if type(expected) is type(actual) and expected == actual:
            return []
    return [f"{where}: {actual!r} instead of {expected!r}"]


_MASKS: dict[str, Callable[[Any], bool]] = {
    "<ms>": lambda value: type(value) is int and 10**12 < value < 10**14,
    "<any>": lambda _value: True,
    "<jwt>": lambda value: isinstance(value, str) and value.startswith("kauth-"),
    "<apikey-jwt>": lambda value: isinstance(value, str) and value.startswith("kapikey-"),
    "<text>": lambda value: isinstance(value, str) and value != "",
    "<scrollId>": lambda value: isinstance(value, str) and value != "",
    "<kuid>": lambda value: _written(value, r"kuid-[a-z]+-[a-z]+-\d{1,5}"),
    "kuid-<uuid>": lambda value: _written(value, r"kuid-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
}


def _written(value: Any, pattern: str) -> bool:
    return isinstance(value, str) and re.fullmatch(pattern, value) is not None


def _in_query(value: Any) -> str:
    if value is True:
        return ""
    return json.dumps(value) if isinstance(value, dict) else str(value)


def _inflated(raw: bytes, encoding: str | None) -> bytes:
    if not raw or encoding not in ("gzip", "deflate"):
        return raw
    return zlib.decompress(raw, 31 if encoding == "gzip" else 15)


def _joined(answer: http.client.HTTPResponse) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in answer.getheaders():
        known = headers.get(name.lower())
        headers[name.lower()] = value if known is None else f"{known}, {value}"
    return headers


def _declared(outcome: Outcome, registry: Registry) -> Outcome:
    """Return an answer whose error, if it is one of an action, that action has declared.

    An action does not know the errors of plugins: ``plugin.<name of the plugin>.<error>``.
    """
    error = outcome.body.get("error") if isinstance(outcome.body, dict) else None
    if not isinstance(error, dict):
        return outcome
    id, names = error["id"], (outcome.body.get("controller"), outcome.body.get("action"))
    of_plugin = fnmatchcase(id, "plugin.*") and not fnmatchcase(id, "plugin.strategy.*")
    if of_plugin or any(fnmatchcase(id, pattern) for pattern in COMMON):
        return outcome
    for action in registry:
        if (action.controller, action.name) == names:
            assert id in action.errors, f"{names} does not declare {id}"
    return outcome


def _enveloped(outcome: Outcome, members: set[str]) -> Outcome:
    """Return an answer that has exactly the members of the envelope, or was asked to be raw."""
    if isinstance(outcome.body, dict) and "openapi" in outcome.body:
        return outcome
    assert outcome.body.keys() - {"index", "collection"} == members, outcome.body
    assert outcome.body["status"] == outcome.status
    failed = outcome.status >= HTTPStatus.BAD_REQUEST
    assert (outcome.body["error"] is not None) == (failed or outcome.status == PARTIAL)
    return outcome
