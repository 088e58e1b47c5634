"""The restricted rights can be set, within bounds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Load = Callable[..., Any]


def test_the_restricted_rights_are_those_of_the_contract_and_one_of_ours(loaded: Load) -> None:
    """A sign-in page has to be drawn by who has not signed in: ``describeStrategies``."""
    roles = loaded().security.standard.roles.by_id()
    assert roles["admin"] == {"*": {"actions": {"*": True}}}
    assert set(roles["anonymous"]["auth"]["actions"]) == {
        *("checkToken", "describeStrategies", "getCurrentUser", "getMyRights", "login")
    }
    assert set(roles["anonymous"]["server"]["actions"]) == {"publicApi", "openapi"}
    assert set(roles["default"]["auth"]["actions"]) == {
        *("checkToken", "getCurrentUser", "getMyRights", "logout", "updateSelf")
    }
    assert loaded().security.standard.profiles.rate_limits() == {
        "admin": 0,
        "default": 10,
        "anonymous": 200,
    }


def test_one_base_right_may_be_set_without_the_others(loaded: Load) -> None:
    toml = (
        "[security.standard.profiles.default]\nrateLimit = 50\n"
        "[security.standard.roles.default.controllers.auth.actions]\ngetCurrentUser = true\n"
    )
    standard = loaded(toml).security.standard
    assert standard.profiles.rate_limits() == {"admin": 0, "default": 50, "anonymous": 200}
    assert standard.roles.by_id()["default"] == {"auth": {"actions": {"getCurrentUser": True}}}
    assert (
        standard.roles.by_id()["anonymous"] == loaded().security.standard.roles.by_id()["anonymous"]
    )


@pytest.mark.parametrize(
    "controllers",
    [
        "{auth = {actions = {login = 1}}}",
        "{auth = {actions = {login = 'true'}}}",
        "{auth = {login = true}}",
        "{auth = {actions = {login = true}, more = 1}}",
        "{auth = true}",
        "{}",
        "[]",
    ],
)
def test_only_a_literal_true_grants(mistake: Load, controllers: str) -> None:
    toml = f"[security.standard.roles.anonymous]\ncontrollers = {controllers}"
    assert "security.standard.roles.anonymous.controllers" in mistake(toml)


@pytest.mark.parametrize("actions", ["{login = false}", "{logout = true}"])
def test_the_anonymous_role_keeps_login(mistake: Load, actions: str) -> None:
    toml = f"[security.standard.roles.anonymous.controllers.auth]\nactions = {actions}"
    assert "must keep the action login" in mistake(toml)
