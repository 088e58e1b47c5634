"""A new password that breaks a rule is refused over both protocols, with advice, by every door."""

from __future__ import annotations

from typing import Any

import pytest

from ostiary.testing.wire import Api

LOCAL = "plugin.kuzzle-plugin-auth-passport-local."


@pytest.fixture
def admin(closed: Any) -> str:
    return str(closed.admin.jwt)


@pytest.mark.parametrize(
    "password, error",
    [
        ("x1 y2 z3", "password_too_short"),
        ("x" * 5000, "invalid_password"),
        ("blankenship.theodora", "expected_password"),
        ("PasswordPassword", "common_password"),
        ("abababababababababab", "guessable_password"),
    ],
)
@pytest.mark.parametrize("action", ["security:createUser", "security:validateCredentials"])
def test_a_password_that_breaks_a_rule_is_refused(
    api: Api, admin: str, action: str, password: str, error: str
) -> None:
    """PWD-06: an administrator's choice for others too."""
    fields = {"username": "theodora.blankenship", "password": password}
    body: dict[str, Any] = {
        "content": {"profileIds": ["default"]},
        "credentials": {"local": fields},
    }
    args = {"_id": "theodora"}
    if action == "security:validateCredentials":
        body, args = fields, {"_id": "theodora", "strategy": "local"}
    outcome = api.call(action, body, jwt=admin, **args)
    assert outcome.status == 400
    assert outcome.body["error"]["id"] == LOCAL + error
    assert password not in str(outcome.body)


def test_the_advice_reaches_the_client(api: Api, admin: str) -> None:
    fields = {"username": "theodora", "password": "abababababababababab"}
    args = {"_id": "theodora", "strategy": "local"}
    outcome = api.call("security:validateCredentials", fields, jwt=admin, **args)
    error = outcome.body["error"]
    assert error["score"] < 3
    assert error["advice"]
    assert all(sentence in error["message"] for sentence in error["advice"])
