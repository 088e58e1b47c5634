"""``ostiary <plugin> <command>``: what a plugin adds for operators, in real processes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ostiary.testing.packages import Package, badge
from ostiary.testing.server import ThrowAwayServer
from ostiary.testing.wire import HttpApi

if TYPE_CHECKING:
    from .conftest import Serve

Installed = Callable[..., ThrowAwayServer]

COMMANDS = """
from ostiary import Command, CommandError, Recruit


async def fill(options, place):
    async def write(kuids):
        rows = [{"kuid": one, "badge": "of " + one} for one in kuids if isinstance(one, str)]
        async with place.store.begin() as db:
            await db.execute(insert(badges), rows)

    recruits = [Recruit(kuid, content={"floor": options.floor}) for kuid in options.kuids]
    for one in await place.enrol("badge", recruits, write):
        place.tell(str(one))
    found = await place.users(options.kuids)
    place.tell(f"{len(found)} users, {await place.directory.find('nobody')}")
    place.tell("\\x1b[2Jgone\\nforged")


async def count(options, place):
    async with place.store.read() as db:
        place.tell(f"{len((await db.execute(badges.select())).all())} badges")


async def greet(options, place):
    place.tell("hello")


async def fail(options, place):
    raise CommandError("there is no paper\\nleft")


async def crash(options, place):
    raise RuntimeError("the secret is 4711")


async def borrow(options, place):
    await place.enrol("local", [Recruit("ann")], None)


def arguments(parser):
    parser.add_argument("kuids", nargs="+", help="whom to give badges")
    parser.add_argument("--floor", type=int, default=1, help="where they work")


@hookimpl
def ostiary_commands():
    return [
        Command("fill", "Give badges to new users.", fill, arguments, lambda _: "made"),
        Command("count", "Count badges.", count),
        Command("greet", "Say hello.", greet, stores=lambda _: "unused"),
        Command("reach", "Reach for a store.", count, stores=lambda _: "unused"),
        Command("fail", "Fail.", fail, stores=lambda _: "unused"),
        Command("crash", "Crash.", crash, stores=lambda _: "unused"),
        Command("borrow", "Use the strategy of another plugin.", borrow, stores=lambda _: "made"),
    ]
"""
LOUD = "print('I am imported')\n"
NAMED = """from ostiary import Command, hookimpl

async def run(options, place):
    pass

@hookimpl
def ostiary_commands():
    return {commands}
"""


@pytest.fixture
def install(serve: Serve, tmp_path: Path) -> Installed:
    def install_(*packages: Package, settings: str = "", started: bool = False) -> ThrowAwayServer:
        for one in packages:
            one.install(tmp_path)
        path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
        return serve(settings=settings, environment={"PYTHONPATH": path}, started=started)

    return install_


def told(done: Any) -> tuple[int, str, str]:
    return done.returncode, done.stdout, done.stderr


def test_a_command_works_with_its_store_and_makes_users_beside_the_server(
    install: Installed,
) -> None:
    server = install(badge(extra=COMMANDS), started=True)
    done = server.run("badge", "fill", "ann", "bob", "ann", "--floor", "3")
    lines = ["ann", "bob", 'There already is a user "ann".', "2 users, None"]
    assert told(done) == (0, "\n".join([*lines, "\\x1b[2Jgone\\x0aforged", ""]), "")
    with closing(HttpApi(server.port)) as api:
        signed_in = api.call("auth:login", {"badge": "of ann"}, strategy="badge")
        jwt = signed_in.result["jwt"]
        assert api.call("auth:getCurrentUser", jwt=jwt).result["_source"]["floor"] == 3


def test_a_command_refuses_where_there_are_no_stores(install: Installed) -> None:
    server = install(badge(extra=COMMANDS))
    status, output, error = told(server.run("badge", "count"))
    assert (status, output) == (1, "")
    assert "there are no stores here; is --data or --database right?" in error
    assert not server.data.exists()
    status, _, error = told(server.run("badge", "fill", "ann"))
    assert (status, error) == (0, f"a new server is made in {server.data}\n")
    assert told(server.run("badge", "count")) == (0, "1 badges\n", "")


def test_a_command_that_needs_no_stores_opens_none(install: Installed) -> None:
    server = install(badge(extra=COMMANDS))
    assert told(server.run("badge", "greet")) == (0, "hello\n", "")
    error = "ostiary: plugin badge: a command without stores has no store\n"
    assert told(server.run("badge", "reach")) == (1, "", error)
    assert not server.data.exists()


def test_the_audit_log_tells_that_an_operator_did_it(install: Installed) -> None:
    server = install(badge(extra=COMMANDS))
    assert server.run("badge", "fill", "ann").returncode == 0
    log = server.run("audit", "search", "--json").stdout
    (line,) = [line for line in log.splitlines() if "UserCreated" in line]
    assert '"protocol":"cli"' in line.replace(" ", "")
    assert f"uid {os.getuid()}" in line


def test_a_command_that_fails_says_why_in_one_line(install: Installed) -> None:
    server = install(badge(extra=COMMANDS))
    assert told(server.run("badge", "fail")) == (1, "", "ostiary: there is no paper\\x0aleft\n")


def test_a_command_that_crashes_says_where_and_quotes_nothing(install: Installed) -> None:
    status, output, error = told(install(badge(extra=COMMANDS)).run("badge", "crash"))
    assert (status, output) == (1, "")
    assert error.startswith("ostiary: plugin badge: crash failed: RuntimeError at ")
    assert "4711" not in error
    assert error.count("\n") == 1


def test_a_command_has_no_strategies_of_others(install: Installed) -> None:
    status, _, error = told(install(badge(extra=COMMANDS)).run("badge", "borrow"))
    assert (status, "local" in error) == (1, True)


def test_help_tells_the_commands_of_a_plugin_and_makes_no_stores(install: Installed) -> None:
    server = install(badge(extra=COMMANDS))
    status, output, _ = told(server.run("badge", "--help"))
    assert status == 0
    assert "Give badges to new users." in output
    status, output, _ = told(server.run("badge", "fill", "--help"))
    assert (status, "--floor" in output, "--data" in output) == (0, True, True)
    assert not server.data.exists()


def test_a_command_that_is_not_there_is_asked_wrongly(install: Installed) -> None:
    server = install(badge(extra=COMMANDS), badge("bare"))
    assert server.run("badge", "dance").returncode == 2
    assert server.run("dance").returncode == 2
    assert told(server.run("bare", "dance")) == (1, "", "ostiary: plugin bare has no commands\n")


def test_no_plugin_is_loaded_to_read_the_command_line(install: Installed) -> None:
    loud = Package(name="loud", source=LOUD)
    server = install(loud, Package(name="lame", source="raise SystemExit('lame')"))
    status, output, error = told(server.run("--help"))
    assert (status, "imported" in output, error) == (0, False, "")
    assert "ostiary PLUGIN --help" in output


def test_what_plugins_print_is_not_among_the_settings(install: Installed) -> None:
    loud = Package(name="loud", source=LOUD)
    server = install(loud, Package(name="lame", source="raise SystemExit('lame')"))
    status, output, error = told(server.run("config"))
    assert (status, json.loads(output)["plugins"]["allow"]) == (0, None)
    assert "plugin lame cannot be imported" in error


def test_a_plugin_that_cannot_be_loaded_costs_the_others_nothing(install: Installed) -> None:
    server = install(badge(extra=COMMANDS), Package(name="lame", source="1 / 0"))
    assert told(server.run("badge", "fill", "ann"))[:2] == (
        0,
        "ann\n1 users, None\n\\x1b[2Jgone\\x0aforged\n",
    )
    status, output, error = told(server.run("lame", "dance"))
    assert (status, output) == (1, "")
    assert "plugin lame is not loaded: cannot be imported: ZeroDivisionError" in error


def test_a_plugin_that_is_not_wanted_is_not_even_imported(install: Installed) -> None:
    loud = Package(name="loud", source=LOUD)
    server = install(loud, settings='[plugins]\nallow = ["local"]')
    error = "ostiary: plugin loud is not loaded: not among plugins.allow\n"
    assert told(server.run("loud", "dance")) == (1, "", error)


def test_a_disabled_plugin_is_not_even_imported(install: Installed) -> None:
    server = install(badge(extra=COMMANDS + LOUD))
    assert server.run("badge", "fill", "ann").returncode == 0
    disabled = server.run("plugins", "disable", "badge", "--yes", "--force")
    assert disabled.returncode == 0, disabled.stderr
    error = "ostiary: plugin badge is not loaded: disabled by `ostiary plugins disable`\n"
    assert told(server.run("badge", "fill", "bob")) == (1, "", error)


def test_a_command_of_the_server_goes_before_and_the_start_says_so(install: Installed) -> None:
    commands = '[Command("show", "Show.", run)]'
    server = install(Package(name="audit", source=NAMED.format(commands=commands)), started=True)
    assert (
        "the commands of plugin audit cannot be run: the server has `ostiary audit`" in server.log
    )
    assert server.run("audit", "search").returncode == 0


@pytest.mark.parametrize(
    "commands",
    [
        "[1]",
        '[Command("In", "A name in capitals.", run)]',
        '[Command("in", "One.", run), Command("in", "Two.", run)]',
        '[Command("in", "One.", run, lambda parser: parser.add_argument("--data"))]',
        '[Command("in", "One.", run, lambda parser: parser.add_argument("--run"))]',
    ],
)
def test_wrong_commands_are_refused_with_the_name_of_the_plugin(
    install: Installed, commands: str
) -> None:
    server = install(Package(name="toy", source=NAMED.format(commands=commands)))
    status, output, error = told(server.run("toy", "in"))
    assert (status, output) == (1, "")
    assert error.startswith("ostiary: plugin toy: ")
    assert "Traceback" not in error
