"""The settings of ``[plugins.local]``, and what the strategy declares with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import ostiary_local
from ostiary import SettingsError
from ostiary_local import list_building
from ostiary_local.blocklists import SHIPPED, Blocklist
from ostiary_local.strategy import LocalStrategy


def declared(**settings: Any) -> LocalStrategy:
    (strategy,) = ostiary_local.ostiary_strategies({"dev": False, **settings})
    assert isinstance(strategy, LocalStrategy)
    return strategy


def test_the_strategy_is_what_clients_expect() -> None:
    strategy = declared()
    assert strategy.name == "local"
    assert strategy.field_names == ("username", "password")
    assert strategy.identifier == "username"


def test_passwords_have_15_characters_and_no_rule_in_dev() -> None:
    """PWD-06."""
    assert declared().settings.shortest == 15
    assert declared(dev=True).settings.shortest == 0


def test_passwords_are_strong_and_not_leaked_and_there_is_no_rule_in_dev() -> None:
    """PWD-06: the list that comes with the plugin is in force with nothing configured."""
    settings, dev = declared().settings, declared(dev=True).settings
    assert settings.weakest == 3
    assert settings.lists == (SHIPPED,)
    assert settings.expected_refused
    assert (dev.weakest, dev.lists, dev.expected_refused) == (0, (), False)


def test_own_lists_hold_beside_the_one_that_is_shipped(tmp_path: Path) -> None:
    file = tmp_path / "own"
    list_building.build([], file)
    for dev in (False, True):
        settings = declared(dev=dev, blocklists=[str(file)]).settings
        assert settings.lists == (SHIPPED, Blocklist(file))
        assert declared(dev=dev, blocklists=[]).settings.lists == ()


def test_a_file_that_is_no_list_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "words").write_text("password\n")
    with pytest.raises(SettingsError, match=r"blocklists.*words is no list made by"):
        declared(blocklists=[str(tmp_path / "words")])
    with pytest.raises(SettingsError, match=r"blocklists.*none: No such file"):
        declared(blocklists=[str(tmp_path / "none")])


def test_users_prove_themselves_unless_in_dev() -> None:
    assert declared().settings.asks_current_password
    assert not declared(dev=True).settings.asks_current_password
    assert declared(dev=True, requirePassword=True).settings.asks_current_password
    assert not declared(requirePassword=False).settings.asks_current_password


@pytest.mark.parametrize("dev", [False, True])
def test_a_configured_length_holds_everywhere(dev: bool) -> None:
    assert declared(dev=dev, minLength=8).settings.shortest == 8
    assert declared(dev=dev, minLength=0).settings.shortest == 0


def test_a_reset_token_lives_a_quarter_of_an_hour_and_never_longer_than_an_hour() -> None:
    """PWD-10"""
    assert declared().settings.reset_password_expires_in == 900_000
    assert declared(resetPasswordExpiresIn="1h").settings.reset_password_expires_in == 3_600_000
    assert declared(resetPasswordExpiresIn=1).settings.reset_password_expires_in == 1


def test_names_are_folded_unless_told_otherwise() -> None:
    assert declared().key("Ann") == "ann"
    assert declared(usernameMatching="folded").key("Ann") == "ann"
    assert declared(usernameMatching="exact").key("Ann") == "Ann"


@pytest.mark.parametrize(
    "settings, told",
    [
        ({"minLength": -1}, "minLength"),
        ({"minLength": 4097}, "minLength"),
        ({"minLength": "many"}, "minLength"),
        ({"minLength": True}, "minLength"),
        ({"maxLength": 63}, "maxLength"),
        ({"maxLength": 4097}, "maxLength"),
        ({"minLength": 80, "maxLength": 70}, "maxLength"),
        ({"minStrength": 5}, "minStrength"),
        ({"minStrength": -1}, "minStrength"),
        ({"blocklists": "words"}, "blocklists"),
        ({"forbiddenWords": [1]}, "forbiddenWords"),
        ({"usernameMatching": "loose"}, "usernameMatching"),
        ({"minLenght": 8}, "minLength"),
        ({"min_length": 8}, "minLength"),
        ({"requirePassword": "yes"}, "requirePassword"),
        ({"resetPasswordExpiresIn": -1}, "Kuzzle's -1"),
        ({"resetPasswordExpiresIn": "61m"}, "at most 1h"),
        ({"resetPasswordExpiresIn": 0}, "resetPasswordExpiresIn"),
        ({"resetPasswordExpiresIn": "soon"}, "resetPasswordExpiresIn"),
    ],
)
def test_a_wrong_setting_stops_the_start_and_is_named(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        declared(**settings)


# Policies

EVERYBODY = {"appliesTo": "*"}


@pytest.mark.parametrize(
    "policy, told",
    [
        ({}, r"passwordPolicies\[0\].appliesTo: is missing"),
        ({"appliesTo": "all"}, "appliesTo"),
        ({"appliesTo": 7}, "appliesTo"),
        ({"appliesTo": ["ann"]}, "appliesTo"),
        ({"appliesTo": {}}, "appliesTo"),
        ({"appliesTo": {"users": []}}, "appliesTo: the lists are empty"),
        ({"appliesTo": {"users": "ann"}}, "appliesTo.users"),
        ({"appliesTo": {"profiles": [7]}}, "appliesTo.profiles"),
        ({"appliesTo": {"user": ["ann"]}}, "appliesTo.user is not a setting"),
        ({**EVERYBODY, "passwordRegex": "("}, "passwordRegex"),
        ({**EVERYBODY, "passwordRegex": ""}, "passwordRegex"),
        ({**EVERYBODY, "passwordRegex": 7}, "passwordRegex"),
        ({**EVERYBODY, "forbidLoginInPassword": "yes"}, "forbidLoginInPassword"),
        ({**EVERYBODY, "forbidReusedPasswordCount": -1}, "forbidReusedPasswordCount.*0 to 24"),
        ({**EVERYBODY, "forbidReusedPasswordCount": 25}, "forbidReusedPasswordCount.*0 to 24"),
        ({**EVERYBODY, "forbidReusedPasswordCount": True}, "forbidReusedPasswordCount"),
        ({**EVERYBODY, "expiresAfter": "soon"}, "expiresAfter.*such as"),
        ({**EVERYBODY, "expiresAfter": 0}, "expiresAfter"),
        ({**EVERYBODY, "expiresAfter": -2}, "expiresAfter"),
        ({**EVERYBODY, "expiresAfter": ["30d"]}, "expiresAfter"),
        ({**EVERYBODY, "mustChangePasswordIfSetByAdmin": 1}, "mustChangePasswordIfSetByAdmin"),
        # What the manual of Kuzzle's plugin prints, and nothing reads.
        ({**EVERYBODY, "forbidLoginPassword": True}, "did you mean .*forbidLoginInPassword"),
    ],
)
def test_a_wrong_policy_stops_the_start_and_names_the_key(
    policy: dict[str, Any], told: str
) -> None:
    with pytest.raises(SettingsError, match=told):
        declared(passwordPolicies=[policy])


def test_policies_are_a_list() -> None:
    with pytest.raises(SettingsError, match="passwordPolicies"):
        declared(passwordPolicies=EVERYBODY)


def test_the_mistaken_policy_is_numbered() -> None:
    with pytest.raises(SettingsError, match=r"passwordPolicies\[1\]"):
        declared(passwordPolicies=[EVERYBODY, {}])


def test_policies_are_read_in_their_order() -> None:
    policies = [
        {"appliesTo": {"users": ["ann"], "roles": []}, "expiresAfter": "30d"},
        {**EVERYBODY, "forbidReusedPasswordCount": 24, "expiresAfter": 1000},
        {**EVERYBODY, "expiresAfter": -1},
    ]
    first, second, third = declared(passwordPolicies=policies).settings.password_policies
    assert first.lifetime == 30 * 24 * 3600 * 1000
    assert first.bound.users == {"ann"}
    assert (second.lifetime, second.forbid_reused_password_count) == (1000, 24)
    assert (third.lifetime, third.expression, third.bound.everybody) == (None, None, True)
    assert declared().settings.password_policies == ()
