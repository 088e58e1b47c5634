"""No secret is shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ostiary.settings import Settings, described_settings, load

Load = Callable[..., Any]


SECRETS = ("master-hush", "setup-hush-setup-hush", "url-hush", "role-hush", "client-hush", "q-hush")


@pytest.mark.parametrize("secret", SECRETS)
def test_no_secret_is_in_what_is_shown(secretive: Settings, secret: str) -> None:
    assert secret not in repr(secretive)
    assert secret not in str(secretive.masked())


def test_what_is_shown_says_that_there_is_a_secret(secretive: Settings) -> None:
    shown = secretive.masked()
    assert shown["security"]["masterKey"] == "********"
    assert shown["security"]["setupSecret"] == "********"
    assert (
        shown["database"]["url"] == "postgresql://ostiary:********@db.example:5432/ostiary?********"
    )
    assert shown["database"]["passwords"] == {"ostiary_core": "********"}
    assert shown["plugins"]["oauth"] == {
        "callback": "https://id.example/",
        "proxy": "http://me:********@proxy.example/",
        "providers": [{"name": "x", "clientSecret": "********"}],
        "apiKeys": {"first": "********"},
        "token": "********",
    }


def test_what_an_operator_calls_a_strategy_hides_nothing(loaded: Load) -> None:
    shown = loaded(
        "[plugins.oauth.strategies.my-secret]\nissuer = 'https://id.example'\nclientSecret = 'hush'\n"
        "[plugins.oauth.strategies.key.apiKeys]\nfirst = 'hush'\n"
        "[plugins.keyring]\nplace = 'cellar'\n"
        "[plugins.x.strategies]\ntoken = 'hush'"
    ).masked()["plugins"]
    assert shown["oauth"]["strategies"] == {
        "my-secret": {"issuer": "https://id.example", "clientSecret": "********"},
        "key": {"apiKeys": {"first": "********"}},
    }
    assert shown["keyring"] == {"place": "cellar"}
    assert shown["x"]["strategies"] == {"token": "********"}


def test_of_several_servers_all_are_shown_and_of_what_is_no_url_nothing(loaded: Load) -> None:
    shown = loaded(
        "[database]\nurl = 'postgresql://u:hush@a:1,[::1]:2/ostiary'\n"
        "[plugins.x]\nproxy = 'http://me:hush@[proxy.example/'"
    ).masked()
    assert shown["database"]["url"] == "postgresql://u:********@a:1,[::1]:2/ostiary"
    assert shown["plugins"]["x"] == {"proxy": "********"}


def test_what_is_shown_is_what_can_be_set(loaded: Load) -> None:
    shown = loaded().masked()
    for described in described_settings():
        if described.alias or "<" in described.key:
            continue
        table: Any = shown
        for key in described.key.split("."):
            table = table[key]


def test_the_master_key_stands_in_no_file_and_on_no_command_line(mistake: Load) -> None:
    message = mistake("[security]\nmasterKey = 'hush'")
    assert "only the environment variable OSTIARY_MASTER_KEY" in message
    assert "hush" not in message
    assert "OSTIARY_MASTER_KEY" in mistake(options={"security.masterKey": "hush"})


@pytest.mark.parametrize(
    "toml",
    [
        "[database]\nurl = 'postgresql://u:hush@h/d'",
        "[security]\nsetupSecret = 'hush-hush-hush-hush'",
        "[plugins.oauth]\nclientSecret = 'hush'",
    ],
)
def test_a_file_of_secrets_that_others_can_read_is_told(tmp_path: Path, toml: str) -> None:
    file = tmp_path / "open.toml"
    file.write_text(toml, encoding="utf-8")
    file.chmod(0o644)
    (warning,) = load(config=file, environment={}, overrides={}).warnings
    assert str(file) in warning
    assert "hush" not in warning
    file.chmod(0o600)
    assert load(config=file, environment={}, overrides={}).warnings == ()


def test_a_file_without_secrets_may_be_read_by_all(tmp_path: Path) -> None:
    file = tmp_path / "open.toml"
    file.write_text("[server]\nport = 1\n[database]\nurl = 'postgresql://h/d'", encoding="utf-8")
    file.chmod(0o644)
    assert load(config=file, environment={}, overrides={}).warnings == ()


@pytest.mark.parametrize(
    "toml",
    [
        "[[plugins.local.passwordPolicies]]\nappliesTo = '*'\nexpiresAfter = '30d'",
        "[plugins.local]\nrequirePassword = true\nresetPasswordExpiresIn = '5m'",
        "[plugins.oauth.strategies.badsecret]\nprovider = 'oidc'\ncallbackURL = 'https://h/_login/x'",
        "[plugins.local.mail]\nresetUrl = 'https://app.example/?token={token}'",
    ],
)
def test_what_only_speaks_of_secrets_may_be_read_by_all(tmp_path: Path, toml: str) -> None:
    assert warnings_of(tmp_path, toml) == ()


@pytest.mark.parametrize(
    "toml, key",
    [
        ("[plugins.local.mail]\npassword = 'hush'", "plugins.local.mail.password"),
        ("[plugins.oauth.apiKeys]\nfirst = 'hush'", "plugins.oauth.apiKeys.first"),
        ("[[plugins.x.many]]\nclientSecret = 'hush'", "plugins.x.many[0].clientSecret"),
        ("[plugins.x]\nsigner_key_base64 = 'hush'", "plugins.x.signer_key_base64"),
        ("[plugins.x.strategies.my-secret]\nkey = 'hush'", "plugins.x.strategies.my-secret.key"),
        ("[plugins.x.strategies]\ntoken = 'hush'", "plugins.x.strategies.token"),
        ("[plugins.x]\nproxy = 'http://me:hush@h/'", "plugins.x.proxy"),
        ("[plugins.x]\nhook = 'http://h/?key=hush'", "plugins.x.hook"),
    ],
)
def test_the_warning_names_the_secret_of_a_plugin(tmp_path: Path, toml: str, key: str) -> None:
    (warning,) = warnings_of(tmp_path, toml)
    assert f"({key})" in warning
    assert "hush" not in warning


def warnings_of(tmp_path: Path, toml: str) -> tuple[str, ...]:
    """Return what is said of a file that everybody can read."""
    file = tmp_path / "open.toml"
    file.write_text(toml, encoding="utf-8")
    file.chmod(0o644)
    return load(config=file, environment={}, overrides={}).warnings
