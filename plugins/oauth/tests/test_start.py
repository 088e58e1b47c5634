"""A real server with providers in its settings: what stops its start, and what does not."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Mapping

import pytest

from ostiary.testing.server import ServerFailed, ThrowAwayServer, free_port

PATIENCE = 10
SECRET = "do-not-tell-anybody"
ANN = {"sub": "00a7", "name": "Ann"}
PLUGINS = '[plugins]\nallow = ["local", "oauth"]\n[plugins.oauth]\nallowInsecureHttp = true\n'
WORK = """
[plugins.oauth.strategies.{name}]
provider = "oidc"
issuer = "http://127.0.0.1:{port}"
clientID = "client"
callbackURL = "http://127.0.0.1:7512/_login/{name}"
{more}
"""


def server(
    more: str = f'clientSecret = "{SECRET}"',
    *,
    name: str = "my-idp",
    environment: Mapping[str, str] | None = None,
) -> ThrowAwayServer:
    """Return a server whose provider is a port of this machine where nobody listens."""
    settings = PLUGINS + WORK.format(name=name, port=free_port(), more=more)
    return ThrowAwayServer(dev=True, settings=settings, environment=environment)


def strategies(running: ThrowAwayServer) -> list[str]:
    """Return the strategies that a server offers."""
    with urllib.request.urlopen(f"{running.url}/strategies") as answer:
        found: list[str] = json.load(answer)["result"]
    return found


def test_a_provider_that_is_down_does_not_stop_the_start() -> None:
    with server() as running:
        assert strategies(running) == ["local", "my-idp"]
        assert SECRET not in running.log


def test_the_log_warns_of_profiles_that_do_not_exist() -> None:
    more = f'clientSecret = "{SECRET}"\ndefaultProfiles = ["default", "guest"]'
    with server(more) as running:
        deadline = time.monotonic() + PATIENCE
        while "my-idp.defaultProfiles: the profile guest has no roles" not in running.log:
            assert time.monotonic() < deadline, running.log
            time.sleep(0.02)
        assert "the profile default" not in running.log


def test_without_strategies_the_server_runs_and_warns() -> None:
    with ThrowAwayServer(dev=True, settings=PLUGINS) as running:
        assert strategies(running) == ["local"]
        deadline = time.monotonic() + PATIENCE
        while "plugins.oauth.strategies: none" not in running.log:
            assert time.monotonic() < deadline, running.log
            time.sleep(0.02)
        assert "strategies: none" not in running.run("config").stderr


@pytest.mark.parametrize(
    "more, name, told",
    [
        ("", "my-idp", "plugins.oauth.strategies.my-idp.clientSecret ("),
        ('clientSecert = "x"', "work", "plugins.oauth.strategies.work.clientSecert ("),
        (f'clientSecret = "{SECRET}"', "local", "both declare the strategy 'local'"),
    ],
)
def test_a_wrong_setting_stops_the_start_with_its_name(more: str, name: str, told: str) -> None:
    with pytest.raises(ServerFailed) as stopped, server(more, name=name):
        pass
    assert told in str(stopped.value)
    assert SECRET not in str(stopped.value)
    assert "Traceback" not in str(stopped.value)


VARIABLE = "OSTIARY_PLUGINS__OAUTH__STRATEGIES__MY_IDP__CLIENT_SECRET"


def test_the_environment_may_give_a_secret_and_no_command_shows_it() -> None:
    """OAU-19"""
    made = server("", environment={VARIABLE: SECRET})
    try:
        shown = made.run("config")
    finally:
        made.throw_away()
    assert shown.returncode == 0
    (strategy,) = json.loads(shown.stdout)["plugins"]["oauth"]["strategies"].values()
    assert strategy["clientSecret"] == "********"
    assert strategy["clientID"] == "client"
    assert SECRET not in shown.stdout + shown.stderr


@pytest.mark.parametrize("key", ["clientSecret", "consumerSecret"])
def test_no_command_shows_a_secret_in_kuzzles_shape(key: str) -> None:
    """OAU-19"""
    made = server(f'credentials = {{ {key} = "{SECRET}" }}')
    try:
        shown = made.run("config")
    finally:
        made.throw_away()
    assert shown.returncode == 0
    (strategy,) = json.loads(shown.stdout)["plugins"]["oauth"]["strategies"].values()
    assert strategy["credentials"] == {key: "********"}
    assert SECRET not in shown.stdout + shown.stderr


def test_who_signs_in_at_a_provider_can_be_explained() -> None:
    with server() as running:
        users = {"ann": {"content": {"profileIds": ["default"]}, "credentials": {"my-idp": ANN}}}
        asked = urllib.request.Request(f"{running.url}/admin/_loadSecurities", method="POST")
        asked.add_header("content-type", "application/json")
        urllib.request.urlopen(asked, json.dumps({"users": users}).encode()).close()
        by_subject = explained(running, "00a7")
        assert by_subject == explained(running, "ann")
        assert "User ann is enabled.\nSigns in with: my-idp.\n" in by_subject
        assert by_subject.endswith("yes, where the provider says that it is they.\n")
        assert explained(running, "stranger").endswith("no, because there is no such account.\n")


def explained(running: ThrowAwayServer, name: str) -> str:
    """Return what the command tells of somebody of the provider."""
    ended = running.run("explain", "login", name, "--strategy", "my-idp")
    assert ended.returncode == 0, ended.stderr
    return ended.stdout
