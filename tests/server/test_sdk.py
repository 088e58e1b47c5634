"""The real JavaScript SDK, from npm and in Node, does all that it can do with users."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from ostiary.testing.packages import steps

if TYPE_CHECKING:
    from .conftest import Connect, Serve

PACKAGE = "kuzzle-sdk@7.17"
SCRIPTS = Path(__file__).with_name("sdk")
PASSWORD = "a-secret-of-the-command-line"
UNHURRIED = """
[limits]
loginsPerSecond = 1000
websocketMessagesPerSecond = 0

[security.hashing]
timeCost = 5
memoryCost = 7168

[security.standard.profiles]
default = {rateLimit = 0}
anonymous = {rateLimit = 0}
"""
"""Settings for a client that does everything on one connection, as fast as it can."""


@pytest.fixture(scope="session")
def sdk(node: str, missing: Callable[[str, str], NoReturn]) -> Path:
    """The folder of modules that holds the SDK, installed at the first run on this machine."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ostiary-tests"
    modules = caches / PACKAGE / "node_modules"
    if modules.is_dir():
        return modules
    caches.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=caches) as draft:
        command = ["npm", "install", "--prefix", draft, "--no-audit", "--no-fund", PACKAGE]
        installed = subprocess.run(command, capture_output=True, text=True, check=False)
        if installed.returncode != 0:
            missing(f"{PACKAGE} ({installed.stderr.strip()[-300:]})", "a way to npm's registry")
        modules.parent.mkdir(exist_ok=True)
        Path(draft, "node_modules").rename(modules)
    return modules


@pytest.fixture(scope="session")
def javascript(node: str, sdk: Path) -> Callable[..., str]:
    """Run a script with the SDK to its end, and return what it printed."""

    def run(script: str, *words: str) -> str:
        done = subprocess.run(
            [node, SCRIPTS / script, *words],
            env={**os.environ, "NODE_PATH": str(sdk)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    return run


@pytest.mark.parametrize("protocol", ["WebSocket", "Http"])
def test_the_sdk_logs_in_and_out(
    protocol: str, javascript: Callable[..., str], serve: Serve, connect: Connect
) -> None:
    server = serve(dev=True)
    credentials = {"local": {"username": "ann", "password": "secret"}}
    user = {"content": {"profileIds": ["default"]}, "credentials": credentials}
    assert connect(server).call("security:createUser", user, _id="ann").status == 200
    printed = javascript("login.js", protocol, str(server.port), "ann", "secret")
    assert printed.splitlines() == [
        "before: false",
        "logged in: true",
        "user: ann default",
        "logged out: true",
        "token still valid: false",
    ]


@pytest.mark.parametrize("protocol", ["WebSocket", "Http"])
def test_an_application_answers_a_challenge_with_a_query(
    protocol: str,
    javascript: Callable[..., str],
    serve: Serve,
    connect: Connect,
    tmp_path: Path,
) -> None:
    """``auth.login`` knows of no second step; ``query`` hands everything on."""
    steps().install(tmp_path / "plugins")
    server = serve(dev=True, environment={"PYTHONPATH": str(tmp_path / "plugins")})
    user = {"content": {"profileIds": ["default"]}, "credentials": {"steps": {"badge": "1"}}}
    assert connect(server).call("security:createUser", user, _id="ann").status == 200
    printed = javascript("challenge.js", protocol, str(server.port), "1", "2468")
    assert printed.splitlines() == [
        "auth.login: TypeError",
        "asked: 202 the door pin",
        "user: ann",
        "again: ostiary.login.flow_over",
    ]


@pytest.mark.parametrize("protocol", ["WebSocket", "Http"])
def test_an_application_sets_a_password_that_has_to_be_changed(
    protocol: str, javascript: Callable[..., str], serve: Serve, connect: Connect
) -> None:
    """As ``docs/clients.md`` has it: the error that the SDK throws leaves the token out."""
    policy = '[[plugins.local.passwordPolicies]]\nappliesTo = "*"\n'
    server = serve(dev=True, settings=f"{policy}mustChangePasswordIfSetByAdmin = true\n")
    credentials = {"local": {"username": "ann", "password": "secret"}}
    user = {"content": {"profileIds": ["default"]}, "credentials": credentials}
    assert connect(server).call("security:createUser", user, _id="ann").status == 200
    printed = javascript("reset.js", protocol, str(server.port), "ann", "secret", "my own")
    local = "plugin.kuzzle-plugin-auth-passport-local"
    assert printed.splitlines() == [
        f"login: 401 {local}.must_change_password false",
        "user: ann",
        f"again: {local}.invalid_token",
        "signed in: true",
    ]


def test_the_sdk_hears_that_its_token_has_expired(
    javascript: Callable[..., str], serve: Serve, connect: Connect
) -> None:
    """WS-12: at the end of the token that has replaced its first one."""
    server = serve(dev=True)
    credentials = {"local": {"username": "ann", "password": "secret"}}
    user = {"content": {"profileIds": ["default"]}, "credentials": credentials}
    assert connect(server).call("security:createUser", user, _id="ann").status == 200
    printed = javascript("expiry.js", str(server.port), "ann", "secret")
    assert printed.splitlines() == [
        "subscribers: 1",
        "expired, still signed in: false",
        "still connected: true",
        "signed in again: true",
    ]


@pytest.mark.parametrize("protocol", ["WebSocket", "Http"])
def test_every_method_of_the_sdk_does_what_an_application_expects(
    protocol: str, javascript: Callable[..., str], serve: Serve, setup_secret: str
) -> None:
    """Those of its controllers ``auth`` and ``security``, as its own prototypes list them."""
    server = serve(settings=UNHURRIED)
    told: dict[str, Any] = json.loads(
        javascript("methods.js", protocol, str(server.port), setup_secret)
    )
    assert told["failures"] == {}
    assert told["missing"] == []
    assert told["methods"] > 60


@pytest.mark.parametrize("protocol", ["WebSocket", "Http"])
def test_what_the_kuzzle_cli_sends_is_answered_as_it_expects(
    protocol: str, javascript: Callable[..., str], serve: Serve, connect: Connect
) -> None:
    """LEAK-05: its login over HTTP has the password in the URL, which the access log masks."""
    server = serve(dev=True, settings="[logging]\naccess = true\n")
    administrator = {"username": "root", "password": PASSWORD}
    made = connect(server).call(
        "security:createFirstAdmin", {"credentials": {"local": administrator}}, _id="root"
    )
    assert made.status == 200
    told = json.loads(javascript("cli.js", protocol, str(server.port), "root", PASSWORD))
    assert told["failures"] == {}
    assert len(told["ran"]) > 10
    assert PASSWORD not in server.log
    login = "ostiary.access GET /_login/local?username=***&password=*** 200"
    assert (login in server.log) == (protocol == "Http")


def test_a_login_of_the_kuzzle_cli_over_http_is_for_dev_only(
    serve: Serve, connect: Connect
) -> None:
    """AUTH-13: elsewhere the error names the setting that would admit it."""
    server = serve()
    url = "/_login/local?username=root&password=" + PASSWORD
    refused = connect(server).send("GET", url)
    assert (refused.status, refused.error_id) == (400, "ostiary.request.secret_in_url")
    assert "http.allowCredentialsInUrl" in refused.error["message"]
