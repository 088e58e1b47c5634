"""Passwords are free, long enough, and never read twice (PWD-02, PWD-02b, PWD-05, PWD-06)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary_local import passwords
from ostiary_local.errors import InvalidPassword, PasswordTooShort


@given(password=st.text(st.characters(codec="utf-8"), min_size=15, max_size=200))
def test_any_characters_are_welcome(password: str) -> None:
    long_enough = len(passwords.normal(password)) >= passwords.SHORTEST
    if password.strip() and long_enough and not passwords.too_long(password):
        assert passwords.fit(password, passwords.SHORTEST) == password
    else:
        with pytest.raises((InvalidPassword, PasswordTooShort)):
            passwords.fit(password, passwords.SHORTEST)


@pytest.mark.parametrize("password", ["x" * 4096, "é" * 2048, "😀" * 1024, "x " * 2048])
def test_a_password_may_have_4096_bytes(password: str) -> None:
    assert passwords.fit(password, 15) == password


@pytest.mark.parametrize("password", ["x" * 4097, "é" * 2049, "x" * 10_000_000])
def test_a_password_has_no_more_than_4096_bytes(password: str) -> None:
    with pytest.raises(InvalidPassword, match="4096 bytes"):
        passwords.fit(password, 0)


@pytest.mark.parametrize("password", ["", " ", "\t" * 20, "\u00a0\u3000"], ids=ascii)
def test_a_blank_password_is_refused_whatever_the_rule(password: str) -> None:
    with pytest.raises(InvalidPassword, match="blank"):
        passwords.fit(password, 0)


@pytest.mark.parametrize("password", [None, 1, True, ["secret"], {"a": "b"}, b"secret"], ids=repr)
def test_a_password_is_a_text(password: object) -> None:
    with pytest.raises(InvalidPassword, match="text"):
        passwords.fit(password, 0)


def test_the_length_is_counted_in_characters() -> None:
    assert passwords.fit("éééé", 4) == "éééé"
    with pytest.raises(PasswordTooShort) as refusal:
        passwords.fit("e\u0301" * 3, 4)
    assert refusal.value.props == ["4"]


def test_two_ways_to_write_a_letter_are_one() -> None:
    assert passwords.normal("cafe\u0301") == passwords.normal("caf\u00e9")


@pytest.mark.parametrize(
    "one, other", [("x²", "x2"), ("oﬃce", "office"), (" x", "x"), ("X", "x"), ("a\0", "a")]
)
def test_nothing_else_is_folded(one: str, other: str) -> None:
    assert passwords.normal(one) != passwords.normal(other)
