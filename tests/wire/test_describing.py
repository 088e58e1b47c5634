"""What people are told of the server: every setting without a secret, every plugin as it is."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ostiary.settings import Settings, described_settings, load
from ostiary.testing.wire import Api

from .sites import QUICK, UNHURRIED, Site, site

SECRET = "hush-hush-hush-hush"
KEY = secrets.token_hex(32)
FILE = f"""
[security]
setupSecret = "{SECRET}-setup"
masterKeyCommand = "echo {KEY}"

[security.jwt]
expiresIn = "3h"

[database]
passwords = {{ostiary_core = "{SECRET}-role"}}

[plugins.local]
passwordPolicies = []

[plugins.absent]
shape = "{SECRET}-shape"
places = {{first = "{SECRET}-place"}}
"""


@pytest.fixture(scope="module")
def secretive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server that is given every secret that a server on files can have."""
    folder = tmp_path_factory.mktemp("secretive")
    file = folder / "ostiary.toml"
    file.write_text(FILE, encoding="utf-8")
    file.chmod(0o600)
    given = {**QUICK, **UNHURRIED, "data.dir": str(folder), "plugins.allow": ["local"]}
    settings = load(config=file, environment={"OSTIARY_LOGGING__ACCESS": "false"}, overrides=given)
    with site(settings) as running:
        yield running


@pytest.fixture
def told(secretive: Site) -> dict[str, Any]:
    result: dict[str, Any] = secretive.http.call(
        "server:describeSettings", jwt=secretive.admin.jwt
    ).result
    return result


@pytest.fixture
def settings(told: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["key"]: one for one in told["settings"]}


def test_every_setting_is_described_once(settings: dict[str, Any], told: Any) -> None:
    declared = {one.key for one in described_settings() if not one.alias and "<" not in one.key}
    assert settings.keys() == declared
    assert len(told["settings"]) == len(declared)
    assert all(one["description"] and one["type"] for one in told["settings"])


def test_what_numbers_count_is_told(settings: dict[str, Any]) -> None:
    """Durations and sizes have a unit, and say in words what they may be; nothing else has one."""
    units = {
        "security.authToken.expiresIn": "ms",
        "server.drain": "ms",
        "server.maxRequestSize": "B",
        "security.hashing.memoryCost": "KiB",
        "server.port": None,
    }
    assert {key: settings[key]["unit"] for key in units} == units
    worded = {
        key for key, one in settings.items() if one["type"].startswith(("a duration", "a size"))
    }
    assert worded == {key for key, one in settings.items() if one["unit"] in ("ms", "B")}


def test_no_secret_is_told(told: Any, secretive: Site) -> None:
    """LEAK-05: of the server's settings and of the plugins'."""
    text = json.dumps(told)
    assert "hush" not in text
    assert KEY not in text
    assert str(secretive.settings.security.setup_secret) not in text


def test_what_is_secret_is_said_to_be_there(settings: dict[str, Any]) -> None:
    hidden = "********"
    for key in ("security.setupSecret", "security.masterKeyCommand"):
        assert (settings[key]["value"], settings[key]["secret"]) == (hidden, True)
    assert settings["database.passwords"]["value"] == {"ostiary_core": hidden}
    assert settings["security.masterKey"]["value"] is None


def test_it_is_told_where_a_setting_was_given(settings: dict[str, Any], secretive: Site) -> None:
    def origin(key: str) -> tuple[str, str | None]:
        return settings[key]["source"], settings[key]["from"]

    file = str(secretive.settings.data.dir / "ostiary.toml")
    # It stands there under its other name.
    assert origin("security.authToken.expiresIn") == ("file", file)
    assert settings["security.authToken.expiresIn"]["value"] == 3 * 3600 * 1000
    assert origin("logging.access") == ("environment", "OSTIARY_LOGGING__ACCESS")
    assert origin("server.port") == ("commandLine", "--port")
    assert origin("security.authToken.maxTTL") == ("default", None)
    assert origin("data.dir") == ("commandLine", "--data")


def test_of_plugins_the_keys_are_told_and_no_values(told: Any) -> None:
    assert {(one["plugin"], one["key"], one["value"]) for one in told["plugins"]} == {
        ("absent", "places.first", "********"),
        ("absent", "shape", "********"),
        ("local", "passwordPolicies", "********"),
    }
    assert {one["source"] for one in told["plugins"]} == {"file"}


def test_passwords_in_the_addresses_of_databases_are_hidden(tmp_path: Path) -> None:
    """No server is needed to know what it would tell."""
    urls = {
        f"database.{name}": f"postgresql://ostiary:{SECRET}@db.example/ostiary?password={SECRET}"
        for name in ("url", "listenUrl", "migratorUrl")
    }
    given: dict[str, Any] = {**urls, "database.replicaUrls": [urls["database.url"]]}
    environment = {"OSTIARY_MASTER_KEY": KEY, "OSTIARY_PLUGINS__X__KEY": SECRET}
    made: Settings = load(
        config=None, environment=environment, overrides=given | {"data.dir": str(tmp_path)}
    )
    text = json.dumps(made.described())
    assert "hush" not in text
    assert KEY not in text
    values = {one["key"]: one["value"] for one in made.described()["settings"]}
    assert values["database.url"] == "postgresql://ostiary:********@db.example/ostiary?********"
    assert values["security.masterKey"] == "********"


@pytest.fixture
def plugins(api: Api, closed: Any) -> dict[str, dict[str, Any]]:
    result = api.call("server:describePlugins", jwt=closed.admin.jwt).result
    assert result["total"] == len(result["plugins"])
    return {one["name"]: one for one in result["plugins"]}


def test_a_plugin_that_is_loaded_tells_its_strategies_and_who_needs_them(
    plugins: dict[str, Any], closed: Any
) -> None:
    closed.person()
    local = plugins["local"]
    assert (local["state"], local["reason"], local["disabledAt"]) == ("loaded", None, None)
    assert local["version"] == local["installedVersion"]
    assert local["distribution"] == "ostiary-local"
    assert local["revision"] == local["newest"]
    assert local["size"] > 0
    assert local["health"] == "working"
    (strategy,) = local["strategies"]
    assert strategy["label"]
    assert strategy["factors"] == ["knowledge"]
    assert strategy["users"] == local["users"] > 0
    assert "fields" not in strategy
    lockout = local["lockout"]
    assert lockout["users"] == local["users"]
    assert lockout["first"][0] == "root"
    assert (lockout["administrators"], lockout["lastAdministrator"]) == (1, True)


def test_a_plugin_that_is_not_allowed_says_so(plugins: dict[str, Any]) -> None:
    others = [one for name, one in plugins.items() if name != "local"]
    assert others
    for other in others:
        assert (other["state"], other["reason"]) == ("not loaded", "not among plugins.allow")
        assert other["lockout"]["users"] == other["users"] == 0


@pytest.mark.parametrize("action", ["describeSettings", "describePlugins"])
def test_strangers_and_users_are_told_nothing(api: Api, closed: Any, action: str) -> None:
    assert api.call(f"server:{action}").status == 401
    assert api.call(f"server:{action}", jwt=closed.person().jwt).status == 403
