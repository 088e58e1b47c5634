"""User names show what they are, and no spelling opens another account (RACE-10 to RACE-12)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary_local import names
from ostiary_local.errors import InvalidUsername

encodable = st.text(st.characters(codec="utf-8"), max_size=60)


@pytest.mark.parametrize(
    "username",
    [
        "ann",
        "ann@example.org",
        "Ann Lee",
        "a",
        "-1",
        "Zoë",
        "Мария",
        "山田太郎",
        "أحمد",
        "o'neill\\..%2f",
        "😀",
        "x" * 512,
    ],
)
def test_people_keep_their_names(username: str) -> None:
    assert names.fit(username) == username


@pytest.mark.parametrize(
    "username",
    [
        "ann\0",
        "ann\n",
        "an\x1bn",
        "ann\x7f",
        "ann\x85",
        "an\u200bn",
        "an\u200dn",
        "ann\u202e",
        "\u2066ann",
        "an\u00adn",
        "\ufeffann",
        "an\u2060n",
        "an\u034fn",
        "ann\u3164",
        "ann\uffa0",
        "ann\u115f",
        "ann\ufe0f",
        "ann\U000e0101",
        "ann\U000e0041",
        "ann\u2800",
        "ann\u2028",
        "ann\ue000",
        "ann\ud800",
        "ann\uffff",
        "ann\U000e01f0",
    ],
    ids=ascii,
)
def test_what_does_not_show_is_refused(username: str) -> None:
    with pytest.raises(InvalidUsername, match="invisible"):
        names.fit(username)


@pytest.mark.parametrize("username", ["", " ", "\t\n", "\u3000", "\u00a0\u2003"], ids=ascii)
def test_a_blank_name_is_refused(username: str) -> None:
    with pytest.raises(InvalidUsername, match="blank"):
        names.fit(username)


@pytest.mark.parametrize("username", [" ann", "ann ", "ann\u00a0", "\u3000ann"], ids=ascii)
def test_white_space_at_an_end_is_refused(username: str) -> None:
    with pytest.raises(InvalidUsername, match="white space"):
        names.fit(username)


@pytest.mark.parametrize(
    "username",
    # The last one is short, and long once it is folded.
    ["x" * 513, "é" * 257, "x" * 10_000_000, "\ufdfa" * 16],
    ids=["letters", "bytes", "10 MB", "folded"],
)
def test_a_name_has_at_most_512_bytes(username: str) -> None:
    with pytest.raises(InvalidUsername, match="512 bytes"):
        names.fit(username)


@pytest.mark.parametrize("username", [None, 1, True, ["ann"], {"$ne": ""}, b"ann"], ids=repr)
def test_a_name_is_a_text(username: object) -> None:
    with pytest.raises(InvalidUsername, match="text"):
        names.fit(username)


@pytest.mark.parametrize(
    "one, other",
    [
        ("ANN", "ann"),
        ("Straße", "STRASSE"),
        ("\uff4d\uff41\uff52\uff59", "mary"),
        ("oﬃce", "office"),
        ("Zoe\u0308", "zoë"),
        ("\u212aelvin", "kelvin"),
        ("Ann\u00a0Lee", "ann lee"),
        ("ΣΊΣΥΦΟΣ", "σίσυφος"),
        ("x²", "x2"),
    ],
)
def test_spellings_of_one_name_are_one(one: str, other: str) -> None:
    assert names.folded(one) == names.folded(other)


@pytest.mark.parametrize(
    "one, other",
    [("mike", "m\u0131ke"), ("ann", "\u0430nn"), ("zoe", "zoë"), ("ann lee", "annlee")],
)
def test_other_names_stay_others(one: str, other: str) -> None:
    assert names.folded(one) != names.folded(other)


@given(username=encodable)
def test_folding_twice_is_folding_once(username: str) -> None:
    once = names.folded(username)
    assert names.folded(once) == once


@given(username=st.text(max_size=60) | st.text(max_size=600))
def test_every_text_is_fit_or_told_why_not(username: str) -> None:
    reason = names.fault(username)
    if reason is None:
        assert names.fit(username) == username
        assert len(username.encode()) <= names.LONGEST
        assert len(names.folded(username).encode()) <= names.LONGEST
        assert username.isprintable() or not username.isascii()
    else:
        with pytest.raises(InvalidUsername) as refusal:
            names.fit(username)
        assert refusal.value.props == [reason]
