"""Plugins come and go between the starts of a real server."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ostiary.testing.packages import Package, badge
from ostiary.testing.server import ServerFailed

SECRET = "a badge that nobody may see"
SECOND_FACTOR = Package(
    name="second",
    source='''"""A second factor for every strategy: the door has to be the right one."""

from ostiary import errors, hookimpl


@hookimpl(wrapper=True)
def ostiary_verify_credentials(credentials):
    verdict = yield

    async def ask():
        found = await verdict
        if credentials.get("door") != "north":
            raise errors.LoginRefused("Wrong door.")
        return found

    return ask()
''',
)
NOT_THERE = Package(name="broken", source="import a_library_that_is_not_there")


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    """A folder of packages that servers find."""
    folder = tmp_path / "plugins"
    folder.mkdir()
    return folder


@pytest.fixture
def start(serve: Callable[..., Any], plugins: Path) -> Callable[..., Any]:
    def start_(*packages: Package, **options: Any) -> Any:
        for package in packages:
            package.install(plugins)
        environment = {"PYTHONPATH": str(plugins), **options.pop("environment", {})}
        return serve(dev=True, environment=environment, **options)

    return start_


def remove(plugins: Path, package: Package) -> None:
    """Do what ``pip uninstall`` does."""
    for path in plugins.glob(f"{package.module}*"):
        shutil.rmtree(path)


def create(api: Any, kuid: str, **credentials: dict[str, str]) -> Any:
    body = {"content": {"profileIds": ["default"]}, "credentials": credentials}
    return api.call("security:createUser", body, _id=kuid)


def sign_in(api: Any, strategy: str, **fields: str) -> Any:
    return api.call("auth:login", fields, strategy=strategy)


def test_a_strategy_appears_with_its_package_and_its_users_sign_in(
    start: Any, connect: Any
) -> None:
    server = start(badge(), workers=2)
    api = connect(server)
    assert api.call("auth:getStrategies").result == ["badge", "local"]
    create(api, "ann", badge={"badge": "1"})
    assert sign_in(api, "badge", badge="1").result["_id"] == "ann"
    refused = sign_in(api, "badge", badge="2")
    assert (refused.status, refused.error_id) == (401, "plugin.strategy.missing_user")
    listed = server.run("plugins").stdout
    assert ["badge", "1.0", "badge", "badge", "0001", "1", "loaded"] in [
        line.split() for line in listed.splitlines()
    ]
    assert (server.data / "badge.db").stat().st_mode & 0o777 == 0o600


def test_without_its_package_a_strategy_is_gone_and_all_else_goes_on(
    start: Any, connect: Any, plugins: Path
) -> None:
    server = start(badge())
    api = connect(server)
    mine = {"username": "ann", "password": "a pass phrase of ann"}
    create(api, "ann", badge={"badge": "1"}, local=mine)
    server.stop()
    remove(plugins, badge())
    server.start()
    api = connect(server)
    assert "plugin badge is gone: nobody can sign in with badge" in server.log
    assert api.call("auth:getStrategies").result == ["local"]
    assert sign_in(api, "badge", badge="1").error_id == "security.credentials.unknown_strategy"
    jwt = sign_in(api, "local", **mine).result["jwt"]
    assert api.call("auth:getCurrentUser", jwt=jwt).result["strategies"] == ["local"]
    assert api.call("security:deleteUser", _id="ann").status == 200
    badge().install(plugins)
    server.restart()
    api = connect(server)
    assert sign_in(api, "badge", badge="1").status == 401
    create(api, "bob", badge={"badge": "1"})
    assert sign_in(api, "badge", badge="1").result["_id"] == "bob"


def test_a_plugin_cannot_take_the_strategy_over_of_one_that_is_gone(
    start: Any, connect: Any, plugins: Path
) -> None:
    """ISO-11: whoever it let in would be the users of the other."""
    server = start(badge())
    create(connect(server), "ann", badge={"badge": "1"})
    server.stop()
    remove(plugins, badge())
    thief = badge("thief")
    source = thief.source.replace('Strategy(name="thief"', 'Strategy(name="badge"')
    replace(thief, source=source).install(plugins)
    with pytest.raises(ServerFailed, match="declares the strategy 'badge'"):
        server.start()


def test_a_plugin_that_cannot_be_imported_is_missing_alone(start: Any, connect: Any) -> None:
    server = start(badge(), NOT_THERE)
    assert "badge" in connect(server).call("auth:getStrategies").result
    assert "plugin broken is not loaded" in server.log


def test_a_plugin_whose_tables_cannot_be_upgraded_is_missing_alone(
    start: Any, connect: Any, plugins: Path
) -> None:
    """ISO-13"""
    server = start(badge("badge"), badge("card"))
    api = connect(server)
    create(api, "ann", badge={"badge": "1"}, card={"badge": "2"})
    server.stop()
    revisions = plugins / badge("card").module / "migrations"
    text = (revisions / "0001_badges.py").read_text()
    text = text.replace('revision = "0001"', 'revision = "0002"').replace("None", '"0001"')
    (revisions / "0002_more.py").write_text(text)
    server.start()
    api = connect(server)
    assert "the tables of plugin card cannot be upgraded" in server.log
    assert "plugin card is not loaded: its tables are not at revision 0002" in server.log
    assert api.call("auth:getStrategies").result == ["badge", "local"]
    assert sign_in(api, "badge", badge="1").result["_id"] == "ann"
    assert sign_in(api, "card", badge="2").error_id == "ostiary.plugin.disabled"
    server.stop()
    (revisions / "0002_more.py").unlink()
    server.start()
    assert sign_in(connect(server), "card", badge="2").result["_id"] == "ann"


def test_a_second_factor_that_is_lost_closes_the_door(
    start: Any, connect: Any, plugins: Path
) -> None:
    server = start(badge(), SECOND_FACTOR)
    api = connect(server)
    create(api, "ann", badge={"badge": "1"})
    assert sign_in(api, "badge", badge="1").status == 401
    assert sign_in(api, "badge", badge="1", door="north").result["_id"] == "ann"
    refused = server.run("plugins", "disable", "second")
    assert refused.returncode != 0, "it is still installed, and nobody said --yes"
    assert "they would do without it" in refused.stdout
    server.stop()
    remove(plugins, SECOND_FACTOR)
    for _attempt in range(2):
        server.restart()
        api = connect(server)
        assert sign_in(api, "badge", badge="1").error_id == "ostiary.plugin.logins_closed"
    assert "ostiary plugins disable NAME" in server.log
    assert server.run("plugins", "disable", "second").returncode == 0
    assert sign_in(api, "badge", badge="1").result["_id"] == "ann"


def test_a_second_factor_that_cannot_be_imported_closes_the_door(
    start: Any, connect: Any, plugins: Path
) -> None:
    server = start(badge(), SECOND_FACTOR)
    server.stop()
    Package(name="second", source="import a_library_that_is_not_there").install(plugins)
    server.start()
    assert "took part in every login" in server.log
    assert sign_in(connect(server), "badge", badge="1").error_id == "ostiary.plugin.logins_closed"


@pytest.mark.parametrize("raised", ["KeyError", "OSError", "SystemExit", "RecursionError"])
def test_a_hook_may_raise_anything_and_tells_no_secret(
    start: Any, connect: Any, connect_socket: Any, raised: str
) -> None:
    """ISO-10, LEAK-05, AUTH-16"""
    breaking = f"raise {raised}(credentials['badge'])"
    server = start(badge(verify=breaking, validate=breaking))
    http, socket = connect(server), connect_socket(server)
    for api in (http, socket):
        answers = [sign_in(api, "badge", badge=SECRET), create(api, "ann", badge={"badge": SECRET})]
        for answer in answers:
            assert (answer.status, answer.error_id) == (500, "plugin.runtime.unexpected_error")
            assert SECRET not in str(answer.body)
    assert f"{raised} at " in server.log
    assert SECRET not in server.log
    assert http.call("security:getUser", _id="ann").status == 404
    mine = {"username": "ann", "password": "a pass phrase of ann"}
    assert create(http, "ann", local=mine).status == 200
    assert sign_in(http, "local", **mine).result["_id"] == "ann"


@pytest.mark.parametrize(
    "hook, body", [("verify", "return 'ann'"), ("create", "return 5"), ("create", "return None")]
)
def test_what_a_hook_returns_is_checked(start: Any, connect: Any, hook: str, body: str) -> None:
    """ISO-10"""
    api = connect(start(badge(**{hook: body})))
    answer = (
        sign_in(api, "badge", badge="1")
        if hook == "verify"
        else create(api, "ann", badge={"badge": "1"})
    )
    assert answer.status == 500
    assert answer.error_id.startswith("plugin.")
    assert api.call("security:getUser", _id="ann").status == 404


def test_a_redirection_is_a_302_and_the_same_body_for_sockets(
    start: Any, connect: Any, connect_socket: Any
) -> None:
    server = start(badge(verify="return Redirect('https://door.example/?a=1')"))
    for api in (connect(server), connect_socket(server)):
        answer = sign_in(api, "badge")
        assert answer.status == 302
        assert answer.result == {
            "headers": {"Location": "https://door.example/?a=1", "Content-Length": "0"},
            "statusCode": 302,
        }
        assert answer.body["headers"]["location"] == "https://door.example/?a=1"
        if api.protocol == "http":
            assert answer.headers["location"] == "https://door.example/?a=1"


def test_a_newcomer_is_created_and_signed_in(start: Any, connect: Any) -> None:
    welcome = "return Newcomer({'badge': credentials['badge']}, {'name': 'Ann'})"
    api = connect(start(badge(verify=welcome)))
    made = sign_in(api, "badge", badge="1").result
    user = api.call("auth:getCurrentUser", jwt=made["jwt"]).result
    assert user["_id"] == made["_id"]
    assert user["strategies"] == ["badge"]
    assert user["_source"]["name"] == "Ann"
    assert user["_source"]["profileIds"] == ["default"]


@pytest.mark.parametrize(
    "package, told",
    [
        (Package(name="badge", source=badge().source, requires=("ostiary>=99",)), "needs ostiary"),
        (badge(extra="@hookimpl\nasync def ostiary_smell(): ..."), "ostiary_smell"),
    ],
)
def test_a_server_says_which_plugin_stops_it(start: Any, package: Package, told: str) -> None:
    server = start(package, started=False)
    with pytest.raises(ServerFailed, match=told) as stopped:
        server.start()
    assert "badge" in str(stopped.value)
    assert "Traceback" not in str(stopped.value)


def test_at_the_finest_level_the_log_holds_no_secret(
    start: Any, connect: Any, connect_socket: Any
) -> None:
    """LEAK-05"""
    server = start(badge(), environment={"OSTIARY_LOGGING__LEVEL": "debug"})
    http, socket = connect(server), connect_socket(server)
    create(socket, "ann", badge={"badge": SECRET})
    tokens = [sign_in(api, "badge", badge=SECRET).result["jwt"] for api in (http, socket)]
    for jwt in tokens:
        assert socket.call("auth:getCurrentUser", jwt=jwt).result["_id"] == "ann"
        http.send("GET", f"/_me?jwt={jwt}")
    log = server.log
    for secret in (SECRET, *tokens):
        assert secret not in log


BOUND = """
@hookimpl
async def ostiary_refresh_session(kuid, call):
    if kuid == "bob":
        raise errors.RefreshForbidden("A session of bob")
    assert call.kuid == kuid
    return 60_000
"""


def test_a_strategy_decides_whether_its_sessions_go_on(start: Any, connect: Any) -> None:
    """The client need not name it, nor can it name another one instead."""
    api = connect(start(badge(extra=BOUND)))
    jwt = {}
    for kuid in ("ann", "bob"):
        create(api, kuid, badge={"badge": kuid})
        jwt[kuid] = sign_in(api, "badge", badge=kuid).result["jwt"]
    for strategy in ({}, {"strategy": "local"}, {"strategy": "badge"}):
        token = sign_in(api, "badge", badge="ann").result["jwt"]
        refreshed = api.call("auth:refreshToken", jwt=token, expiresIn="1h", **strategy).result
        assert refreshed["ttl"] == 60_000
        refused = api.call("auth:refreshToken", jwt=jwt["bob"], **strategy)
        assert (refused.status, refused.error_id) == (401, "security.token.refresh_forbidden")
        assert jwt["bob"] not in str(refused.body)
    made = api.call("auth:createToken", jwt=jwt["bob"]).result["token"]
    assert api.call("auth:refreshToken", jwt=made).status == 401
    assert api.call("auth:getCurrentUser", jwt=jwt["bob"]).status == 200
