"""The audit log: a line for each login, refusal and change, over both protocols."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from ostiary.testing.wire import Api


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Any:
    caplog.set_level(logging.INFO, "ostiary.audit")
    return lambda: [one.getMessage() for one in caplog.records if one.name == "ostiary.audit"]


def test_logins_and_refused_ones_are_noted(api: Api, member: Any, lines: Any) -> None:
    """LEAK-05, LEAK-07: who, when and from where; not what was tried."""
    api.call("auth:login", member.credentials, strategy="local")
    wrong = {"username": member.username, "password": "a-wrong-password"}
    api.call("auth:login", wrong, strategy="local")
    good, bad = lines()
    over = f"from 127.0.0.1 over {api.protocol} in request "
    assert good.startswith(f"auth:login done by -1 about {member.kuid} {over}")
    assert bad.startswith("auth:login plugin.")
    assert f" by -1 about - {over}" in bad
    assert "a-wrong-password" not in bad
    assert "kauth-" not in good


def test_changes_and_missing_rights_are_noted(
    api: Api, closed: Any, member: Any, lines: Any
) -> None:
    """LEAK-06, LEAK-07."""
    body = {"content": {"profileIds": ["default"]}}
    kuid = f"of {api.protocol}\n2026 forged"
    api.call("security:createUser", body, jwt=member.jwt, _id=kuid)
    api.call("security:createUser", body, jwt=closed.admin.jwt, _id=kuid)
    api.call("security:getUser", jwt=closed.admin.jwt, _id=kuid)
    refused, *made = lines()
    legible = f"of%20{api.protocol}%0A2026%20forged"
    start = "security:createUser security.rights.forbidden by "
    assert refused.startswith(f"{start}{member.kuid} about {legible} from ")
    assert len(made) == 1
    assert made[0].startswith("security:createUser ")
    assert made[0].partition(" by ")[2].startswith(f"root about {legible} from 127.0.0.1 over ")


def test_names_that_nobody_declared_are_not_noted(api: Api, lines: Any) -> None:
    """LEAK-06: a stranger does not fill the log with words of their own."""
    message = {"controller": "forged", "action": "forged"}
    if api.protocol == "http":
        api.send("POST", "/_query", message)
    else:
        api.send(message)
    assert lines() == []
