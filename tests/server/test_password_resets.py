"""A password that has to be changed, from the refused login to the session, on real servers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from ostiary.testing.server import ThrowAwayServer
from ostiary.testing.wire import Api, HttpApi, Outcome

if TYPE_CHECKING:
    from .conftest import Connect, ConnectSocket, Database, Serve

ERROR = "plugin.kuzzle-plugin-auth-passport-local."
CONTROLLER = "kuzzle-plugin-auth-passport-local/password"
OLD, NEW = "an old password, long enough", "a new password, long enough"
SETTINGS = """
[security.hashing]
timeCost = 5
memoryCost = 7168

[[plugins.local.passwordPolicies]]
appliesTo = {users = ["ann"]}
mustChangePasswordIfSetByAdmin = true

[[plugins.local.passwordPolicies]]
appliesTo = {users = ["bob"]}
expiresAfter = "1ms"
"""
PEOPLE = {"ann": "must_change_password", "bob": "expired_password"}


@pytest.fixture(params=["sqlite", "postgresql"])
def server(request: pytest.FixtureRequest, serve: Serve) -> ThrowAwayServer:
    """Two workers that share their stores."""
    if request.param == "sqlite":
        return serve(workers=2, settings=SETTINGS)
    ready: Database = request.getfixturevalue("ready")
    return serve(workers=2, database=ready.url, environment=ready.environment, settings=SETTINGS)


@pytest.fixture(params=["http", "websocket"])
def client(
    request: pytest.FixtureRequest,
    server: ThrowAwayServer,
    connect: Connect,
    connect_socket: ConnectSocket,
) -> Callable[[], Api]:
    """Open a connection, by each protocol in turn: to whichever worker takes it."""
    if request.param == "http":
        return lambda: connect(server)
    return lambda: connect_socket(server)


@pytest.fixture
def admin(
    server: ThrowAwayServer, connect: Connect, administer: Callable[[HttpApi], str]
) -> Callable[..., Outcome]:
    """Ask as the administrator, who has given two people passwords, and everybody the reset."""
    api = connect(server)
    jwt = administer(api)

    def ask(name: str, body: Any = None, **args: Any) -> Outcome:
        return api.call(name, body, jwt=jwt, **args)

    role = ask("security:getRole", _id="anonymous").result["_source"]["controllers"]
    opened = {"controllers": {**role, CONTROLLER: {"actions": {"reset": True}}}}
    assert ask("security:updateRole", opened, _id="anonymous").status == 200
    for name in PEOPLE:
        fields = {"username": name, "password": OLD}
        user = {"content": {"profileIds": ["default"]}, "credentials": {"local": fields}}
        assert ask("security:createUser", user, _id=name).status == 200
    return ask


def sign_in(api: Api, name: str, password: str) -> Outcome:
    return api.call("auth:login", {"username": name, "password": password}, strategy="local")


def reset(api: Api, token: str, password: str = NEW) -> Outcome:
    return api.call(f"{CONTROLLER}:reset", {"password": password, "token": token})


def test_who_has_to_change_a_password_does_so_and_is_signed_in(
    client: Callable[[], Api], admin: Callable[..., Outcome]
) -> None:
    """AUTH-01, AUTH-14, PWD-10: who does not know the password is given nothing."""
    for name, password in (("ann", NEW), ("bob", ""), ("nobody", OLD)):
        refused = sign_in(client(), name, password)
        assert refused.error_id == "plugin.strategy.missing_user"
        assert "resetToken" not in str(refused.body)
    for name, error in PEOPLE.items():
        first, refused = (sign_in(client(), name, OLD) for _ in range(2))
        assert (refused.status, refused.error_id) == (401, ERROR + error)
        token = refused.error["resetToken"]
        assert token != first.error["resetToken"]
        assert refused.error.keys() == {"id", "code", "status", "message", "props", "resetToken"}
        assert (refused.body["result"], "set-cookie" in refused.headers) == (None, False)
        opened = reset(client(), token).result
        assert opened.keys() == {"_id", "jwt", "expiresAt", "ttl"}
        me = client().call("auth:getCurrentUser", jwt=opened["jwt"])
        assert me.result["_id"] == name
        for spent in (token, first.error["resetToken"]):
            assert reset(client(), spent).error_id == f"{ERROR}invalid_token"
        assert sign_in(client(), name, OLD).error_id == "plugin.strategy.missing_user"
    # It counts as set by its user: nothing has to be changed any more.
    assert sign_in(client(), "ann", NEW).result["_id"] == "ann"
    admin("security:disableUser", _id="bob")
    assert "resetToken" not in str(sign_in(client(), "bob", NEW).body)


def test_a_token_is_neither_in_the_log_nor_in_the_store_and_outlives_the_process(
    server: ThrowAwayServer,
    connect: Connect,
    admin: Callable[..., Outcome],
    request: pytest.FixtureRequest,
) -> None:
    """PWD-10, LEAK-05"""
    refused = sign_in(connect(server), "ann", OLD).error["resetToken"]
    given = admin(f"{CONTROLLER}:getResetPasswordToken", _id="bob").result["resetToken"]
    server.restart()
    kept = b"".join(path.read_bytes() for path in server.data.rglob("*") if path.is_file())
    if "postgresql" in request.node.name:
        ready: Database = request.getfixturevalue("ready")
        kept = str(ready.query("SELECT t.*::text FROM ostiary_local.tickets t")).encode()
        assert b"ann" in kept
    for token in (refused, given):
        assert token.encode() not in kept
        assert token not in server.log
        assert reset(connect(server), token).status == 200
