"""Imports from the command line, beside a server that runs and without one."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ostiary.testing.wire import HttpApi

if TYPE_CHECKING:
    from .conftest import Database, Serve

PASSWORD = "a password long enough"
FILES: dict[str, Any] = {
    "users": {
        "ann": {
            "content": {"profileIds": ["clerk"], "name": "Ann"},
            "credentials": {"local": {"username": "ann", "password": PASSWORD}},
        }
    },
    "profiles": {"clerk": {"policies": [{"roleId": "clerk"}]}},
    "roles": {"clerk": {"controllers": {"auth": {"actions": {"*": True}}}}},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for kind, content in FILES.items():
        file = tmp_path / kind / f"{kind}.json"
        file.parent.mkdir()
        file.write_text(json.dumps({"type": kind, "content": content}, indent=2))
    return tmp_path


def sign_in(api: HttpApi) -> Any:
    fields = {"username": "ann", "password": PASSWORD}
    return api.call("auth:login", fields, strategy="local")


def test_users_are_imported_while_the_server_runs(
    serve: Serve, folder: Path, administer: Callable[[HttpApi], str]
) -> None:
    server = serve(workers=2)
    with closing(HttpApi(server.port)) as api:
        admin = administer(api)
        looked = server.run("import-kuzzle", str(folder), "--check")
        assert (looked.returncode, looked.stdout.splitlines()[0]) == (
            0,
            "Nothing was written. It would be:",
        )
        assert sign_in(api).status == 401
        done = server.run("import-kuzzle", str(folder))
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == "roles: 1 made\nprofiles: 1 made\nusers: 1 made\n"
        token = sign_in(api).result["jwt"]
        # A right that the server has read is read again when an import changes it.
        assert api.call("auth:getStrategies", jwt=token).status == 200
        less = {"clerk": {"controllers": {"auth": {"actions": {"login": True}}}}}
        (folder / "roles/roles.json").write_text(json.dumps({"type": "roles", "content": less}))
        again = server.run("import-kuzzle", str(folder), "--on-existing", "overwrite")
        assert again.stdout == "roles: 1 replaced\nprofiles: 1 unchanged\nusers: 1 unchanged\n"
        assert api.call("auth:getStrategies", jwt=token).status == 403
        assert api.call("security:getUser", _id="ann", jwt=admin).status == 200


def test_an_import_before_the_first_start_is_there_at_it(serve: Serve, folder: Path) -> None:
    server = serve(started=False)
    done = server.run("import-kuzzle", str(folder))
    assert (done.returncode, done.stderr) == (0, "")
    server.start()
    with closing(HttpApi(server.port)) as api:
        assert sign_in(api).result["_id"] == "ann"
        assert api.call("server:now").status == 401


def test_what_is_refused_is_told_and_fails(serve: Serve, folder: Path) -> None:
    server = serve(started=False)
    users = {"ann": FILES["users"]["ann"], "bob": {"profileIds": ["ghost"]}}
    (folder / "users/users.json").write_text(json.dumps({"type": "users", "content": users}))
    done = server.run("import-kuzzle", str(folder))
    assert done.returncode == 1
    assert f"refused: {folder}/users/users.json: content.bob: " in done.stdout
    assert done.stderr == "ostiary: 1 of 4 items are refused\n"
    assert PASSWORD not in done.stdout


def test_a_broken_file_is_named_and_nothing_is_written(serve: Serve, folder: Path) -> None:
    server = serve(started=False)
    (folder / "users/users.json").write_text('{"type": "users",\n "content": [1}')
    done = server.run("import-kuzzle", str(folder))
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{folder}/users/users.json: " in done.stderr
    assert "line 2" in done.stderr
    assert not server.data.exists()


def test_users_are_imported_into_postgresql(serve: Serve, folder: Path, ready: Database) -> None:
    server = serve(database=ready.url, environment=ready.environment)
    done = server.run("import-kuzzle", str(folder))
    assert (done.returncode, done.stderr) == (0, "")
    with closing(HttpApi(server.port)) as api:
        assert sign_in(api).result["_id"] == "ann"
