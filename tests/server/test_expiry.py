"""WS-12: several processes, with sockets on each; who hears that a token has expired, and when."""

from __future__ import annotations

import json
import socket as sockets
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from ostiary.testing.server import ThrowAwayServer
from ostiary.testing.wire import HttpApi, WebSocketApi

if TYPE_CHECKING:
    from .conftest import ConnectSocket, Database, Serve

ANN = {"username": "ann", "password": "correct horse battery staple"}
SOON, LATER = 3, 5
QUIET = 0.7
"""Seconds after which a notice that has not come will not come."""

PATIENCE = 30

HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


@dataclass
class Group:
    """Sockets of every process, tied to one token, and when each was told of its end."""

    jwt: str
    ends: float
    sockets: list[WebSocketApi]
    told: dict[WebSocketApi, float] = field(default_factory=dict)

    def listen(self) -> None:
        for socket in self.sockets:
            try:
                frame = json.loads(socket.socket.recv(0))
            except TimeoutError:
                continue
            assert frame["type"] == "TokenExpired"
            assert socket not in self.told
            self.told[socket] = time.time()


class Workers:
    """A server of two processes, and somebody who signs in there."""

    def __init__(self, server: ThrowAwayServer, connect: ConnectSocket, admin: str) -> None:
        self.server, self._connect = server, connect
        self._control = {self.node(socket): socket for socket in self.one_each()}
        content = {"content": {"profileIds": ["admin"]}, "credentials": {"local": ANN}}
        made = self.some.call("security:createUser", content, jwt=admin, _id="ann")
        assert made.status == 200, made.body

    @property
    def some(self) -> WebSocketApi:
        """A socket that no test looks at."""
        return next(iter(self._control.values()))

    def one_each(self) -> list[WebSocketApi]:
        """Open a socket to each process."""
        found: dict[str, WebSocketApi] = {}
        end = time.monotonic() + PATIENCE
        while len(found) < 2:
            assert time.monotonic() < end
            socket = self._connect(self.server)
            if found.setdefault(self.node(socket), socket) is not socket:
                socket.close()
        return list(found.values())

    def beside(self, socket: WebSocketApi) -> WebSocketApi:
        """Return a socket of another process than that of a socket."""
        here = self.node(socket)
        return next(other for node, other in self._control.items() if node != here)

    def group(self, seconds: int = SOON) -> Group:
        """Sign in, and use the token on a socket of each process."""
        asked: dict[str, Any] = {"strategy": "local", "expiresIn": f"{seconds}s"}
        # Over a socket, a login would take the sockets of the token before with it.
        with closing(HttpApi(self.server.port)) as api:
            answer = api.call("auth:login", ANN, **asked).result
        sockets = self.one_each()
        for socket in sockets:
            assert socket.call("auth:getCurrentUser", jwt=answer["jwt"]).status == 200
        return Group(answer["jwt"], answer["expiresAt"] / 1000, sockets)

    @staticmethod
    def node(socket: WebSocketApi) -> str:
        """Return the name of the process that has a socket."""
        return str(socket.call("auth:checkToken").body["node"])


@pytest.fixture(params=["sqlite", "postgresql"])
def workers(
    request: pytest.FixtureRequest,
    serve: Serve,
    connect_socket: ConnectSocket,
    administer: Callable[[HttpApi], str],
) -> Workers:
    if request.param == "sqlite":
        server = serve(workers=2, settings=UNHURRIED)
    else:
        ready: Database = request.getfixturevalue("ready")
        server = serve(
            workers=2, settings=UNHURRIED, database=ready.url, environment=ready.environment
        )
    with closing(HttpApi(server.port)) as api:
        admin = administer(api)
    return Workers(server, connect_socket, admin)


UNHURRIED = """
[limits]
loginsPerSecond = 100
[security.hashing]
timeCost = 5
memoryCost = 7168
[security.standard.profiles]
default = {rateLimit = 0}
anonymous = {rateLimit = 0}
"""


def test_a_token_expires_on_the_sockets_of_every_process_at_the_same_second(
    workers: Workers,
) -> None:
    """WS-12, TOK-16: also where another process has refreshed or revoked it meanwhile."""
    kept, revoked, refreshed = (workers.group() for _ in range(3))
    elsewhere = workers.beside(revoked.sockets[0])
    assert elsewhere.call("auth:logout", jwt=revoked.jwt).status == 200
    asked: dict[str, Any] = {"expiresIn": f"{LATER}s"}
    with closing(HttpApi(workers.server.port)) as refreshing:
        new = refreshing.call("auth:refreshToken", jwt=refreshed.jwt, **asked).result
    groups = (kept, revoked, refreshed)
    while time.time() < new["expiresAt"] / 1000 + QUIET:
        for group in groups:
            group.listen()
        time.sleep(0.02)
    assert [len(group.told) for group in groups] == [2, 0, 2]
    for at in kept.told.values():
        assert kept.ends - 0.1 < at < kept.ends + 1
    for at in refreshed.told.values():
        assert new["expiresAt"] / 1000 - 0.1 < at < new["expiresAt"] / 1000 + 1


def test_a_server_that_stops_finishes_what_runs_and_says_goodbye(
    serve: Serve, connect_socket: ConnectSocket
) -> None:
    """security.md, goal 2: sockets close with 1001, after their last answers."""
    server = serve(workers=2)
    opened = [connect_socket(server) for _ in range(8)]
    message = {"controller": "auth", "action": "login", "strategy": "local", "body": ANN}
    start = time.monotonic()
    for socket in opened:
        socket.socket.send(json.dumps(message))
    assert server.stop() == 0
    assert time.monotonic() - start < 10
    for socket in opened:
        assert json.loads(socket.socket.recv(PATIENCE))["status"] == 401
        with pytest.raises(ConnectionClosed) as closed:
            socket.socket.recv(PATIENCE)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1001


def test_peers_that_do_not_answer_keep_no_server_from_stopping(serve: Serve) -> None:
    """security.md, goal 2: it exits within ten seconds."""
    server = serve()
    big = {"controller": "auth", "action": "x", "volatile": {"x": "y" * 500_000}}
    frame = Frame(Opcode.TEXT, json.dumps(big).encode()).serialize(mask=True)
    with sockets.create_connection(("127.0.0.1", server.port)) as silent:
        silent.sendall(HANDSHAKE)
        assert silent.recv(2**16).startswith(b"HTTP/1.1 101 ")
        silent.settimeout(1)
        with suppress(TimeoutError):
            for _ in range(40):
                silent.sendall(frame)
        start = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - start < 8
