"""The master key is replaced under running servers: nobody notices, and the old one is worthless."""

from __future__ import annotations

import asyncio
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import NoReturn

import pytest

from ostiary.keys import MasterKey
from ostiary.testing.postgresql import started
from ostiary.testing.server import ServerFailed, ThrowAwayServer
from ostiary.testing.wire import HttpApi

from .conftest import ADMIN, SETUP_SECRET, Connect, Database, Serve

PATIENCE = 30

Administer = Callable[[HttpApi], str]


def ask(server: ThrowAwayServer, connect: Connect, token: str, times: int = 8) -> None:
    """Use a token and sign in, over as many connections: every worker gets its turn."""
    for _ in range(times):
        api = connect(server)
        assert api.call("auth:getCurrentUser", jwt=token).status == 200
        signed_in = api.call("auth:login", ADMIN, strategy="local")
        assert signed_in.status == 200, signed_in.error
        fresh = signed_in.result["jwt"]
        assert connect(server).call("auth:getCurrentUser", jwt=fresh).status == 200


def wait_for(server: ThrowAwayServer, connect: Connect, token: str) -> None:
    """Wait until a server that has lost its connections has new ones, in every worker."""
    answers: list[int] = []
    deadline = time.monotonic() + PATIENCE
    while answers[-20:] != [200] * 20 and time.monotonic() < deadline:
        answers.append(connect(server).call("auth:getCurrentUser", jwt=token).status)
    assert set(answers) <= {200, 503}


def rotate(server: ThrowAwayServer, *more: str) -> str:
    done = server.run("keys", "rotate-master", *more)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_master_key_is_replaced_under_two_workers(
    serve: Serve, connect: Connect, administer: Administer
) -> None:
    """TOK-30, ISO-01: tokens live on, hashes are renewed, and the old key opens nothing."""
    server = serve(workers=2)
    token = administer(connect(server))
    file = server.data / "master.key"
    old = file.read_bytes()
    said = rotate(server)
    assert "The new master key is in force." in said
    assert "Sealed again in the store core: 1." in said
    new = file.read_bytes()
    assert (new != old, len(new), file.stat().st_mode & 0o777) == (True, len(old), 0o600)
    ask(server, connect, token)
    assert server.run("keys", "rotate").returncode == 0
    ask(server, connect, token)
    server.restart()
    ask(server, connect, token)
    assert "core: 0." in rotate(server, "--finish")
    server.stop()
    for name in ("core", "local"):
        stored = b"".join(path.read_bytes() for path in server.data.glob(f"{name}.db*"))
        assert old.strip() not in stored
        assert new.strip() not in stored
    assert b"2$argon2id$" in (server.data / "local.db").read_bytes()
    file.write_bytes(old)
    with pytest.raises(ServerFailed, match="not the one that these stores were made under"):
        server.start()


@pytest.mark.parametrize("in_force", [False, True], ids=["before the store", "before the file"])
def test_a_rotation_that_is_killed_in_the_middle_goes_on(
    serve: Serve, connect: Connect, administer: Administer, in_force: bool
) -> None:
    """What a kill leaves: both keys in the file, and either of them in force."""
    server = serve()
    token = administer(connect(server))
    file = server.data / "master.key"
    old = file.read_text().strip()
    if in_force:
        rotate(server)
        both = f"{file.read_text().strip()},{old}\n"
    else:
        both = f"{MasterKey.random().text().strip()},{old}\n"
    file.write_text(both)
    server.restart()
    ask(server, connect, token, times=2)
    said = rotate(server)
    assert ("The new master key is in force." in said) is not in_force
    assert file.read_text() == both.partition(",")[0] + "\n"
    ask(server, connect, token, times=2)
    server.restart()
    ask(server, connect, token, times=2)


@pytest.mark.parametrize("moment", ["both keys are in the file", "the new key is in force"])
def test_the_command_may_be_killed_at_any_moment(
    serve: Serve, connect: Connect, administer: Administer, moment: str
) -> None:
    server = serve()
    token = administer(connect(server))
    file = server.data / "master.key"
    command = [sys.executable, "-m", "ostiary", "keys", "rotate-master", "--data", str(server.data)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as rotating:
        if moment == "the new key is in force":
            assert rotating.stdout is not None
            rotating.stdout.readline()
        else:
            while "," not in file.read_text():
                assert rotating.poll() is None
        rotating.kill()
    ask(server, connect, token, times=2)
    server.restart()
    ask(server, connect, token, times=2)
    rotate(server)
    assert "," not in file.read_text()
    ask(server, connect, token, times=2)
    server.restart()
    ask(server, connect, token, times=2)


def test_many_rotations_leave_everything_open(
    serve: Serve, connect: Connect, administer: Administer
) -> None:
    server = serve()
    token = administer(connect(server))
    for _ in range(3):
        rotate(server)
    ask(server, connect, token, times=2)
    server.restart()
    ask(server, connect, token, times=2)


@pytest.fixture
def own(missing: Callable[[str, str], NoReturn]) -> Iterator[Database]:
    """A database on a server of its own, for the roles are those of the server."""
    with started(missing) as postgresql:
        name = asyncio.run(postgresql.create_database())
        yield Database(postgresql, name, {"OSTIARY_SETUP_SECRET": SETUP_SECRET})


def test_on_postgresql_both_keys_are_given_until_the_roles_have_new_passwords(
    serve: Serve, connect: Connect, administer: Administer, own: Database
) -> None:
    """TOK-30, ISO-14: then the new key alone opens everything, and the old one nothing."""
    old, new = secrets.token_hex(32), secrets.token_hex(32)

    def given(key: str) -> ThrowAwayServer:
        environment = {**own.environment, "OSTIARY_MASTER_KEY": key}
        return serve(workers=2, database=own.url, environment=environment, started=False)

    def run(server: ThrowAwayServer, *words: str) -> None:
        done = server.run(*words)
        assert done.returncode == 0, done.stderr

    first, both, last = given(old), given(f"{new},{old}"), given(new)
    run(first, "db", "provision", "--admin-url", own.admin_url)
    run(first, "db", "upgrade")
    first.start()
    token = administer(connect(first))
    refused = first.run("keys", "rotate-master")
    assert (refused.returncode, "no new master key is given" in refused.stderr) == (1, True)
    first.stop()
    both.start()
    ask(both, connect, token)
    assert "db provision" in rotate(both)
    ask(both, connect, token)
    run(both, "db", "provision", "--admin-url", own.admin_url)
    own.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename LIKE 'ostiary_%'"
    )
    wait_for(both, connect, token)
    ask(both, connect, token)
    both.stop()
    last.start()
    ask(last, connect, token)
    last.stop()
    with pytest.raises(ServerFailed, match="refuses the role"):
        first.start()
