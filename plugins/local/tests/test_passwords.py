"""Passwords are free, long enough, and whole (PWD-02, PWD-02b, PWD-03, PWD-05, PWD-06, PWD-13)."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary import errors
from ostiary_local import passwords
from ostiary_local.errors import InvalidPassword, PasswordTooLong, PasswordTooShort

if TYPE_CHECKING:
    from .conftest import Local

assigned = st.characters(exclude_categories=("Cs", "Cn"))


@given(
    password=st.text(assigned, min_size=14, max_size=200).filter(
        lambda text: not passwords.impossible(text)
    ),
    seen=st.sampled_from("aé漢😀"),
)
def test_any_characters_are_welcome(password: str, seen: str) -> None:
    """PWD-02b, PWD-13: whatever Unicode knows, and no rule that asks for kinds of characters."""
    password += seen
    if len(passwords.normal(password)) >= 15:
        assert passwords.fit(password, 15) == password
    else:
        with pytest.raises(PasswordTooShort):
            passwords.fit(password, 15)


@pytest.mark.parametrize(
    "password",
    [
        string.ascii_lowercase,
        string.digits * 2,
        string.punctuation,
        "ж" * 15,
        "a  space  is  welcome ",
    ],
)
def test_no_kind_of_character_is_asked_for(password: str) -> None:
    """PWD-13."""
    assert passwords.fit(password, 15) == password


def test_64_characters_are_accepted_whatever_they_are() -> None:
    """PWD-02b: 64 of the longest that there are, in bytes."""
    assert passwords.fit("😀" * 64, 15, passwords.ALWAYS_ACCEPTED) == "😀" * 64


def test_a_configured_end_is_counted_in_characters() -> None:
    assert passwords.fit("e\u0301" * 64, 15, 64)
    with pytest.raises(PasswordTooLong) as refusal:
        passwords.fit("x" * 65, 15, 64)
    assert refusal.value.props == ["64"]


def test_half_a_character_is_refused() -> None:
    for half in ("\ud800", "\udfff"):
        with pytest.raises(InvalidPassword, match="halves"):
            passwords.fit("a password " + half + " of some length", 15)


@pytest.mark.parametrize("character", ["\uffff", "\U000efffd", "\u0378"], ids=ascii)
def test_a_character_that_unicode_does_not_know_is_refused(character: str) -> None:
    """Its normal form may change, and lock its owner out (UAX #15, 12.1)."""
    with pytest.raises(InvalidPassword, match="does not know"):
        passwords.fit("a password with " + character, 15)


@pytest.mark.parametrize("password", ["x" * 4096, "é" * 2048, "😀" * 1024, "x " * 2048])
def test_a_password_may_have_4096_bytes(password: str) -> None:
    assert passwords.fit(password, 15) == password


@pytest.mark.parametrize("password", ["x" * 4097, "é" * 2049, "x" * 10_000_000])
def test_a_password_has_no_more_than_4096_bytes(password: str) -> None:
    with pytest.raises(InvalidPassword, match="4096 bytes"):
        passwords.fit(password, 0)


@pytest.mark.parametrize(
    "password", ["", " ", "\t" * 20, "\u00a0\u3000", "\u200b" * 15, "\0" * 15], ids=ascii
)
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


def test_marks_are_not_piled_up() -> None:
    """Putting them in order would hold up everybody else's request."""
    assert passwords.fit("a" + "\u0316\u0301" * 15 + "b" + "\u0301" * 30, 2)
    piled = "a" + "\u0316\u0301" * 15 + "\u0316"
    assert passwords.impossible(piled)
    with pytest.raises(InvalidPassword, match="marks"):
        passwords.fit(piled, 2)


def test_two_ways_to_write_a_letter_are_one() -> None:
    assert passwords.normal("cafe\u0301") == passwords.normal("caf\u00e9")


@pytest.mark.parametrize(
    "one, other", [("x²", "x2"), ("oﬃce", "office"), (" x", "x"), ("X", "x"), ("a\0", "a")]
)
def test_nothing_else_is_folded(one: str, other: str) -> None:
    assert passwords.normal(one) != passwords.normal(other)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "one, other",
    [
        ("x" * 72 + "a", "x" * 72 + "b"),
        ("before\0after", "before\0other"),
        ("x" * 4095 + "a", "x" * 4095 + "b"),
        (" x", "x"),
        ("x ", "x"),
        ("Secret", "secret"),
    ],
    ids=["72 bytes", "NUL", "4096 bytes", "space before", "space after", "case"],
)
async def test_every_character_counts(local: Local, one: str, other: str) -> None:
    """PWD-03: no truncation, no trimming, no folding of case."""
    await local.create("ann", username="ann", password=one)
    assert await local.login("ann", one) == "ann"
    with pytest.raises(errors.LoginRefused):
        await local.login("ann", other)
