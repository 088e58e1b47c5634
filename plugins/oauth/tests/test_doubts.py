"""What the log tells an operator whose settings are right, and hardly what is wanted."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import pytest

from ostiary import Call, Directory
from ostiary_oauth import absences, hosts
from ostiary_oauth.settings import doubts, providers
from ostiary_oauth.strategy import OAuthStrategy

pytestmark = pytest.mark.anyio

SECRET = "do-not-tell-anybody"
CLIENT = {"clientID": "client", "callbackURL": "https://auth.example.org/_login/github"}


def settings(**table: Any) -> dict[str, Any]:
    return {"strategies": {"github": {**CLIENT, **table}}}


def strategy(**table: Any) -> OAuthStrategy:
    (provider,) = providers(settings(clientSecret=SECRET, **table))
    return OAuthStrategy.of(provider)


class Profiles:
    """The profiles that there are."""

    async def roles(self, profile_ids: Iterable[str]) -> frozenset[str]:
        return frozenset(profile_ids) & {"default", "staff"}


async def tell(table: dict[str, Any]) -> None:
    await doubts.tell(table, cast("Directory", Profiles()))


@pytest.mark.parametrize("inner", [False, True])
@pytest.mark.parametrize("mode, told", [(0o600, False), (0o400, False), (0o640, True)])
async def test_a_secret_that_others_can_read_is_told(
    tmp_path: Path, mode: int, told: bool, inner: bool, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "secret"
    file.write_text(SECRET)
    file.chmod(mode)
    table = {"clientSecretFile": str(file)}
    await tell(settings(credentials=table) if inner else settings(**table))
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
async def test_a_callback_that_this_strategy_does_not_answer_is_told(
    path: str, told: bool, caplog: pytest.LogCaptureFixture
) -> None:
    await tell(settings(clientSecret=SECRET, callbackURL=f"https://auth.example.org{path}"))
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


async def test_a_profile_that_does_not_exist_is_told(caplog: pytest.LogCaptureFixture) -> None:
    rules = [
        {"claim": "groups", "value": "staff", "profile": "staff"},
        {"claim": "groups", "value": "writers", "profile": "editor"},
    ]
    table = {"clientSecret": SECRET, "profiles": rules, "defaultProfiles": ["default", "guest"]}
    await tell(settings(**table))
    assert [one.getMessage() for one in caplog.records] == [
        f"plugins.oauth.strategies.github.{key}: the profile {name} has no roles; if there is none,"
        " logins with it fail"
        for key, name in (("profiles[1].profile", "editor"), ("defaultProfiles", "guest"))
    ]
