"""WS-12: what an open socket hears when its token expires, and when it hears nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from functools import partial
from typing import Any

import pytest

from ostiary.testing.wire import NOTICES, PATIENCE, HttpApi, WebSocketApi, differences

LIFE = 1500
NOTICE = {
    "status": 200,
    "type": "TokenExpired",
    "message": "Authentication Token Expired",
    "info": "<text>",
    "node": "<text>",
    "room": NOTICES,
}
QUIET = 0.3
"""Seconds after which a notice that has not come will not come."""

Told = list[tuple[dict[str, Any], float]]


class Sockets:
    """Opens sockets of people whose tokens expire soon, and listens to all of them."""

    def __init__(self, site: Any, http: HttpApi, stack: ExitStack) -> None:
        self.site, self.http, self._stack = site, http, stack
        self.opened: dict[str, WebSocketApi] = {}
        self.tokens: dict[str, str] = {}
        self.ends = 0

    def open(self, name: str, headers: dict[str, str] | None = None) -> WebSocketApi:
        socket = self._stack.enter_context(closing(WebSocketApi(self.site.port, headers)))
        self.opened[name] = socket
        return socket

    def sign_in(self, person: Any, **args: Any) -> str:
        fields = person.credentials
        issued = self.http.call("auth:login", fields, strategy="local", **args).result
        self.ends = max(self.ends, issued["expiresAt"])
        return str(issued["jwt"])

    def tie(self, name: str, jwt: str) -> WebSocketApi:
        """Open a socket and send one request with a token over it."""
        socket = self.open(name)
        assert socket.call("auth:getCurrentUser", jwt=jwt).status == 200
        self.tokens[name] = jwt
        return socket

    def told(self) -> dict[str, Told]:
        """Return what each socket was told, and when, until all soon-to-end tokens have ended."""
        frames: dict[str, Told] = {}
        quiet = self.ends / 1000 + QUIET
        while (wait := quiet - time.time()) > 0:
            time.sleep(min(wait, 0.05))
            for name, socket in self.opened.items():
                frames.setdefault(name, []).extend(_arrived(socket))
        return frames


def _arrived(socket: WebSocketApi) -> Told:
    frames = []
    while True:
        try:
            frames.append((json.loads(socket.socket.recv(0)), time.time() * 1000))
        except TimeoutError:
            return frames


@pytest.fixture(scope="module")
def sockets(closed: Any) -> Iterator[Sockets]:
    with ExitStack() as stack:
        http = stack.enter_context(closing(HttpApi(closed.port)))
        yield Sockets(closed, http, stack)


@pytest.fixture(scope="module")
def told(sockets: Sockets, closed: Any) -> dict[str, Told]:
    """Live through everything that can happen to a tied socket; return what each heard."""
    ann, eve = closed.person("member"), closed.person("member")
    soon: dict[str, Any] = {"expiresIn": LIFE}
    other = sockets.sign_in(ann, expiresIn="1h")
    sockets.ends = 0

    sockets.open("anonymous").call("auth:getCurrentUser")
    login = sockets.open("logged in").call("auth:login", ann.credentials, strategy="local", **soon)
    sockets.ends = login.result["expiresAt"]

    shared = sockets.sign_in(ann, **soon)
    sockets.tie("one", shared)
    sockets.tie("another", shared)
    sockets.tie("later anonymous", shared).call("auth:getCurrentUser")
    sockets.tie("later another token", shared).call("auth:getCurrentUser", jwt=other)
    by_cookie = sockets.open("by cookie", {"Cookie": f"authToken={shared}"})
    assert by_cookie.call("auth:getCurrentUser").result["_id"] == ann.kuid
    assert sockets.open("forbidden").call("security:getUser", jwt=shared, _id="x").status == 403

    ended = sockets.sign_in(ann, **soon)
    sockets.tie("logged out", ended)
    assert sockets.tie("logs out", ended).call("auth:logout", jwt=ended).status == 200
    gone = sockets.sign_in(eve, **soon)
    sockets.tie("deleted", gone)
    deleted = sockets.http.call("security:deleteUser", jwt=closed.admin.jwt, _id=eve.kuid)
    assert deleted.status == 200

    old = sockets.sign_in(ann, **soon)
    sockets.tie("refreshed elsewhere", old)
    refreshing = sockets.tie("refreshes", old)
    assert refreshing.call("auth:refreshToken", jwt=old, expiresIn="1h").status == 200

    old = sockets.sign_in(ann, **soon)
    sockets.tie("beside a login", old)
    sockets.tie("signs in again", old).call(
        "auth:login", ann.credentials, strategy="local", expiresIn="1h"
    )
    return sockets.told()


HEARERS = ("logged in", "one", "another", "later anonymous", "by cookie", "forbidden")
OTHERS = (
    "anonymous",
    "later another token",
    "logged out",
    "logs out",
    "deleted",
    "refreshed elsewhere",
    "refreshes",
    "beside a login",
    "signs in again",
)


@pytest.mark.parametrize("name", HEARERS)
def test_a_socket_hears_once_and_in_time_that_its_token_has_expired(
    sockets: Sockets, told: dict[str, Told], name: str
) -> None:
    """WS-12, TOK-16: without any subscription, within the second."""
    ((notice, at),) = told[name]
    assert differences(NOTICE, notice) == []
    assert sockets.ends - LIFE < at < sockets.ends + 1000


@pytest.mark.parametrize("name", OTHERS)
def test_a_socket_hears_nothing_of_tokens_that_did_not_expire_on_it(
    told: dict[str, Told], name: str
) -> None:
    """WS-12: not after logout, refresh, deletion of the user, or another token."""
    assert told[name] == []


def test_every_case_was_listened_to(told: dict[str, Told]) -> None:
    assert told.keys() == {*HEARERS, *OTHERS}


@pytest.mark.parametrize("name", ["one", "logged out", "deleted"])
def test_the_socket_stays_open_and_the_token_is_refused(
    sockets: Sockets, told: dict[str, Told], name: str
) -> None:
    """WS-12, TOK-28"""
    assert told
    socket = sockets.opened[name]
    refused = socket.call("auth:getCurrentUser", jwt=sockets.tokens[name])
    assert refused.error_id == "security.token.invalid"
    assert socket.call("auth:getCurrentUser").result["_id"] == "-1"


def test_a_token_that_expires_between_the_parts_of_a_message_is_refused(
    closed: Any, member: Any
) -> None:
    """TOK-16: what counts is when a request runs, not when it began to arrive."""
    with closing(WebSocketApi(closed.port)) as socket:
        fields = member.credentials
        login = socket.call("auth:login", fields, strategy="local", expiresIn=1000)
        issued = login.result
        me = {"controller": "auth", "action": "getCurrentUser", "jwt": issued["jwt"]}
        text = json.dumps(me)
        socket.socket.send(_slowly(text, issued["expiresAt"]))
        frames = [json.loads(socket.socket.recv(PATIENCE)) for _ in range(2)]
        assert {frame.get("type") or frame["error"]["id"] for frame in frames} == {
            "TokenExpired",
            "security.token.invalid",
        }


def _slowly(text: str, until: int) -> Iterator[str]:
    yield text[:50]
    time.sleep(max(0, until / 1000 - time.time()) + 0.05)
    yield text[50:]


def test_an_expiry_ends_the_subscriptions_of_its_socket(closed: Any) -> None:
    room = {"index": "i", "collection": "expiry"}
    with closing(WebSocketApi(closed.port)) as socket:
        fields = closed.admin.credentials
        login = socket.call("auth:login", fields, strategy="local", expiresIn=1000).result
        joined = socket.call("realtime:subscribe", {}, jwt=login["jwt"], **room).result
        body = {"roomId": joined["roomId"]}

        count = partial(closed.http.call, "realtime:count", body, jwt=closed.admin.jwt)
        assert count().result["count"] == 1
        assert json.loads(socket.socket.recv(PATIENCE))["type"] == "TokenExpired"
        assert count().error_id == "core.realtime.room_not_found"
