"""Mail from real server processes: the whole way, from a request to a mailbox."""

from __future__ import annotations

import json
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ostiary.testing.server import ThrowAwayServer
from ostiary.testing.wire import HttpApi

if TYPE_CHECKING:
    from .conftest import Inbox

PATIENCE = 60
"""Seconds."""

VARYING = {"date", "x-kuzzle-request-id", "x-ostiary-request-id"}
SETTINGS = """
[security.hashing]
timeCost = 5
memoryCost = 7168

[security.standard.profiles]
anonymous = {{rateLimit = 0}}

[plugins.local.mail]
host = "127.0.0.1"
port = {port}
security = "none"
from = "no-reply@example.com"
resetUrl = "https://app.example.com/reset"
verifyUrl = "https://app.example.com/verify"
timeout = "1s"
retryAfter = 100
{more}
"""

Serve = Callable[..., ThrowAwayServer]


@pytest.fixture
def serve(inbox: Inbox) -> Iterator[Serve]:
    with ExitStack() as stack:

        def start(more: str = "", **options: Any) -> ThrowAwayServer:
            settings = SETTINGS.format(port=inbox.port, more=more)
            server = ThrowAwayServer(dev=True, settings=settings, **options)
            return stack.enter_context(server)

        yield start


def make_user(server: ThrowAwayServer, kuid: str, address: str) -> None:
    """Make a user whose address is verified."""
    with closing(HttpApi(server.port)) as api:
        local = {"username": kuid, "password": "a pass phrase"}
        body = {"content": {"profileIds": ["default"]}, "credentials": {"local": local}}
        made = api.call("security:createUser", body, _id=kuid)
        assert made.status == 200, made.body
    with closing(_store(server)) as store, store:
        row = (address, address, "email", kuid, 1, 1)
        columns = "(key, value, kind, kuid, verified_at, created_at)"
        store.execute(f"INSERT INTO identifiers {columns} VALUES (?, ?, ?, ?, ?, ?)", row)


def ask(server: ThrowAwayServer, name: str) -> Any:
    with closing(HttpApi(server.port)) as api:
        answer = api.send("POST", "/_/password/requestReset", {"username": name})
        assert answer.status == 200, answer.body
        return answer


def wait_for(true: Callable[[], Any]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.02)


def test_a_reset_that_is_asked_for_comes_by_mail(
    serve: Serve, inbox: Inbox, link: Callable[[Any], str]
) -> None:
    """PWD-10: the store has the token's hash alone."""
    server = serve()
    make_user(server, "ann", "ann@example.org")
    ask(server, "ann")
    wait_for(lambda: inbox.mails)
    token = link(inbox.mails[0])
    with closing(_store(server)) as store:
        kept = store.execute("SELECT fingerprint, purpose, kuid FROM tickets").fetchall()
    assert kept == [(sha256(token.encode()).digest(), "reset", "ann")]
    assert server.stop() == 0
    kept_files = b"".join(one.read_bytes() for one in server.data.glob("local.db*"))
    assert token.encode() not in kept_files
    assert "example.org" not in server.log
    assert token not in server.log


def test_a_forgotten_password_is_set_anew_and_its_owner_told(
    serve: Serve, inbox: Inbox, link: Callable[[Any], str]
) -> None:
    """PWD-10: the token is good once."""
    server = serve()
    make_user(server, "ann", "ann@example.org")
    ask(server, "ann@example.org")
    wait_for(lambda: inbox.mails)
    fields = {"token": link(inbox.mails[0]), "password": "another pass phrase"}
    with closing(HttpApi(server.port)) as api:
        done = api.send("POST", "/_/password/reset", fields)
        assert done.status == 200, done.body
        assert done.result["_id"] == "ann"
        again = api.send("POST", "/_/password/reset", fields)
        assert again.status == 400, again.body
        given = {"username": "ann", "password": "another pass phrase"}
        assert api.call("auth:login", given, strategy="local").status == 200
    wait_for(lambda: len(inbox.mails) == 2)
    told = "Your password for example.com was changed"
    assert inbox.told()[1] == ("ann@example.org", told)
    assert "127.0.0.1" in str(inbox.mails[1])


def test_a_server_sends_the_texts_of_its_operators(
    serve: Serve, inbox: Inbox, tmp_path: Path
) -> None:
    (tmp_path / "reset.en.txt").write_text("Subject: Ahoy\n\n${link}\n")
    server = serve(more=f'templates = "{tmp_path}"')
    make_user(server, "ann", "ann@example.org")
    ask(server, "ann")
    wait_for(lambda: inbox.mails)
    assert inbox.told() == [("ann@example.org", "Ahoy")]


def test_strangers_need_the_rights_of_the_guide(
    serve: Serve, inbox: Inbox, link: Callable[[Any], str]
) -> None:
    """AZ-01: with them a forgotten password is set anew; without them nothing is sent."""
    server = serve()
    make_user(server, "ann", "ann@example.org")
    guide = (Path(__file__).parents[4] / "docs" / "mail.md").read_text()
    puts = re.findall(r"-X PUT localhost:7512(/\S+) .*? -d '(.*?)'", guide, re.DOTALL)
    assert [path for path, _ in puts] == ["/roles/resets", "/profiles/anonymous"]
    with closing(HttpApi(server.port)) as api:
        local = {"username": "root", "password": "a pass phrase"}
        first = {"content": {}, "credentials": {"local": local}}
        made = api.call("security:createFirstAdmin", first, _id="root", reset=True)
        assert made.status == 200, made.body
        jwt = api.call("auth:login", local, strategy="local").result["jwt"]
        asked = {"username": "ann"}
        assert api.send("POST", "/_/password/requestReset", asked).status == 401
        for path, body in puts:
            headers = {"authorization": f"Bearer {jwt}"}
            done = api.send("PUT", path, json.loads(body), headers)
            assert done.status == 200, done.body
        kept = api.call("security:getProfile", jwt=jwt, _id="anonymous").result["_source"]
        assert kept["rateLimit"] == 200
        assert api.send("POST", "/_/password/requestReset", asked).status == 200
        wait_for(lambda: inbox.mails)
        fields = {"token": link(inbox.mails[0]), "password": "another pass phrase"}
        assert api.send("POST", "/_/password/reset", fields).status == 200
        verified = api.send("POST", "/_/identifier/_verify", {"token": "none"})
        assert verified.body["error"]["id"].endswith("invalid_verification_token")


def test_the_answer_is_the_same_for_everybody(serve: Serve) -> None:
    """AUTH-01, AUTH-03: status, body and headers, but for the time and the number of a request."""
    server = serve()
    make_user(server, "ann", "ann@example.org")
    answers = [
        ask(server, name) for name in ("ann", "ann@example.org", "nobody", "no@body.example")
    ]
    seen = []
    for answer in answers:
        headers = {key: value for key, value in answer.headers.items() if key not in VARYING}
        seen.append((answer.status, headers, {**answer.body, "requestId": None}))
    assert all(one == seen[0] for one in seen)
    assert seen[0][2]["result"] == {"acknowledged": True}


def test_of_several_processes_one_sends_each_mail(serve: Serve, inbox: Inbox) -> None:
    server = serve(workers=2)
    addresses = [f"user{number}@example.org" for number in range(8)]
    for number, address in enumerate(addresses):
        make_user(server, f"user{number}", address)
        ask(server, f"user{number}")
    wait_for(lambda: len(inbox.mails) >= len(addresses))
    wait_for(lambda: not _waiting(server))
    assert sorted(to for to, _ in inbox.told()) == addresses


def test_mail_of_a_process_that_was_killed_is_not_lost(
    serve: Serve, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed (SIGKILL) after it has taken a mail, and before the mail server has."""
    held = threading.Event()

    async def hang(*_: Any) -> str:
        held.set()
        # Longer than the process has to live.
        import asyncio

        await asyncio.sleep(PATIENCE)
        return "451 too late"

    server = serve()
    make_user(server, "ann", "ann@example.org")
    with monkeypatch.context() as patched:
        patched.setattr(inbox, "handle_DATA", hang)
        ask(server, "ann")
        assert held.wait(PATIENCE)
        server.kill()
    assert inbox.mails == []
    assert _waiting(server) == 1
    server.start()
    wait_for(lambda: inbox.mails)
    assert inbox.told() == [("ann@example.org", "Reset your password for example.com")]


def test_a_change_of_password_is_told(serve: Serve, inbox: Inbox) -> None:
    server = serve()
    make_user(server, "ann", "ann@example.org")
    with closing(HttpApi(server.port)) as api:
        signed_in = api.call(
            "auth:login", {"username": "ann", "password": "a pass phrase"}, strategy="local"
        )
        fields = {"password": "another pass phrase", "currentPassword": "a pass phrase"}
        jwt = signed_in.result["jwt"]
        changed = api.call("auth:updateMyCredentials", fields, jwt=jwt, strategy="local")
        assert changed.status == 200, changed.body
    wait_for(lambda: inbox.mails)
    assert inbox.told() == [("ann@example.org", "Your password for example.com was changed")]
    assert "127.0.0.1" in str(inbox.mails[0])


def _store(server: ThrowAwayServer) -> sqlite3.Connection:
    return sqlite3.connect(server.data / "local.db")


def _waiting(server: ThrowAwayServer) -> int:
    with closing(_store(server)) as store:
        (count,) = store.execute("SELECT count(*) FROM outbox WHERE typed IS NOT NULL").fetchone()
    return int(count)
