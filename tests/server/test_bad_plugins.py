"""A bad plugin costs its own strategy a clear error; the server and the other strategies go on."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from ostiary.testing.packages import Package, badge
from ostiary.testing.server import ThrowAwayServer

SHORT = """
[plugins]
hookTimeout = "500ms"
"""
MINE = {"username": "ann", "password": "a pass phrase of ann"}
GUARD = """from ostiary import hookimpl

@hookimpl(wrapper=True)
def ostiary_verify_credentials(credentials):
    verdict = yield

    async def ask():
        found = await verdict
        {then}
        return found

    return ask()
"""
SWALLOWING = """
import asyncio
while True:
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        pass"""
LEFT_BEHIND = """
import asyncio
async def stubborn():
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            pass
await asyncio.create_task(stubborn())"""

Start = Callable[..., ThrowAwayServer]

JSON = {"Content-Type": "application/json"}
PATIENCE = 30
"""Seconds."""


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """A folder of packages that servers find beside those of this process."""
    folder = tmp_path / "plugins"
    folder.mkdir()
    return folder


@pytest.fixture
def start(serve: Callable[..., ThrowAwayServer], packages: Path) -> Start:
    def start_(*plugins: Package, **options: Any) -> ThrowAwayServer:
        for one in plugins:
            one.install(packages)
        paths = [str(packages), os.environ.get("PYTHONPATH", "")]
        environment = {"PYTHONPATH": os.pathsep.join(path for path in paths if path)}
        return serve(dev=True, environment=environment, **options)

    return start_


def create(api: Any, kuid: str, **credentials: dict[str, str]) -> Any:
    body = {"content": {"profileIds": ["default"]}, "credentials": credentials}
    return api.call("security:createUser", body, _id=kuid)


def sign_in(api: Any, strategy: str, **fields: str) -> Any:
    return api.call("auth:login", fields, strategy=strategy)


def assert_all_else_goes_on(api: Any) -> None:
    signed_in = sign_in(api, "local", **MINE)
    assert signed_in.status == 200, signed_in.body
    jwt = signed_in.result["jwt"]
    assert api.call("auth:checkToken", {"token": jwt}).result["valid"] is True


@pytest.mark.parametrize(
    "body, status, id",
    [
        ("import asyncio\nawait asyncio.sleep(3600)", 504, "ostiary.plugin.timeout"),
        ("import time\ntime.sleep(3600)", 504, "ostiary.plugin.timeout"),
        ("while True: pass", 504, "ostiary.plugin.timeout"),
        (SWALLOWING, 504, "ostiary.plugin.timeout"),
        (LEFT_BEHIND, 504, "ostiary.plugin.timeout"),
        ("raise KeyboardInterrupt", 500, "plugin.runtime.unexpected_error"),
        ("import asyncio\nraise asyncio.CancelledError", 500, "plugin.runtime.unexpected_error"),
        ("raise errors.TokenInvalid", 500, "plugin.runtime.unexpected_error"),
        ("raise errors.StoreUnavailable(retry_after=1)", 503, "ostiary.storage.unavailable"),
        ("return Verified(['ann'])", 500, "plugin.strategy.invalid_kuid"),
        ("return Verified('ann')", 401, "plugin.strategy.missing_user"),
        ("return Redirect('https://a\\r\\nx: y')", 500, "plugin.strategy.invalid_verify_resolve"),
        ("return Newcomer({'a': object()}, {})", 500, "plugin.strategy.invalid_verify_resolve"),
    ],
)
def test_a_bad_hook_costs_its_strategy_a_clear_error(
    start: Start, connect: Any, body: str, status: int, id: str
) -> None:
    """ISO-10, ISO-11"""
    server = start(badge(verify=body), settings=SHORT)
    api = connect(server)
    create(api, "ann", local=MINE)
    answer = sign_in(api, "badge", badge="1")
    assert (answer.status, answer.error_id) == (status, id)
    assert_all_else_goes_on(api)
    assert server.stop() == 0


def test_a_strategy_that_hangs_is_left_alone(start: Start, connect: Any) -> None:
    """ISO-10"""
    api = connect(start(badge(verify="import asyncio\nawait asyncio.sleep(3600)"), settings=SHORT))
    create(api, "ann", local=MINE)
    for _ in range(5):
        assert sign_in(api, "badge", badge="1").status == 504
    answer = sign_in(api, "badge", badge="1")
    assert (answer.status, answer.error_id) == (503, "ostiary.plugin.unavailable")
    assert int(answer.headers["retry-after"]) >= 1
    assert_all_else_goes_on(api)


def test_a_second_factor_that_fails_refuses(start: Start, connect: Any) -> None:
    """ISO-10: it opens no door."""
    guard = Package(name="guard", source=GUARD.format(then="raise OSError"))
    api = connect(start(guard))
    create(api, "ann", local=MINE)
    answer = sign_in(api, "local", **MINE)
    assert (answer.status, answer.error_id) == (500, "plugin.runtime.unexpected_error")


@pytest.mark.parametrize("source", ["import nothing_of_the_kind", "raise SystemExit", "a b"])
def test_a_plugin_that_cannot_be_imported_any_more_answers_that_it_is_disabled(
    start: Start, connect: Any, source: str
) -> None:
    """ISO-10: the credentials of its users are kept."""
    server = start(badge())
    api = connect(server)
    create(api, "ann", local=MINE, badge={"badge": "1"})
    server.stop()
    start(Package(name="badge", source=source), started=False)
    server.start()
    api = connect(server)
    answer = sign_in(api, "badge", badge="1")
    assert (answer.status, answer.error_id) == (503, "ostiary.plugin.disabled")
    about = api.call("server:info").result["serverInfo"]["kuzzle"]
    assert "cannot be imported" in about["pluginsNotLoaded"]["badge"]
    assert_all_else_goes_on(api)
    server.stop()
    start(badge(), started=False)
    server.start()
    assert sign_in(connect(server), "badge", badge="1").result["_id"] == "ann"


def test_a_migration_that_fails_disables_its_plugin_alone(
    start: Start, connect: Any, packages: Path
) -> None:
    """ISO-13"""
    server = start(badge())
    api = connect(server)
    create(api, "ann", local=MINE, badge={"badge": "1"})
    server.stop()
    revisions = packages / badge().module / "migrations"
    (revisions / "0002_broken.py").write_text(
        'revision = "0002"\ndown_revision = "0001"\n\ndef upgrade():\n    raise SystemExit\n'
    )
    server.start()
    api = connect(server)
    assert "the tables of plugin badge cannot be upgraded" in server.log
    assert sign_in(api, "badge", badge="1").error_id == "ostiary.plugin.disabled"
    assert_all_else_goes_on(api)
    shutil.rmtree(revisions)
    server.restart()
    api = connect(server)
    assert sign_in(api, "badge", badge="1").error_id == "ostiary.plugin.disabled"
    assert_all_else_goes_on(api)


def test_logins_are_refused_while_what_guarded_them_is_missing(start: Start, connect: Any) -> None:
    """Decision 26: tokens work, nobody signs in, and an operator opens without a restart."""
    server = start(Package(name="guard", source=GUARD.format(then="pass")))
    api = connect(server)
    create(api, "ann", local=MINE)
    jwt = sign_in(api, "local", **MINE).result["jwt"]
    server.stop()
    start(Package(name="guard", source="raise SystemExit"), started=False)
    server.start()
    api = connect(server)
    answer = sign_in(api, "local", **MINE)
    assert (answer.status, answer.error_id) == (503, "ostiary.plugin.logins_closed")
    assert api.call("auth:getCurrentUser", jwt=jwt).result["_id"] == "ann"
    assert "NOBODY CAN SIGN IN: the plugin guard" in server.log
    assert server.run("plugins", "disable", "guard", "--yes").returncode == 0
    assert_all_else_goes_on(api)


def test_a_server_that_a_plugin_has_ended_says_that_it_has_failed(start: Start) -> None:
    """ISO-10: whoever starts again what has failed does so."""
    ends = "import asyncio, sys\nasyncio.get_running_loop().call_soon(sys.exit)\nawait asyncio.sleep(9)"
    server = start(badge(verify=ends))
    login = Request(f"{server.url}/_login/badge", b'{"badge": "1"}', JSON)
    with suppress(OSError, HTTPException), urlopen(login, timeout=PATIENCE):
        pass
    assert server.wait() == 1
    assert "something has ended the server" in server.log


def test_failsafe_loads_no_plugin_and_answers_administrators_only(
    start: Start, connect: Any, packages: Path
) -> None:
    server = start()
    api = connect(server)
    create(api, "ann", local=MINE)
    made = {"content": {"profileIds": ["admin"]}}
    assert api.call("security:createUser", made, _id="root").status == 200
    users = sign_in(api, "local", **MINE).result["jwt"]
    server.stop()
    freezing = Package(name="freezing", source="while True: pass")
    freezing.install(packages)
    server.failsafe = True
    server.start()
    api = connect(server)
    assert "no plugin is loaded" in server.log
    refused = [
        sign_in(api, "local", **MINE),
        api.call("auth:getCurrentUser"),
        api.call("auth:getCurrentUser", jwt=users),
        api.call("auth:getCurrentUser", jwt="kauth-nonsense"),
    ]
    assert [one.status for one in refused] == [503, 503, 503, 401]
    assert refused[0].error_id == "ostiary.server.failsafe"
    for wrong in (("ann",), ("nobody",), ("root", "--expires", "2d"), ("root", "--expires", "-1")):
        assert server.run("admin", "token", *wrong).returncode != 0
    printed = server.run("admin", "token", "root")
    assert "a token of the administrator 'root' was made" in printed.stderr
    jwt = printed.stdout.strip()
    about = api.call("server:info", jwt=jwt).result["serverInfo"]["kuzzle"]
    assert (about["failsafe"], about["plugins"]) == (True, {})
    assert api.call("security:getUser", jwt=jwt, _id="ann").result["_id"] == "ann"
    assert sign_in(api, "local", **MINE).status == 503
    assert api.call("auth:login", MINE, strategy="local", jwt=jwt).status == 503
    assert server.stop() == 0
