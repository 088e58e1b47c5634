"""What the log tells an operator whose settings are right, and hardly what is wanted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ostiary import Call
from ostiary_oauth import absences, doubts, hosts
from ostiary_oauth.settings import providers
from ostiary_oauth.strategy import OAuthStrategy

SECRET = "do-not-tell-anybody"
CLIENT = {"clientID": "client", "callbackURL": "https://auth.example.org/_login/github"}


def settings(**table: Any) -> dict[str, Any]:
    return {"strategies": {"github": {**CLIENT, **table}}}


def strategy(**table: Any) -> OAuthStrategy:
    (provider,) = providers(settings(clientSecret=SECRET, **table))
    return OAuthStrategy.of(provider)


@pytest.mark.parametrize("inner", [False, True])
@pytest.mark.parametrize("mode, told", [(0o600, False), (0o400, False), (0o640, True)])
def test_a_secret_that_others_can_read_is_told(
    tmp_path: Path, mode: int, told: bool, inner: bool, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "secret"
    file.write_text(SECRET)
    file.chmod(mode)
    table = {"clientSecretFile": str(file)}
    doubts.tell(settings(credentials=table) if inner else settings(**table))
    key = "credentials.clientSecretFile" if inner else "clientSecretFile"
    warning = f"plugins.oauth.strategies.github.{key}: others can read or write {file}: chmod 600"
    assert [one.getMessage() for one in caplog.records] == ([warning] if told else [])


@pytest.mark.parametrize(
    "path, told",
    [
        ("/_login/github", False),
        ("/auth/_login/github", False),
        ("/signed-in.html", False),
        ("/_login/gitlab", True),
        ("/_login/github/", True),
        ("/_login/", True),
    ],
)
def test_a_callback_that_this_strategy_does_not_answer_is_told(
    path: str, told: bool, caplog: pytest.LogCaptureFixture
) -> None:
    doubts.tell(settings(clientSecret=SECRET, callbackURL=f"https://auth.example.org{path}"))
    assert ("github.callbackURL: ends in /_login/" in caplog.text) == told
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    "host, proxied, told",
    [
        ("127.0.0.1:7512", False, True),
        ("localhost:7512", False, True),
        ("127.0.0.1:7512", True, False),
        ("auth.example.org", False, False),
        ("AUTH.example.org:443", False, False),
        (None, False, False),
    ],
)
def test_a_login_that_begins_at_another_host_is_told_once(
    host: str | None, proxied: bool, told: bool, caplog: pytest.LogCaptureFixture
) -> None:
    github = strategy()
    for _ in range(2):
        hosts.compare(github, Call(headers={"host": host} if host else {}, proxied=proxied))
    assert caplog.text.count("another host than auth.example.org") == int(told)


def test_an_app_that_is_come_back_to_has_no_host(caplog: pytest.LogCaptureFixture) -> None:
    app = strategy(callbackURL="org.example.app:/login")
    hosts.compare(app, Call(headers={"host": "auth.example.org"}))
    assert not caplog.records


def test_a_path_that_leads_nowhere_is_told_once_with_what_there_is(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "ostiary_oauth")
    github = strategy(persist=["displayName", "emails[0].value", "login"])
    claims = {"id": 42, "login": "ann-of-the-hills", "evil\nline": 1, "a b": 2}
    for _ in range(2):
        absences.tell(github, claims)
    assert [one.getMessage() for one in caplog.records] == [
        f"plugins.oauth.strategies.github.persist: a profile has no {path}; it has id, login"
        for path in ("displayName", "emails[0].value")
    ]
    assert "ann-of-the-hills" not in caplog.text
