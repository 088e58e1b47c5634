"""The settings of ``[plugins.local.mail]``: off without them, safe with the least of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import ostiary_local
from ostiary import SettingsError
from ostiary.settings import load
from ostiary_local.mail.settings import MailSettings
from ostiary_local.strategy import LocalStrategy

LEAST = {"host": "mail.example.com", "from": "no-reply@example.com"}


def configured(**settings: Any) -> MailSettings | None:
    given = {"mail": {**LEAST, **settings}} if settings else {}
    (strategy,) = ostiary_local.ostiary_strategies({"dev": False, **given})
    assert isinstance(strategy, LocalStrategy)
    return strategy.settings.mail


def test_mail_is_off_until_it_is_configured() -> None:
    assert configured() is None


def test_the_least_of_settings_is_enough_and_safe() -> None:
    mail = configured(**LEAST)
    assert mail is not None
    assert (mail.security, mail.at, mail.called) == ("tls", 465, "example.com")
    assert (mail.username, mail.reset_url, mail.verify_url) == (None, None, None)


@pytest.mark.parametrize("security, port", [("tls", 465), ("starttls", 587)])
def test_the_port_follows_from_the_security(security: str, port: int) -> None:
    mail = configured(security=security)
    assert mail is not None
    assert mail.at == port


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1.2.3", "::1"])
def test_mail_goes_in_clear_to_this_machine_only(host: str) -> None:
    mail = configured(host=host, security="none")
    assert mail is not None
    assert mail.at == 25
    with pytest.raises(SettingsError, match="security"):
        configured(host=f"{host}.example.com", security="none")
    assert configured(host="relay.example.com", security="none", allowPlaintext=True) is not None


@pytest.mark.parametrize(
    "wrong, told",
    [
        ({"host": ""}, "host"),
        ({"host": "a\r\nb"}, "host"),
        ({"port": 0}, "port"),
        ({"port": 65536}, "port"),
        ({"port": "many"}, "port"),
        ({"security": "ssl"}, "security"),
        ({"from": "nobody"}, "from"),
        ({"from": "a@example.com, b@example.com"}, "from"),
        ({"from": "a@example.com\nBcc: b@example.com"}, "from"),
        ({"username": "ostiary"}, "password"),
        ({"password": "secret"}, "username"),
        ({"resetUrl": "http://app.example.com/reset"}, "resetUrl: wanted: https"),
        (
            {"resetUrl": "https://app.example.com/#/reset"},
            "resetUrl: wanted: an address without a #",
        ),
        ({"resetUrl": "https://a:b@app.example.com/"}, "resetUrl"),
        ({"resetUrl": "https://"}, "resetUrl"),
        ({"resetUrl": "https://app.example.com:port/"}, "resetUrl"),
        ({"resetUrl": 'https://app.example.com/"x'}, "resetUrl"),
        ({"verifyUrl": "javascript:alert(1)"}, "verifyUrl"),
        ({"service": "a\nb"}, "service"),
        ({"service": " "}, "service"),
        ({"language": "../en"}, "language"),
        ({"templates": 5}, "templates"),
        ({"templates": "/nowhere"}, "templates: wanted: a folder that is there"),
        ({"caFile": "/nowhere/ca.pem"}, "caFile"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": "1h"}, "timeout"),
        ({"delay": "2m"}, "delay"),
        ({"retryAfter": 0}, "retryAfter"),
        ({"retryFor": "8d"}, "retryFor"),
        ({"retryFor": -1}, "retryFor"),
        ({"maxPerAccount": 0}, "maxPerAccount"),
        ({"maxPerAccount": 101}, "maxPerAccount"),
        ({"maxPerAddress": 0}, "maxPerAddress"),
        ({"maxWaiting": 0}, "maxWaiting"),
        ({"hots": "mail.example.com"}, "host"),
    ],
)
def test_a_wrong_setting_stops_the_start_and_is_named(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(SettingsError, match=told) as refusal:
        configured(**wrong)
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize("missing", LEAST)
def test_what_is_missing_stops_the_start_and_is_named(missing: str) -> None:
    given = {key: value for key, value in LEAST.items() if key != missing}
    with pytest.raises(SettingsError, match=f"{missing}: is missing"):
        ostiary_local.ostiary_strategies({"mail": given})


def test_a_page_on_this_machine_may_do_without_tls() -> None:
    mail = configured(resetUrl="http://localhost:3000/reset?from=mail")
    assert mail is not None
    assert mail.reset_url == "http://localhost:3000/reset?from=mail"


def test_the_password_comes_from_the_environment_and_is_shown_nowhere(tmp_path: Path) -> None:
    """LEAK-05"""
    file = tmp_path / "ostiary.toml"
    file.write_text(
        '[plugins.local.mail]\nhost = "mail.example.com"\nfrom = "no-reply@example.com"\n'
        'username = "ostiary"\n'
    )
    environment = {
        "OSTIARY_PLUGINS__LOCAL__MAIL__PASSWORD": "a secret",
        "OSTIARY_PLUGINS__LOCAL__MAIL__PORT": "2525",
        "OSTIARY_PLUGINS__LOCAL__MAIL__ALLOW_PLAINTEXT": "true",
    }
    settings = load(config=file, environment=environment, overrides={})
    table = settings.plugins.tables["local"]
    (strategy,) = ostiary_local.ostiary_strategies(table)
    assert isinstance(strategy, LocalStrategy)
    mail = strategy.settings.mail
    assert mail is not None
    assert (mail.password, mail.port, mail.allow_plaintext) == ("a secret", 2525, True)
    shown = json.dumps(settings.masked()["plugins"])
    assert "a secret" not in f"{shown}{strategy}{mail!r}{settings!r}"
    assert "mail.example.com" in shown


@pytest.mark.parametrize("way", ["file", "environment", "relative"])
def test_a_folder_of_texts_is_given_like_any_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """A relative one is looked for where the server is started."""
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "reset.en.txt").write_text("Subject: Ahoy\n\n${link}\n")
    monkeypatch.chdir(tmp_path)
    written = {"file": str(tmp_path / "texts"), "relative": "texts"}.get(way)
    file = tmp_path / "ostiary.toml"
    lines = ["[plugins.local.mail]", 'host = "mail.example.com"', 'from = "no@example.com"']
    file.write_text("\n".join([*lines, f'templates = "{written}"' if written else ""]))
    variable = {"OSTIARY_PLUGINS__LOCAL__MAIL__TEMPLATES": str(tmp_path / "texts")}
    environment = variable if way == "environment" else {}
    table = load(config=file, environment=environment, overrides={}).plugins.tables["local"]
    (strategy,) = ostiary_local.ostiary_strategies(table)
    assert isinstance(strategy, LocalStrategy)
    mail = strategy.settings.mail
    assert mail is not None
    assert mail.texts["reset"].subject.template == "Ahoy"
