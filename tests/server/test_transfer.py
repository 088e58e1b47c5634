"""``ostiary local import`` and ``export``: accounts come from files and go into them, in real processes."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import pty
import secrets
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from subprocess import DEVNULL
from typing import TYPE_CHECKING, Any

import pytest

from ostiary.testing.server import ThrowAwayServer
from ostiary.testing.wire import HttpApi

if TYPE_CHECKING:
    from .conftest import Connect, Database, Serve

PASSWORD = "a long word of "
MANY = 3000
HEADER = "ostiaryExport"


def jsonl(file: Path, rows: Iterable[dict[str, Any]]) -> str:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(file)


def named(*usernames: str) -> list[dict[str, Any]]:
    return [{"username": one, "password": PASSWORD + one} for one in usernames]


def hashed(count: int) -> Iterable[dict[str, Any]]:
    """Yield accounts whose hashes need not be made."""
    for number in range(count):
        value, salt = secrets.token_hex(512), secrets.token_hex(16)
        hash_: dict[str, Any] = {"userPassword": value, "userSalt": salt, "algorithm": "sha512"}
        hash_ |= {"stretching": True, "encryption": "hmac"}
        yield {"username": f"user{number}", "hash": hash_, "content": {"number": number}}


def sign_in(api: HttpApi, username: str, password: str | None = None) -> Any:
    fields = {"username": username, "password": password or PASSWORD + username}
    return api.call("auth:login", fields, strategy="local")


def rows(server: ThrowAwayServer, store: str, sql: str) -> list[tuple[Any, ...]]:
    """Ask a store past all of our code."""
    with closing(sqlite3.connect(server.data / f"{store}.db")) as file:
        return file.execute(sql).fetchall()


def exported(server: ThrowAwayServer, file: Path) -> list[dict[str, Any]]:
    done = server.run("local", "export", str(file), "--yes")
    assert (done.returncode, done.stderr) == (0, "")
    head, *found = (json.loads(line) for line in file.read_text().splitlines())
    assert HEADER in head
    return found


def founded(serve: Serve) -> ThrowAwayServer:
    """Return a server that has its stores, and nobody in them."""
    server = serve(started=False)
    done = server.run("local", "import", "-", "--format", "jsonl", input="")
    assert (done.returncode, done.stderr) == (0, f"a new server is made in {server.data}\n")
    return server


def twin(serve: Serve, server: ThrowAwayServer) -> ThrowAwayServer:
    """Return an empty server with the same master key."""
    other = serve(started=False)
    other.data.mkdir(mode=0o700)
    shutil.copy(server.data / "master.key", other.data / "master.key")
    return other


def test_accounts_of_csv_and_json_lines_sign_in_beside_the_server(
    serve: Serve, connect: Connect, tmp_path: Path, administer: Callable[[HttpApi], str]
) -> None:
    server = serve(workers=2)
    api = connect(server)
    admin = administer(api)
    table = tmp_path / "people.csv"
    table.write_text(
        "username,kuid,password,profileIds,content\n"
        f'ann,kuid-of-ann,{PASSWORD}ann,default;admin,"{{""city"": ""Ghent""}}"\n'
        f"bob,,{PASSWORD}bob,,\n"
    )
    done = server.run("local", "import", str(table))
    assert (done.returncode, done.stdout, done.stderr) == (
        0, "2 made, 0 unchanged, 0 skipped, 0 refused\n", "",
    )  # fmt: skip
    lines = jsonl(tmp_path / "people.jsonl", named("cy", "dora"))
    assert server.run("local", "import", lines).stdout.startswith("2 made")
    assert sign_in(api, "ann").result["_id"] == "kuid-of-ann"
    assert [sign_in(api, one).status for one in ("bob", "cy", "dora")] == [200, 200, 200]
    assert sign_in(api, "bob", PASSWORD + "ann").status == 401
    found = api.call("security:searchUsers", {"query": {"term": {"city": "Ghent"}}}, jwt=admin)
    assert [hit["_id"] for hit in found.result["hits"]] == ["kuid-of-ann"]
    assert found.result["hits"][0]["_source"]["profileIds"] == ["default", "admin"]


def test_what_is_refused_is_told_with_its_line_and_the_rest_is_there(
    serve: Serve, tmp_path: Path
) -> None:
    server = founded(serve)
    secret = "nobody may read this"
    lines = [
        *named("ann"),
        {"username": "bob", "hash": secret},
        {"username": "ANN", "password": secret},
        {"username": "cy", "password": secret, "profileIds": ["ghost"]},
        {"username": "dora", "password": secret, "kuid": "-1"},
        {"username": secret + " ", "password": secret},
        *named("eve"),
    ]
    done = server.run("local", "import", jsonl(tmp_path / "a.jsonl", lines))
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "line 2: refused: hash: it is in no shape that is known",
        "line 3: refused: the same name or kuid stands in line 1",
        'line 4: refused: No profile "ghost".',
        'line 5: refused: There already is a user "-1".',
        "line 6: refused: The user name must not begin or end with white space.",
        "2 made, 0 unchanged, 0 skipped, 5 refused",
    ]
    assert done.stderr == "ostiary: 5 of 7 lines are refused\n"
    assert secret not in done.stdout + done.stderr


def test_looking_at_a_file_tells_the_same_and_writes_nothing(serve: Serve, tmp_path: Path) -> None:
    server = founded(serve)
    file = jsonl(tmp_path / "a.jsonl", [*named("ann"), {"username": "bob"}])
    looked = server.run("local", "import", file, "--check")
    assert looked.stdout.splitlines()[1:] == [
        "Nothing was written. It would be:",
        "1 made, 0 unchanged, 0 skipped, 1 refused",
    ]
    assert looked.returncode == 1
    assert rows(server, "local", "SELECT * FROM accounts") == []
    assert rows(server, "core", "SELECT * FROM users") == []
    assert server.run("local", "import", file).stdout.endswith(looked.stdout.splitlines()[2] + "\n")


def test_a_mistyped_folder_is_refused_and_not_filled(serve: Serve, tmp_path: Path) -> None:
    server = serve(started=False)
    file = jsonl(tmp_path / "a.jsonl", named("ann"))
    for words in (("import", file, "--check"), ("export", str(tmp_path / "b.jsonl"), "--yes")):
        done = server.run("local", *words)
        assert (done.returncode, done.stdout) == (1, "")
        assert "there are no stores here; is --data or --database right?" in done.stderr
    assert not server.data.exists()
    assert not (tmp_path / "b.jsonl").exists()


def test_what_is_there_and_differs_is_refused_or_skipped(serve: Serve, tmp_path: Path) -> None:
    server = serve(started=False)
    first = [{**one, "kuid": f"kuid-{one['username']}"} for one in named("ann", "bob")]
    assert server.run("local", "import", jsonl(tmp_path / "a.jsonl", first)).returncode == 0
    second = [
        first[0],
        {**first[1], "kuid": "kuid-other"},
        {"username": "robert", "password": PASSWORD, "kuid": "kuid-bob"},
        *named("ann2"),
    ]
    file = jsonl(tmp_path / "b.jsonl", second)
    refused = server.run("local", "import", file)
    assert refused.stdout.splitlines() == [
        "line 2: refused: its username belongs to user kuid-bob",
        "line 3: refused: user kuid-bob has an account with other names",
        "1 made, 1 unchanged, 0 skipped, 2 refused",
    ]
    skipped = server.run("local", "import", file, "--on-existing", "skip")
    assert (skipped.returncode, skipped.stdout.splitlines()[-1]) == (
        0, "0 made, 2 unchanged, 2 skipped, 0 refused",
    )  # fmt: skip


def test_users_who_are_there_get_accounts_if_they_are_to_join(
    serve: Serve, connect: Connect, tmp_path: Path
) -> None:
    server = serve(started=False)
    users = {"kuid-of-ann": {"content": {"profileIds": ["admin"], "name": "Ann"}}}
    kuzzle = tmp_path / "users.json"
    kuzzle.write_text(json.dumps({"type": "users", "content": users}))
    assert server.run("import-kuzzle", str(kuzzle)).returncode == 0
    file = jsonl(tmp_path / "a.jsonl", [{**named("ann")[0], "kuid": "kuid-of-ann"}])
    refused = server.run("local", "import", file)
    assert refused.stdout.startswith('line 1: refused: There already is a user "kuid-of-ann".\n')
    assert server.run("local", "import", file, "--join").stdout.startswith("1 made")
    assert server.run("local", "import", file).stdout.startswith("0 made, 1 unchanged")
    server.start()
    token = sign_in(connect(server), "ann").result["jwt"]
    me = connect(server).call("auth:getCurrentUser", jwt=token).result
    assert (me["_id"], me["_source"]["name"], me["_source"]["profileIds"]) == (
        "kuid-of-ann", "Ann", ["admin"],
    )  # fmt: skip


def elsewhere() -> list[dict[str, Any]]:
    """Return accounts of three systems, the last one without a salt."""
    word = PASSWORD.encode()
    django = hashlib.pbkdf2_hmac("sha256", word + b"ann", b"saltsalt", 20_000)
    kuzzle = hashlib.pbkdf2_hmac("sha512", word + b"bob", b"0123", 10_000, 512)
    older = hashlib.pbkdf2_hmac("sha512", word + b"older", b"4567", 10_000, 512)
    rest = {"algorithm": "sha512", "stretching": True, "encryption": "hmac", "pepper": False}
    ldap = base64.b64encode(hashlib.sha1(word + b"cy", usedforsecurity=False).digest())
    return [
        {
            "username": "ann",
            "hash": f"pbkdf2_sha256$20000$saltsalt${base64.b64encode(django).decode()}",
        },
        {
            "_id": "bob",
            "kuid": "kuid-of-bob",
            "userPassword": kuzzle.hex(),
            "userSalt": "0123",
            "passwordHistory": [
                {"userPassword": older.hex(), "userSalt": "4567", "archivedAt": 2000, **rest}
            ],
            **rest,
        },
        {"username": "cy", "hash": "{SHA}" + ldap.decode()},
    ]


@pytest.mark.parametrize("wrap", [False, True])
def test_passwords_of_other_systems_stay_good_and_move_on_with_an_export(
    serve: Serve, connect: Connect, tmp_path: Path, wrap: bool
) -> None:
    server = serve(started=False)
    file = jsonl(tmp_path / "a.jsonl", elsewhere())
    done = server.run("local", "import", file, *(["--wrap"] if wrap else []))
    assert done.stdout.startswith("3 made, 0 unchanged, 0 skipped, 0 refused\n")
    assert ("1 hashes are weak" in done.stdout, "only when" in done.stdout) == (not wrap,) * 2
    again = server.run("local", "import", file, "--wrap")
    assert again.stdout == "0 made, 3 unchanged, 0 skipped, 0 refused\n"
    stored = rows(server, "local", "SELECT hash, imported FROM accounts")
    assert [(hash_ is not None, text is not None) for hash_, text in stored] == [(wrap, True)] * 3
    (former,) = rows(server, "local", "SELECT kuid, hash, archived_at FROM former_passwords")
    assert (former[0], former[1] is not None, former[2]) == ("kuid-of-bob", wrap, 2000)
    found = exported(server, tmp_path / "export.jsonl")
    assert [("wrapped" in one, "peppered" in one) for one in found] == [(wrap, wrap)] * 3
    other = twin(serve, server)
    assert other.run("local", "import", str(tmp_path / "export.jsonl")).stdout.startswith("3 made")
    assert exported(other, tmp_path / "again.jsonl") == found
    for one in (server, other):
        one.start()
        api = connect(one)
        assert [sign_in(api, name, "wrong").status for name in ("ann", "bob", "cy")] == [401] * 3
        assert [sign_in(api, name).status for name in ("ann", "bob", "cy")] == [200] * 3
        ours = rows(one, "local", "SELECT hash LIKE '$argon2id$%', imported FROM accounts")
        assert ours == [(1, None)] * 3, "the first login has put ours in their place"
        assert [sign_in(api, name).status for name in ("ann", "bob", "cy")] == [200] * 3


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_an_import_that_is_ended_in_the_middle_is_finished_by_the_same_again(
    serve: Serve, tmp_path: Path, how: signal.Signals
) -> None:
    server = founded(serve)
    file = jsonl(tmp_path / "a.jsonl", hashed(MANY))
    # The first batch that is there, a part of the next, and so on: wherever it is.
    for least in (0, 600, 1100):
        process = server.begin("local", "import", file, stdout=DEVNULL, stderr=DEVNULL)
        sql = "SELECT count(*) FROM accounts"
        while process.poll() is None and rows(server, "local", sql)[0][0] <= least:
            time.sleep(0.005)
        process.send_signal(how)
        process.wait()
    again = server.run("local", "import", file)
    made, unchanged, *_ = (int(part.split()[0]) for part in again.stdout.split(", "))
    assert (again.returncode, made + unchanged) == (0, MANY)
    assert unchanged > 0
    accounts = rows(server, "local", "SELECT kuid FROM accounts ORDER BY kuid")
    assert len(accounts) == MANY
    assert rows(server, "core", "SELECT kuid FROM users ORDER BY kuid") == accounts
    assert rows(server, "core", "SELECT kuid FROM user_strategies ORDER BY kuid") == accounts
    assert rows(server, "core", "SELECT * FROM journal") == []
    names = rows(server, "local", "SELECT count(DISTINCT kuid), count(*) FROM identifiers")
    assert names == [(MANY, MANY)]


def test_what_another_process_is_at_work_on_is_not_taken_for_there(
    serve: Serve, tmp_path: Path
) -> None:
    server = serve(started=False)
    file = jsonl(tmp_path / "a.jsonl", named("ann"))
    assert server.run("local", "import", file).returncode == 0
    # An account without a user is one in the making, or one that is being erased.
    with closing(sqlite3.connect(server.data / "core.db")) as core, core:
        core.execute("DELETE FROM users")
    again = server.run("local", "import", file)
    assert again.returncode == 1
    assert again.stdout.startswith("line 1: refused: another process is making or erasing this")
    assert exported(server, tmp_path / "export.jsonl") == []


def test_two_imports_of_the_same_file_at_once_leave_nothing_half_made(
    serve: Serve, tmp_path: Path
) -> None:
    server = founded(serve)
    file = jsonl(tmp_path / "a.jsonl", hashed(MANY))
    both = [server.begin("local", "import", file, stdout=DEVNULL) for _ in range(2)]
    assert {one.wait() for one in both} <= {0, 1}
    assert server.run("local", "import", file).returncode == 0
    accounts = rows(server, "local", "SELECT kuid FROM accounts ORDER BY kuid")
    assert len(accounts) == MANY
    assert rows(server, "core", "SELECT kuid FROM users ORDER BY kuid") == accounts
    assert rows(server, "core", "SELECT * FROM journal") == []


def test_everybody_of_an_export_signs_in_where_the_master_key_is_the_same(
    serve: Serve, connect: Connect, tmp_path: Path
) -> None:
    server = serve(started=False)
    verified = {"value": "ann@example.org", "verified": True}
    lines = [
        {**named("ann")[0], "emails": [verified], "content": {"name": "Ann"}},
        {**named("bob")[0], "passwordSetAt": 1_600_000_000_000, "profileIds": ["admin"]},
        {"phone": "+33612345678", "password": PASSWORD + "cy"},
        *hashed(1),
    ]
    assert server.run("local", "import", jsonl(tmp_path / "a.jsonl", lines)).returncode == 0
    found = exported(server, tmp_path / "export.jsonl")
    by_name = {one.get("username"): one for one in found}
    assert by_name["ann"]["peppered"] is True
    assert by_name["ann"]["emails"][0]["verifiedAt"] > 0
    assert by_name["user0"]["hash"].startswith("$kuzzle")
    assert "peppered" not in by_name["user0"]
    other = twin(serve, server)
    done = other.run("local", "import", str(tmp_path / "export.jsonl"))
    assert (done.stdout, done.stderr) == (
        "4 made, 0 unchanged, 0 skipped, 0 refused\n", f"a new server is made in {other.data}\n",
    )  # fmt: skip
    # What an import leaves out differs here.
    assert exported(other, tmp_path / "again.jsonl") == found
    other.start()
    api = connect(other)
    for name, password in (("ann", "ann"), ("ann@example.org", "ann"), ("bob", "bob")):
        assert sign_in(api, name, PASSWORD + password).status == 200
    assert sign_in(api, "+33612345678", PASSWORD + "cy").status == 200
    assert sign_in(api, "ann", PASSWORD + "bob").status == 401


def test_hashes_of_an_export_are_refused_by_a_server_that_cannot_check_them(
    serve: Serve, tmp_path: Path
) -> None:
    server, stranger = serve(started=False), serve(started=False)
    lines = [*named("ann"), *hashed(1)]
    assert server.run("local", "import", jsonl(tmp_path / "a.jsonl", lines)).returncode == 0
    exported(server, tmp_path / "export.jsonl")
    done = stranger.run("local", "import", str(tmp_path / "export.jsonl"))
    assert "refused: the hash needs the master key of the server that made it" in done.stdout
    assert "this server has another one" in done.stdout
    assert done.stdout.endswith("1 made, 0 unchanged, 0 skipped, 1 refused\n")
    bare = (tmp_path / "export.jsonl").read_text().partition("\n")[2]
    (tmp_path / "bare.jsonl").write_text(bare)
    done = twin(serve, server).run("local", "import", str(tmp_path / "bare.jsonl"))
    assert done.returncode == 1
    assert "does not begin with the line" in done.stdout


def test_an_export_is_a_new_file_that_only_its_owner_reads(serve: Serve, tmp_path: Path) -> None:
    server = serve(started=False)
    assert server.run("local", "import", jsonl(tmp_path / "a.jsonl", named("ann"))).returncode == 0
    file = tmp_path / "export.jsonl"
    asked = server.run("local", "export", str(file))
    assert (asked.returncode, file.exists()) == (1, False)
    assert asked.stderr == (
        "ostiary: nothing was exported: there is no terminal to ask at; use --yes\n"
    )
    exported(server, file)
    assert file.stat().st_mode & 0o777 == 0o600
    before = file.read_bytes()
    assert server.run("local", "export", str(file), "--yes").returncode == 1
    assert file.read_bytes() == before
    shown = server.run("local", "export", "--yes")
    assert shown.stdout.splitlines()[1:] == before.decode().splitlines()[1:]


@pytest.mark.parametrize("answer, status", [("yes", 0), ("y", 1), ("", 1)])
def test_an_export_asks_whoever_sits_at_the_terminal(
    serve: Serve, tmp_path: Path, answer: str, status: int
) -> None:
    server, file = founded(serve), tmp_path / "export.jsonl"
    terminal, theirs = pty.openpty()
    process = server.begin(
        "local", "export", str(file), stdin=theirs, stdout=DEVNULL, stderr=theirs
    )
    os.close(theirs)
    told = b""
    while b"Type yes" not in told:
        told += os.read(terminal, 1024)
    os.write(terminal, answer.encode() + b"\n")
    assert (process.wait(), file.exists()) == (status, status == 0)
    os.close(terminal)


def test_a_file_that_cannot_be_read_is_named(serve: Serve, tmp_path: Path) -> None:
    server = founded(serve)
    gone = server.run("local", "import", str(tmp_path / "gone.csv"))
    assert (gone.returncode, gone.stderr) == (
        1, f"ostiary: {tmp_path}/gone.csv: No such file or directory\n",
    )  # fmt: skip
    assert "--format" in server.run("local", "import", str(tmp_path / "people")).stderr
    lines = "".join(json.dumps(one) + "\n" for one in named("ann"))
    piped = server.run("local", "import", "-", "--format", "jsonl", input=lines)
    assert piped.stdout == "1 made, 0 unchanged, 0 skipped, 0 refused\n"


def test_accounts_come_to_postgresql_and_go_from_it(
    serve: Serve, connect: Connect, tmp_path: Path, ready: Database
) -> None:
    server = serve(database=ready.url, environment=ready.environment)
    lines = [*named("ann", "bob"), *hashed(700)]
    file = jsonl(tmp_path / "a.jsonl", lines)
    done = server.run("local", "import", file)
    assert (done.stdout, done.stderr) == ("702 made, 0 unchanged, 0 skipped, 0 refused\n", "")
    assert server.run("local", "import", file).stdout.startswith("0 made, 702 unchanged")
    assert sign_in(connect(server), "ann").status == 200
    assert len(exported(server, tmp_path / "export.jsonl")) == 702
