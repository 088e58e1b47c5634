"""What a strategy says by default of the account that credentials are for."""

from __future__ import annotations

from typing import Any

import pytest

from ostiary import Strategy


@pytest.mark.parametrize(
    "credentials, account",
    [
        ({"badge": "42"}, "42"),
        ({"badge": " 42"}, " 42"),
        # A hook may take it for the text.
        ({"badge": 42}, "42"),
        ({"badge": True}, "True"),
        ({"badge": ""}, ""),
        ({"badge": None}, None),
        ({"card": "42"}, None),
        ({}, None),
    ],
)
def test_attempts_are_counted_by_the_field_that_names_an_account(
    credentials: dict[str, Any], account: str | None
) -> None:
    """AUTH-20"""
    strategy = Strategy(name="badge", fields=("badge", "card"), identifier="badge")
    assert strategy.account(credentials) == account


def test_a_strategy_need_not_name_accounts() -> None:
    assert Strategy(name="sso", fields=("code",)).account({"code": "1"}) is None
