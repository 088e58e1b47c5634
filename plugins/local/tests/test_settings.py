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


@pytest.mark.parametrize("dev", [False, True])
def test_a_configured_length_holds_everywhere(dev: bool) -> None:
    assert declared(dev=dev, minLength=8).settings.shortest == 8
    assert declared(dev=dev, minLength=0).settings.shortest == 0


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
    ],
)
def test_a_wrong_setting_stops_the_start_and_is_named(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        declared(**settings)
