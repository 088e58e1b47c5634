"""The audit log of a real server: what was answered is told, whatever happens next."""

from __future__ import annotations

import json
import os
import secrets
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ostiary.testing.packages import Package
from ostiary.testing.server import ThrowAwayServer
from ostiary.testing.wire import HttpApi

if TYPE_CHECKING:
    from .conftest import Serve

PASSWORD = "a password long enough"
LISTENER = """
import asyncio, os
from ostiary import SignedIn, SignInRefused, UserCreated, hookimpl


@hookimpl
async def ostiary_event(event):
    await asyncio.sleep(0.2)
    match event:
        case UserCreated(kuid=kuid):
            line = f"created {kuid}"
        case SignedIn(kuid=kuid, strategy=strategy):
            line = f"in {kuid} {strategy} from {event.address}"
        case SignInRefused(reason=reason):
            line = f"refused: {reason}"
        case _:
            return
    with open(os.environ["HEARD"], "a") as file:
        print(line, file=file)
"""


def create(api: HttpApi, name: str, jwt: str | None = None) -> str:
    fields = {"username": name, "password": PASSWORD}
    body = {"content": {"profileIds": ["default"]}, "credentials": {"local": fields}}
    answer = api.call("security:createUser", body, jwt=jwt, _id=name)
    assert answer.status == 200, answer.body
    return str(answer.result["_id"])


def entries(server: ThrowAwayServer, *words: str) -> list[dict[str, Any]]:
    ran = server.run("audit", "search", "--json", "--size", "1000", *words)
    assert ran.returncode == 0, ran.stderr
    return [json.loads(line)["_source"] for line in ran.stdout.splitlines()]


def told(server: ThrowAwayServer, *words: str) -> str:
    ran = server.run(*words)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.fixture(params=["sqlite", "postgresql"])
def somewhere(request: pytest.FixtureRequest, serve: Serve) -> ThrowAwayServer:
    """A server on each database in turn; with ``--dev`` where that makes no difference."""
    if request.param == "sqlite":
        return serve(dev=True)
    database = request.getfixturevalue("ready")
    return serve(dev=True, database=database.url, environment=database.environment)


def test_an_acknowledged_change_is_told_although_the_server_was_killed(
    somewhere: ThrowAwayServer,
) -> None:
    """LEAK-07."""
    with closing(HttpApi(somewhere.port)) as api:
        made = [create(api, f"user{number}") for number in range(5)]
        fields = {"username": "user0", "password": PASSWORD}
        assert api.call("auth:login", fields, strategy="local").status == 200
        wrong = {"username": "user0", "password": "a-wrong-password"}
        assert api.call("auth:login", wrong, strategy="local").status == 401
    somewhere.kill()
    assert [entry["about"] for entry in entries(somewhere, "--event", "UserCreated")] == made
    assert [entry["about"] for entry in entries(somewhere, "--event", "SignedIn")] == ["user0"]
    (refused,) = entries(somewhere, "--login", "user0", "--event", "SignInRefused")
    assert refused["reason"] == "wrong password"


def test_the_story_of_a_user_is_told_while_the_server_runs_and_after(
    somewhere: ThrowAwayServer,
) -> None:
    secret = secrets.token_hex(8)
    with closing(HttpApi(somewhere.port)) as api:
        kuid = create(api, "ann")
        create(api, "bob")
        for password in (secret, PASSWORD):
            fields = {"username": "Ann", "password": password}
            api.call("auth:login", fields, strategy="local")
        assert api.call("security:disableUser", _id=kuid).status == 200
        story = told(somewhere, "explain", "login", "ann")
        assert story == told(somewhere, "explain", "login", "ANN")
    assert [line.partition("  ")[2].partition(",")[0] for line in story.splitlines()][:4] == [
        "user created",
        "login refused: wrong password",
        "signed in",
        "user disabled",
    ]
    assert story.endswith("Could sign in now: no, because the user is disabled.\n")
    assert secret not in story
    assert "bob" not in story
    somewhere.stop()
    assert told(somewhere, "explain", "login", "ann") == story
    assert told(somewhere, "explain", "login", "bob").endswith("yes, with the right secret.\n")
    nobody = told(somewhere, "explain", "login", "nobody")
    assert nobody.endswith("no, because there is no such account.\n")


def test_a_right_secret_that_opens_nothing_is_no_yes(serve: Serve) -> None:
    policy = {"appliesTo": "*", "mustChangePasswordIfSetByAdmin": True}
    settings = {"PASSWORD_POLICIES": json.dumps([policy]), "REQUIRE_PASSWORD": "true"}
    names = {f"OSTIARY_PLUGINS__LOCAL__{name}": value for name, value in settings.items()}
    server = serve(dev=True, environment=names)
    with closing(HttpApi(server.port)) as api:
        create(api, "ann")
        fields = {"username": "ann", "password": PASSWORD}
        answer = api.call("auth:login", fields, strategy="local")
        wrong = {"username": "ann", "password": "a-wrong-password"}
        assert api.call("auth:login", wrong, strategy="local").status == 401
        story = told(server, "explain", "login", "ann")
        assert story.splitlines()[-1] == (
            "Could sign in now: no, because the last time the right secret was refused: "
            "the password must be changed."
        )
        reset = "kuzzle-plugin-auth-passport-local/password:reset"
        token = answer.error["resetToken"]
        body = {"password": PASSWORD, "token": token}
        assert api.call(reset, body).status == 400
        answer = api.call(reset, {**body, "password": "another-one"})
        wrong = {"password": "a third one", "currentPassword": "a wrong one"}
        jwt = answer.result["jwt"]
        assert api.call("auth:updateMyCredentials", wrong, jwt=jwt, strategy="local").status == 403
    story = told(server, "explain", "login", "ann")
    assert f"credentials changed: password, through {reset}" in story
    assert "proof before a change refused: the current password is wrong, with local" in story
    assert story.endswith("yes, with the right secret.\n")
    (refused,) = entries(server, "--user", "ann", "--event", "ActionRefused")
    assert (refused["about"], refused["details"]["action"]) == ("ann", reset)
    assert refused["reason"].endswith(".reused_password")


def test_the_story_of_a_user_who_is_gone_can_still_be_told(serve: Serve) -> None:
    server = serve(dev=True)
    with closing(HttpApi(server.port)) as api:
        kuid = create(api, "ann")
        wrong = {"username": "ann", "password": "a-wrong-password"}
        api.call("auth:login", wrong, strategy="local")
        assert api.call("security:deleteUser", _id=kuid).status == 200
    story = told(server, "explain", "login", "ann")
    assert "login refused: wrong password" in story
    assert "user deleted" in story
    assert story.endswith("Could sign in now: no, because the user is deleted.\n")


def test_an_export_goes_on_where_it_ended(serve: Serve, tmp_path: Path) -> None:
    server, file = serve(dev=True), tmp_path / "audit.jsonl"
    with closing(HttpApi(server.port)) as api:
        create(api, "ann")
        told(server, "audit", "export", str(file))
        first = file.read_bytes()
        # As if it had been interrupted.
        file.write_bytes(first + b'{"_id": "99", "_sou')
        create(api, "bob")
        told(server, "audit", "export", str(file))
    assert file.read_bytes().startswith(first)
    lines = [json.loads(line) for line in file.read_bytes().splitlines()]
    numbers = [int(line["_id"]) for line in lines]
    assert numbers == sorted(set(numbers))
    assert lines[-1]["_source"]["about"] == "bob"
    assert file.stat().st_mode & 0o077 == 0
    assert told(server, "audit", "export", str(file)) == "0 entries were written.\n"


def test_an_export_overwrites_nothing_else(serve: Serve, tmp_path: Path) -> None:
    server, file = serve(dev=True), tmp_path / "letter"
    file.write_text("Dear Ann\nI am well.\n")
    ran = server.run("audit", "export", str(file))
    assert (ran.returncode, file.read_text()) == (1, "Dear Ann\nI am well.\n")
    assert "is no export of the audit log" in ran.stderr


def test_what_an_operator_does_is_told(serve: Serve) -> None:
    """LEAK-07: the command line is a door, too."""
    server = serve(started=False)
    server.run("admin", "create", "root", input=f"{PASSWORD}\n")
    server.run("keys", "rotate")
    server.run("admin", "restrict")
    found = entries(server)
    assert [entry["event"] for entry in found] == [
        "UserCreated",
        "SigningKeyRotated",
        "RightsRestricted",
    ]
    assert {entry["protocol"] for entry in found} == {"cli"}
    assert found[0]["details"]["profiles"] == ["admin"]


def test_plugins_hear_events_and_what_waits_is_heard_before_the_server_stops(
    serve: Serve, tmp_path: Path
) -> None:
    Package(name="listener", source=LISTENER).install(tmp_path / "packages")
    heard = tmp_path / "heard"
    path = os.pathsep.join([str(tmp_path / "packages"), os.environ.get("PYTHONPATH", "")])
    environment = {"PYTHONPATH": path.rstrip(os.pathsep), "HEARD": str(heard)}
    server = serve(dev=True, environment=environment)
    with closing(HttpApi(server.port)) as api:
        create(api, "ann")
        for password in ("a-wrong-password", PASSWORD):
            fields = {"username": "ann", "password": password}
            api.call("auth:login", fields, strategy="local")
    assert server.stop() == 0
    assert heard.read_text().splitlines() == [
        "created ann",
        "refused: wrong password",
        "in ann local from 127.0.0.1",
    ]
