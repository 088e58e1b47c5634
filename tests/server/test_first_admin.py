"""A new server is closed, and its operator opens it for one administrator, by either door."""

from __future__ import annotations

import re
import socket
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from threading import Barrier
from typing import TYPE_CHECKING

import httpx2
import pytest

from ostiary.testing.wire import Api, HttpApi, Outcome

from .waiting import until

if TYPE_CHECKING:
    from .conftest import Connect, ConnectSocket, Serve

HELD_BY_ANYBODY = {
    "auth:checkToken", "auth:describeStrategies", "auth:getCurrentUser", "auth:getMyRights", "auth:login",
    "server:openapi", "server:publicApi",
}  # fmt: skip
"""Contract, section 7; and what a sign-in page has to be drawn from."""

CREATE = "security:createFirstAdmin"
ROOT = {"username": "root", "password": "the password of an administrator"}
BODY = {"credentials": {"local": ROOT}}
HEADER = "X-Ostiary-Setup"


def test_nobody_holds_more_than_the_contract_says(serve: Serve, connect: Connect) -> None:
    """AZ-01, CFG-02: what is not granted is refused, whatever the action is called."""
    api = connect(serve())
    names = {
        f"{controller}:{action}"
        for controller, actions in api.call("server:publicApi").result.items()
        for action in actions
    }
    assert names > HELD_BY_ANYBODY
    refused = {name for name in names if is_refused(ask(api, name))}
    assert refused == names - HELD_BY_ANYBODY
    assert is_refused(ask(api, "security:noSuchAction"))
    rights = api.call("auth:getMyRights").result["hits"]
    assert {f"{row['controller']}:{row['action']}" for row in rights} == HELD_BY_ANYBODY
    assert {row["value"] for row in rights} == {"allowed"}


def test_the_link_for_the_first_administrator_is_printed_once_and_works_once(
    serve: Serve, connect: Connect
) -> None:
    server = serve(environment={})
    (secret,) = printed_secrets(server.log)
    link = f"{server.url}/-/setup#{secret}"
    assert printed_links(server.log) == [link]
    server.restart()
    assert printed_secrets(server.log) == [secret]
    assert printed_links(server.log) == [link]
    assert "there is no administrator" in server.log
    # Who has lost it is told again, as long as it is good for something.
    again = server.run("admin", "setup-link", "--port", str(server.port))
    assert again.stdout == f"{link}\n"
    api = connect(server)
    assert api.send("POST", "/_createFirstAdmin", BODY).status == 401
    made = api.send("POST", "/_createFirstAdmin", BODY, {HEADER: secret})
    assert made.result["_source"]["profileIds"] == ["admin"]
    late = server.run("admin", "setup-link")
    assert (late.returncode, late.stdout) == (1, "")
    assert "there is an administrator" in late.stderr


@pytest.mark.parametrize("workers", [1, 2])
def test_the_link_has_the_port_that_was_free(serve: Serve, workers: int) -> None:
    server = serve(environment={}, started=False)
    words = ["serve", "--host", "::1", "--port", "0", "--workers", str(workers)]
    with server.begin(*words, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        lines = (line.decode().strip() for line in process.stderr)
        link = next(line for line in lines if "/-/setup#" in line)
        page = asked_until_it_answers(link.partition("#")[0])
        process.terminate()
        rest = process.stderr.read().decode()
    assert link.startswith("http://[::1]:")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "/-/setup#" not in rest


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_start_that_cannot_listen_tells_it_all_the_same(serve: Serve, workers: str) -> None:
    server = serve(environment={}, started=False)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        failed = server.run("serve", "--port", port, "--workers", workers)
    assert failed.returncode == 1
    (link,) = printed_links(failed.stderr)
    assert link.startswith(f"http://127.0.0.1:{port}/-/setup#")


def test_without_pages_there_is_no_link(serve: Serve) -> None:
    server = serve(environment={}, settings="[pages]\nenabled = false")
    assert printed_links(server.log) == []
    assert len(printed_secrets(server.log)) == 1
    refused = server.run("admin", "setup-link")
    assert refused.returncode == 1
    assert "ostiary admin create" in refused.stderr


def test_dev_leads_to_the_page_that_comes_first(serve: Serve, connect: Connect) -> None:
    server = serve(dev=True)
    assert f"In a browser: {server.url}/-/setup\n" in server.log
    assert connect(server).send("POST", "/_createFirstAdmin", BODY).status == 200
    server.restart()
    assert f"In a browser: {server.url}/\n" in server.log


def test_a_command_that_makes_the_stores_leaves_the_setup_secret_to_the_server(
    serve: Serve,
) -> None:
    server = serve(environment={}, started=False)
    exported = server.data.parent / "roles.json"
    exported.write_text('{"type": "roles", "content": {}}', encoding="utf-8")
    imported = server.run("import-kuzzle", str(exported))
    assert (imported.returncode, imported.stderr) == (0, "")
    server.start()
    assert len(printed_secrets(server.log)) == 1


@pytest.mark.parametrize(
    "words", ["keys list", "keys rotate --revoke-all", "db status", "admin restrict"]
)
def test_a_command_for_stores_that_are_not_there_makes_none(serve: Serve, words: str) -> None:
    server = serve(started=False)
    done = server.run(*words.split())
    assert done.returncode == 1
    assert "there are no stores here" in done.stderr
    assert not server.data.exists()


@pytest.mark.parametrize("body", [{}, {"credentials": {}}, {"username": "root"}])
def test_who_could_not_sign_in_does_not_use_the_setup_up(
    serve: Serve, connect: Connect, setup_secret: str, body: Mapping[str, object]
) -> None:
    """Contract, section 13."""
    api = connect(serve())
    refused = api.send("POST", "/_createFirstAdmin", body, {HEADER: setup_secret})
    assert (refused.status, refused.error_id) == (400, "api.assert.missing_argument")
    assert api.send("POST", "/_createFirstAdmin", BODY, {HEADER: setup_secret}).status == 200


def test_without_the_whole_secret_nobody_becomes_an_administrator(
    serve: Serve, connect: Connect, connect_socket: ConnectSocket, setup_secret: str
) -> None:
    """ADM-04: neither a guess nor the place that a request comes from opens the door."""
    server = serve()
    wrong: list[dict[str, str]] = [
        {},
        {HEADER: ""},
        {HEADER: f"{setup_secret}!"},
        {HEADER: setup_secret[:-1]},
        {HEADER: setup_secret.upper()},
        {"X-Forwarded-For": "127.0.0.1", "Authorization": setup_secret},
    ]
    for headers in wrong:
        over_http = connect(server).send("POST", "/_createFirstAdmin", BODY, headers)
        assert over_http.error_id == "security.rights.unauthorized", headers
        over_websocket = connect_socket(server, headers).call(CREATE, BODY)
        assert over_websocket.error_id == "security.rights.unauthorized", headers
    elsewhere = connect_socket(server).send(
        {"controller": "security", "action": "createFirstAdmin", "body": BODY}
        | {HEADER: setup_secret, "headers": {HEADER.lower(): setup_secret}}
    )
    assert elsewhere.status == 401
    # Who has set the secret knows it.
    assert setup_secret not in server.log
    assert printed_secrets(server.log) == []


def test_the_secret_opens_one_action_and_only_once(
    serve: Serve, connect: Connect, connect_socket: ConnectSocket, setup_secret: str
) -> None:
    """ADM-02: over WebSocket it comes with the upgrade; afterwards it opens nothing."""
    server = serve()
    socket = connect_socket(server, {HEADER: setup_secret})
    user = {"content": {"profileIds": ["admin"]}, **BODY}
    assert is_refused(socket.call("security:createUser", user))
    assert is_refused(socket.call("security:restrictDefaultRights"))
    assert socket.call(CREATE, BODY, _id="root").result["_id"] == "root"
    again = {"credentials": {"local": {**ROOT, "username": "second"}}}
    assert is_refused(socket.call(CREATE, again))
    headers = {HEADER: setup_secret}
    assert connect(server).send("POST", "/_createFirstAdmin", again, headers).status == 401
    token = sign_in(connect(server), ROOT)
    exists = connect(server).call(CREATE, again, jwt=token)
    assert exists.error_id == "api.process.admin_exists"


def test_one_of_fifty_at_once_becomes_the_first_administrator(
    serve: Serve, setup_secret: str
) -> None:
    """ADM-01: whichever worker they meet, and nothing is left of the others."""
    server = serve(workers=2)
    start = Barrier(50)

    def become(number: int) -> Outcome:
        with closing(HttpApi(server.port)) as api:
            body = {"credentials": {"local": {**ROOT, "username": f"admin{number}"}}}
            start.wait(30)
            path = f"/_createFirstAdmin/admin{number}"
            return api.send("POST", path, body, {HEADER: setup_secret})

    with ThreadPoolExecutor(50) as threads:
        outcomes = list(threads.map(become, range(50)))
    made = [outcome.result["_id"] for outcome in outcomes if outcome.status == 200]
    assert len(made) == 1
    assert {outcome.status for outcome in outcomes} <= {200, 401, 412}
    with closing(HttpApi(server.port)) as api:
        token = sign_in(api, {**ROOT, "username": made[0]})
        others = sorted({f"admin{number}" for number in range(50)} - set(made))
        for name in others:
            assert api.call("security:getUser", _id=name, jwt=token).status == 404
        for name in others[:2]:
            credentials = {"local": {**ROOT, "username": name}}
            free = {"content": {"profileIds": ["default"]}, "credentials": credentials}
            assert api.call("security:createUser", free, _id=name, jwt=token).status == 200


@pytest.mark.parametrize("running", [False, True], ids=["stopped", "running"])
def test_the_command_makes_an_administrator(
    running: bool, serve: Serve, connect: Connect, setup_secret: str
) -> None:
    server = serve(started=running)
    made = server.run("admin", "create", "root", "--kuid", "me", input=ROOT["password"] + "\n")
    assert made.returncode == 0, made.stderr
    assert "me" in made.stdout
    assert ROOT["password"] not in made.stdout
    if not running:
        server.start()
    api = connect(server)
    token = sign_in(api, ROOT)
    assert api.call("security:getUser", _id="me", jwt=token).result["_source"] == {
        "profileIds": ["admin"],
        "_kuzzle_info": api.call("auth:getCurrentUser", jwt=token).result["_source"][
            "_kuzzle_info"
        ],
    }
    headers = {HEADER: setup_secret}
    assert api.send("POST", "/_createFirstAdmin", BODY, headers).status == 401
    again = server.run("admin", "create", "root", input=ROOT["password"] + "\n")
    assert again.returncode == 1
    assert "taken" in again.stderr


def test_a_password_that_users_may_not_have_makes_no_administrator(serve: Serve) -> None:
    server = serve(started=False)
    refused = server.run("admin", "create", "root", input="short\n")
    assert refused.returncode == 1
    assert "15" in refused.stderr
    nothing = server.run("admin", "create", "root")
    assert nothing.returncode == 1


def test_dev_listens_on_this_machine_only(serve: Serve) -> None:
    server = serve(dev=True, started=False)
    for host in ("0.0.0.0", "192.0.2.1"):
        refused = server.run("serve", "--dev", "--host", host, "--port", str(server.port))
        assert refused.returncode == 2
        assert "--host" in refused.stderr
        assert "loopback" in refused.stderr


def test_stores_of_dev_serve_nobody_until_they_are_closed(serve: Serve, connect: Connect) -> None:
    """CFG-02: decision 2."""
    server = serve(dev=True)
    assert "everybody" in server.log
    user = {"content": {"profileIds": ["default"]}, "credentials": {"local": ROOT}}
    assert connect(server).call("security:createUser", user, _id="ann").status == 200
    server.stop()
    refused = server.run("serve", "--port", str(server.port))
    assert refused.returncode == 1
    assert "ostiary admin restrict" in refused.stderr

    assert server.run("admin", "restrict").returncode == 0
    server.dev = False
    server.start()
    api = connect(server)
    assert is_refused(api.call("security:getUser", _id="ann"))
    token = sign_in(api, ROOT)
    assert api.call("auth:getCurrentUser", jwt=token).result["_id"] == "ann"


def ask(api: Api, name: str) -> Outcome:
    assert isinstance(api, HttpApi)
    controller, _, action = name.partition(":")
    return api.send("POST", "/_query", {"controller": controller, "action": action, "body": {}})


def is_refused(outcome: Outcome) -> bool:
    error = outcome.body.get("error")
    return error is not None and error["id"] == "security.rights.unauthorized"


def sign_in(api: Api, credentials: Mapping[str, str]) -> str:
    token: str = api.call("auth:login", dict(credentials), strategy="local").result["jwt"]
    return token


def printed_links(log: str) -> list[str]:
    return re.findall(r"http\S+/-/setup#\S+", log)


def asked_until_it_answers(url: str) -> httpx2.Response:
    """Ask a server that has told where it will listen, and does so in a moment."""
    answers: list[httpx2.Response] = []

    def answered() -> bool:
        with suppress(httpx2.TransportError):
            answers.append(httpx2.get(url, headers={"Accept": "text/html"}))
        return answers != []

    until(answered)
    return answers[0]


def printed_secrets(log: str) -> list[str]:
    marked = [line for line in log.splitlines() if "Setup secret:" in line]
    return [line.partition("Setup secret:")[2].strip() for line in marked]
