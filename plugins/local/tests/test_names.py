"""User names show what they are, and no spelling opens another account (RACE-10 to RACE-12)."""

from __future__ import annotations

import unicodedata

import idna
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from precis_i18n import get_profile

from ostiary_local import names
from ostiary_local.errors import InvalidUsername
from ostiary_local.names import Matching
from ostiary_local.strategy import LocalStrategy

MATCHINGS: tuple[Matching, ...] = (*names.PROFILES, "exact")

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
        ("Ada  Lovelace", "ada lovelace"),
        ("Ada\u3000\u00a0Lovelace", "ada lovelace"),
        ("ann ", "ann"),
    ],
)
def test_spellings_of_one_name_are_one(one: str, other: str) -> None:
    assert key(one) == key(other)


@pytest.mark.parametrize(
    "one, other",
    [("mike", "m\u0131ke"), ("ann", "\u0430nn"), ("zoe", "zoë"), ("ann lee", "annlee")],
)
def test_other_names_stay_others(one: str, other: str) -> None:
    assert key(one) != key(other)


@pytest.mark.parametrize(
    "matching, username",
    [
        ("Nickname", "\u1100"),
        ("UsernameCaseMapped", "Ada Lovelace"),
        ("UsernameCaseMapped", "o\ufb03ce"),
        ("UsernameCaseMapped", "x\u00b2"),
        ("UsernameCaseMapped", "\u05d0a"),
        ("UsernameCasePreserved", "\u2460"),
    ],
    ids=ascii,
)
def test_a_profile_refuses_what_it_does_not_allow(matching: Matching, username: str) -> None:
    """RFC 8265, 3.3; RFC 8266, 2.1."""
    with pytest.raises(InvalidUsername, match=f"the profile {matching} of PRECIS"):
        names.fit(username, matching)
    assert names.fit(username, "exact") == username


@pytest.mark.parametrize(
    "matching, one, other, same",
    [
        ("UsernameCaseMapped", "Ann", "ANN", True),
        ("UsernameCaseMapped", "\uff21nn", "ann", True),
        ("UsernameCaseMapped", "Stra\u00dfe", "STRASSE", False),
        ("UsernameCasePreserved", "Ann", "ANN", False),
        ("UsernameCasePreserved", "Zoe\u0308", "Zo\u00eb", True),
        ("exact", "Zoe\u0308", "Zo\u00eb", False),
        ("exact", "Ada  Lovelace", "Ada Lovelace", False),
    ],
    ids=ascii,
)
def test_each_profile_has_its_own_idea_of_a_spelling(
    matching: Matching, one: str, other: str, same: bool
) -> None:
    assert (names.key(one, matching) == names.key(other, matching)) is same


@given(username=st.text(st.characters(max_codepoint=127)))
def test_ascii_is_mapped_as_the_library_maps_it(username: str) -> None:
    for matching, name in names.PROFILES.items():
        try:
            expected = get_profile(name).enforce(username)
        except UnicodeEncodeError:
            expected = None
        assert names.mapped(username, matching) == expected


@given(username=st.text(max_size=60) | st.emails() | st.from_regex(r"\+?[0-9 ()-]{5,20}"))
@example(username="\u0130@example.org")
@example(username="a\uff20example.org")
@example(username="\u1e9e@example.org")
def test_every_text_has_a_key_which_is_its_own(username: str) -> None:
    for matching in MATCHINGS:
        for region in (None, "FR", "US"):
            once = names.key(username, matching, region)
            assert names.key(once, matching, region) == once


@given(username=st.text(max_size=60))
def test_a_key_is_shared_by_all_cases_and_forms_of_a_name(username: str) -> None:
    for form in ("NFC", "NFD"):
        assert key(unicodedata.normalize(form, username)) == key(username)
    if username.isascii():
        assert key(username.swapcase()) == key(username)


def test_a_text_of_a_megabyte_is_no_work() -> None:
    """AUTH-12, PWD-02: nothing is looked for in what nobody can have."""
    strategy = LocalStrategy()
    for text in ("x" * 10**6, "@" * 10**6, "+3" * 10**6, "\ufdfa" * 10**6):
        assert strategy.account({"username": text}) == text


@given(username=encodable)
def test_folding_twice_is_folding_once(username: str) -> None:
    once = names.folded(username)
    assert names.folded(once) == once


@given(username=st.text(max_size=60) | st.text(max_size=600))
def test_every_text_is_fit_or_told_why_not(username: str) -> None:
    reason = names.fault(username)
    for matching in MATCHINGS:
        if reason is None and (matching == "exact" or names.mapped(username, matching)):
            assert names.fit(username, matching) == username
        else:
            with pytest.raises(InvalidUsername) as refusal:
                names.fit(username, matching)
            assert reason in (None, refusal.value.props[0])
    if reason is None:
        assert len(username.encode()) <= names.LONGEST
        assert len(key(username).encode()) <= names.LONGEST
        assert username.isprintable() or not username.isascii()


def key(name: str) -> str:
    """Return what the spellings of a name share where nothing is configured."""
    return names.key(name, "Nickname")


@pytest.mark.parametrize(
    "name",
    [
        "a1@" + ".".join(["\u0627" + "\u0660" * 39] * 5) + ".yz",
        "\u0627" + "\u0660" * 250,
        "a@" + ".".join(["xn--mgb" + "9a" * 10] * 9),
    ],
)
def test_a_text_that_the_libraries_would_ponder_is_nobodys_address(name: str) -> None:
    assert key(name) == names.folded(name)
    assert names.address(name, None) is None


def test_long_addresses_with_letters_of_their_country_are_addresses() -> None:
    domain = "b\u00fccher" * 3 + "." + "stra\u00dfen" + ".example"
    assert names.address(f"Ann@{domain}", None) == f"ann@{domain}"
    encoded = ".".join(idna.encode(one).decode() for one in domain.split("."))
    assert names.key(f"ANN@{encoded}", "Nickname") == f"ann@{domain}"
