"""The settings of ``[plugins.local]``, and what the strategy declares with them."""

from __future__ import annotations

from typing import Any

import pytest

import ostiary_local
from ostiary import SettingsError
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
