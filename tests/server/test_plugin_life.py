"""Plugins are disabled, removed and restored on the stores of real servers."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ostiary.testing.packages import badge

FIRST = {"username": "root", "password": "the password of an administrator"}
PATIENCE = 30
NEWER = '''"""Nothing new."""

revision = "0002"
down_revision = "0001"


def upgrade():
    pass
'''


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    folder = tmp_path / "plugins"
    badge().install(folder)
    return folder


@pytest.fixture(params=["sqlite", "postgresql"])
def server(request: pytest.FixtureRequest, serve: Callable[..., Any], packages: Path) -> Any:
    """A server with an administrator and the plugin ``badge``, on each database in turn."""
    environment = {
        "PYTHONPATH": _path(packages),
        "OSTIARY_SETUP_SECRET": "a setup secret that is long",
    }
    database = None
    if request.param == "postgresql":
        database = request.getfixturevalue("database")
        environment |= database.environment
    server = serve(
        database=database.url if database else None, environment=environment, started=False
    )
    server.admin_url = database.admin_url if database else None
    if database:
        provision(server)
    done = server.run("admin", "create", "root", input=FIRST["password"])
    assert done.returncode == 0, done.stderr
    server.start()
    return server


def provision(server: Any) -> None:
    if server.admin_url is None:
        return
    for words in (["db", "provision", "--admin-url", server.admin_url], ["db", "upgrade"]):
        done = server.run(*words)
        assert done.returncode == 0, done.stderr


def _path(packages: Path) -> str:
    return os.pathsep.join([str(packages), os.environ.get("PYTHONPATH", "")])


def uninstall(packages: Path) -> None:
    for path in packages.glob("toy_*"):
        shutil.rmtree(path)


def sign_in(api: Any, strategy: str, **fields: str) -> Any:
    return api.call("auth:login", fields, strategy=strategy)


def create(api: Any, kuid: str, profile: str = "default", **credentials: dict[str, str]) -> None:
    jwt = sign_in(api, "local", **FIRST).result["jwt"]
    body = {"content": {"profileIds": [profile]}, "credentials": credentials}
    made = api.call("security:createUser", body, jwt=jwt, _id=kuid)
    assert made.status == 200, made.body


def delete(api: Any, kuid: str) -> None:
    jwt = sign_in(api, "local", **FIRST).result["jwt"]
    assert api.call("security:deleteUser", jwt=jwt, _id=kuid).status == 200


def run(server: Any, *words: str) -> str:
    done = server.run(*words)
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


def refused(server: Any, *words: str) -> str:
    done = server.run(*words)
    assert done.returncode != 0, done.stdout
    assert "Traceback" not in done.stderr
    return str(done.stdout + done.stderr)


def archive_of(server: Any) -> str:
    (archive,) = (server.data / "archive").glob("badge-0001-*.ostiary-store")
    assert archive.stat().st_mode & 0o777 == 0o600
    return str(archive)


def test_a_disabled_plugin_is_out_from_the_next_start_on_and_comes_back_with_its_users(
    server: Any, connect: Any
) -> None:
    create(connect(server), "ann", badge={"badge": "1"})
    told = refused(server, "plugins", "disable", "badge")
    assert "1 users\n  ann" in told
    assert "there is no terminal" in told
    server.restart()
    assert sign_in(connect(server), "badge", badge="1").status == 200
    run(server, "plugins", "disable", "badge", "--yes")
    server.restart()
    assert sign_in(connect(server), "badge", badge="1").status != 200
    assert "plugin badge is not loaded: disabled" in server.log
    run(server, "plugins", "enable", "badge")
    server.restart()
    assert sign_in(connect(server), "badge", badge="1").result["_id"] == "ann"


def test_the_last_way_in_of_administrators_is_kept_unless_forced(server: Any) -> None:
    for command in ("disable", "remove"):
        told = refused(server, "plugins", command, "local", "--yes")
        assert "1 of them administrators" in told
        assert "last way in of every administrator: nothing was changed" in told
    run(server, "plugins", "disable", "local", "--yes", "--force")


def test_a_removed_plugin_is_restored_with_its_users_but_not_for_who_came_later(
    server: Any, connect: Any, packages: Path
) -> None:
    api = connect(server)
    for kuid in ("ann", "bob", "cem"):
        local = {"username": kuid, "password": "a pass phrase of one of three"}
        create(api, kuid, badge={"badge": kuid}, local=local)
    jwt = sign_in(api, "badge", badge="ann").result["jwt"]
    assert "have the plugin badge loaded" in refused(server, "plugins", "remove", "badge", "--yes")
    run(server, "plugins", "disable", "badge", "--yes")
    server.restart()
    told = run(server, "plugins", "remove", "badge", "--yes")
    assert "3 credentials of 3 users" in told
    assert "1 sessions ended" in told
    archive = archive_of(server)
    api = connect(server)
    assert api.call("auth:getCurrentUser", jwt=jwt).status == 401
    assert not (server.data / "badge.db").exists()
    for kuid in ("bob", "cem"):
        delete(api, kuid)
    create(api, "bob", local={"username": "bob", "password": "a pass phrase of another one"})
    server.stop()
    uninstall(packages)
    assert "is needed and cannot be loaded" in refused(server, "plugins", "restore", archive)
    badge().install(packages)
    if server.admin_url:
        run(server, "db", "provision", "--admin-url", server.admin_url)
    told = run(server, "plugins", "restore", archive)
    assert "1 credentials have their users again" in told
    assert "is not empty" in refused(server, "plugins", "restore", archive)
    server.start()
    api = connect(server)
    assert sign_in(api, "badge", badge="ann").result["_id"] == "ann"
    assert sign_in(api, "badge", badge="bob").status == 401
    assert sign_in(api, "badge", badge="cem").status == 401
    create(api, "dan", badge={"badge": "bob"})
    assert sign_in(api, "badge", badge="bob").result["_id"] == "dan", "the old one was not erased"
    noted = run(server, "audit", "search")
    for event in ("PluginDisabled", "PluginRemoved", "PluginRestored"):
        assert event in noted


def test_an_archive_that_was_changed_is_not_restored(server: Any, connect: Any) -> None:
    create(connect(server), "ann", badge={"badge": "1"})
    server.stop()
    run(server, "plugins", "remove", "badge", "--yes")
    if server.admin_url:
        run(server, "db", "provision", "--admin-url", server.admin_url)
    archive = Path(archive_of(server))
    whole = archive.read_bytes()
    for damaged in (whole[:-20], whole[:-30] + b"x" + whole[-29:], b"", b"nonsense"):
        archive.write_bytes(damaged)
        refused(server, "plugins", "restore", str(archive))
    archive.write_bytes(whole)
    run(server, "plugins", "restore", str(archive))
    server.start()
    assert sign_in(connect(server), "badge", badge="1").result["_id"] == "ann"


def test_a_plugin_that_is_installed_again_finds_its_store(
    server: Any, connect: Any, packages: Path
) -> None:
    create(connect(server), "ann", badge={"badge": "1"})
    server.stop()
    uninstall(packages)
    server.start()
    assert sign_in(connect(server), "badge", badge="1").status != 200
    assert "gone: not installed, last seen" in run(server, "plugins")
    badge().install(packages)
    server.restart()
    assert sign_in(connect(server), "badge", badge="1").result["_id"] == "ann"


def test_after_a_downgrade_only_that_plugin_is_out_until_it_is_upgraded_again(
    server: Any, connect: Any, packages: Path
) -> None:
    create(connect(server), "ann", badge={"badge": "1"})
    server.stop()
    newer = packages / "toy_badge" / "migrations" / "0002_nothing.py"
    newer.write_text(NEWER)
    assert "badge is at revision 0002 (was 0001)" in run(server, "plugins", "upgrade", "badge")
    newer.unlink()
    assert "knows none after 0001" in refused(server, "plugins", "upgrade")
    server.start()
    api = connect(server)
    assert sign_in(api, "badge", badge="1").status != 200
    assert sign_in(api, "local", **FIRST).status == 200
    assert "plugin badge is not loaded" in server.log
    assert "install the version that upgraded it" in server.log
    newer.write_text(NEWER)
    server.restart()
    assert sign_in(connect(server), "badge", badge="1").result["_id"] == "ann"


@pytest.mark.parametrize("server", ["sqlite"], indirect=True)
@pytest.mark.parametrize("step", ["archived", "taken out", "dropped"])
def test_a_removal_that_was_killed_is_finished_and_loses_nothing(
    server: Any, connect: Any, step: str, packages: Path
) -> None:
    """The process is killed while it waits for a lock that the test holds."""
    create(connect(server), "ann", badge={"badge": "1"})
    server.stop()
    removing = _begin_removal(server, packages)
    with _killed_at(server, removing, step):
        pass
    present = (server.data / "badge.db").exists()
    assert present == (step != "dropped")
    run(server, "plugins", "remove", "badge", "--yes")
    assert not (server.data / "badge.db").exists()
    archives = sorted((server.data / "archive").glob("badge-*.ostiary-store"))
    assert len(archives) == (2 if step == "archived" else 1), "it was written, or known, already"
    assert not list((server.data / "archive").glob("*.part"))
    run(server, "plugins", "restore", str(archives[-1]))
    server.start()
    assert sign_in(connect(server), "badge", badge="1").result["_id"] == "ann"


def _begin_removal(server: Any, packages: Path) -> subprocess.Popen[bytes]:
    """Hold the lock of the store, and have a process wait for it."""
    words = [sys.executable, "-m", "ostiary", "plugins", "remove", "badge", "--yes"]
    environment = os.environ | {"PYTHONPATH": _path(packages)}
    return subprocess.Popen([*words, "--data", str(server.data)], env=environment)


@contextmanager
def _killed_at(server: Any, removing: subprocess.Popen[bytes], step: str) -> Iterator[None]:
    """Kill the process once it has done a step, and cannot do the next one."""
    import sqlite3

    core = sqlite3.connect(server.data / "core.db", isolation_level=None, timeout=PATIENCE)
    archives = server.data / "archive"
    with (server.data / "badge.lock").open("w") as lock:
        _until(lambda: list(archives.glob("*.part")) or list(archives.glob("*-store")))
        # It is granted in the moment in which the process lets the store go.
        if step == "archived":
            core.execute("BEGIN IMMEDIATE")
            _until(lambda: list(archives.glob("*-store")))
        else:
            fcntl.flock(lock, fcntl.LOCK_EX)
            noted = "SELECT count(*) FROM installation WHERE key = 'plugin/badge'"
            _until(lambda: core.execute(noted).fetchone()[0])
        if step == "dropped":
            core.execute("BEGIN IMMEDIATE")
            fcntl.flock(lock, fcntl.LOCK_UN)
            _until(lambda: not (server.data / "badge.db").exists())
        removing.send_signal(signal.SIGKILL)
        assert removing.wait(PATIENCE) == -signal.SIGKILL
    core.close()
    yield


def _until(true: Callable[[], Any]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.001)
