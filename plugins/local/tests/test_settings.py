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
    assert strategy.field_names == ("username", "password", "email", "phone")
    assert [field.name for field in strategy.described if field.login] == ["username", "password"]
    assert strategy.identifier == "username"


def test_passwords_have_15_characters_and_no_rule_in_dev() -> None:
    """PWD-06."""
    assert declared().settings.shortest == 15
    assert declared(dev=True).settings.shortest == 0


@pytest.mark.parametrize("dev", [False, True])
def test_a_configured_length_holds_everywhere(dev: bool) -> None:
    assert declared(dev=dev, minLength=8).settings.shortest == 8
    assert declared(dev=dev, minLength=0).settings.shortest == 0


def test_names_are_nicknames_unless_told_otherwise() -> None:
    assert declared().key("Ada  Lovelace") == "ada lovelace"
    assert declared(usernameMatching="UsernameCaseMapped").key("Ann") == "ann"
    assert declared(usernameMatching="UsernameCasePreserved").key("Ann") == "Ann"
    assert declared(usernameMatching="exact").key("Ann") == "Ann"


def test_look_alikes_are_refused_unless_names_are_exact() -> None:
    assert declared().settings.refuses_lookalikes
    assert not declared(confusables="allow").settings.refuses_lookalikes
    assert not declared(usernameMatching="exact").settings.refuses_lookalikes
    both = declared(usernameMatching="exact", confusables="refuse")
    assert both.settings.refuses_lookalikes


def test_a_claim_lasts_a_day_or_for_ever() -> None:
    assert declared().settings.lasting == 86_400_000
    assert declared(unverifiedExpires="2h").settings.lasting == 7_200_000
    assert declared(unverifiedExpires=-1).settings.lasting is None


@pytest.mark.parametrize(
    "settings, told",
    [
        ({"minLength": -1}, "minLength"),
        ({"minLength": 4097}, "minLength"),
        ({"minLength": "many"}, "minLength"),
        ({"minLength": True}, "minLength"),
        ({"usernameMatching": "loose"}, "usernameMatching"),
        ({"usernameMatching": "folded"}, "usernameMatching"),
        ({"confusables": "perhaps"}, "confusables"),
        ({"phoneRegion": "33"}, "phoneRegion"),
        ({"phoneRegion": "fr"}, "phoneRegion"),
        ({"unverifiedExpires": "soon"}, "unverifiedExpires"),
        ({"minLenght": 8}, "minLength"),
        ({"min_length": 8}, "minLength"),
    ],
)
def test_a_wrong_setting_stops_the_start_and_is_named(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        declared(**settings)
