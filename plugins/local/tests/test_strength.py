"""What zxcvbn says of a password, in our words, and in bounded time."""

from __future__ import annotations

import string

import pytest
import zxcvbn_rs_py
from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary_local import advice, strength

SYMBOLS = "4@8({[<369&#!/|0$5+7%2"
FINDINGS = [
    name
    for kind in (zxcvbn_rs_py.Warning, zxcvbn_rs_py.Suggestion)
    for name in dir(kind)
    if not name.startswith("_")
]
anything = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)
symbols = st.text(st.sampled_from(SYMBOLS + string.ascii_lowercase), max_size=80)


@pytest.mark.parametrize("finding", FINDINGS)
def test_every_finding_of_zxcvbn_has_a_sentence_of_ours(finding: str) -> None:
    (sentence,) = advice.sentences([finding])
    assert sentence not in advice.GENERAL
    assert sentence.endswith(".")


def test_a_finding_that_is_new_gives_general_advice() -> None:
    assert advice.sentences(["AFindingOfTomorrow"]) == advice.GENERAL
    assert advice.sentences([]) == advice.GENERAL


@pytest.mark.parametrize(
    "password, most",
    [
        ("passwordpassword", 1),
        ("qwertyuiopasdfgh", 1),
        ("aaaaaaaaaaaaaaaaaaaaaaa", 0),
        ("123456789012345678", 1),
        ("Password123456!", 2),
    ],
)
def test_what_is_long_and_simple_is_weak(password: str, most: int) -> None:
    judgement = strength.judge(password, [])
    assert judgement.score <= most
    assert judgement.advice


@pytest.mark.parametrize("password", ["correct horse battery staple", "Xq7-tR2!bN9_zL4+"])
def test_what_is_long_and_random_is_strong(password: str) -> None:
    assert strength.judge(password, []).score == strength.STRONGEST


def test_what_belongs_to_the_user_is_weak() -> None:
    mail = "theodora.blankenship@tannenbaum.example"
    assert strength.judge("theodora.blankenship", []).score >= strength.ENOUGH
    assert strength.judge("theodora.blankenship", [mail]).score < strength.ENOUGH
    assert strength.judge("Theodora.Blankenship", [mail]).score < strength.ENOUGH
    assert strength.judge("blankenship99", [mail]).score < strength.ENOUGH
    assert strength.judge(mail, [mail]).score == 0


def test_nobody_elses_words_count() -> None:
    assert strength.judge("theodora.blankenship", ["theodora.blankenship"]).score == 0
    assert strength.judge("theodora.blankenship", []).score >= strength.ENOUGH


def test_only_the_beginning_is_judged() -> None:
    weak = "x" * strength.SIGHT
    assert strength.judge(weak + "Xq7-tR2!bN9_zL4+", []) == strength.judge(weak, [])


@settings(max_examples=200, deadline=None)
@given(password=anything | symbols, known=st.lists(anything, max_size=3))
def test_every_text_is_judged(password: str, known: list[str]) -> None:
    judgement = strength.judge(password, known)
    assert 0 <= judgement.score <= strength.STRONGEST
    assert judgement.advice


@given(password=symbols | st.text(st.sampled_from(SYMBOLS), min_size=40, max_size=200))
def test_the_work_is_bounded_whatever_symbols_are_in_it(password: str) -> None:
    """dropbox/zxcvbn#316: every symbol that may stand for a letter multiplies the work."""
    seen = strength._in_sight(password)
    assert strength._readings(seen) <= strength.MOST_READINGS
    assert len(seen) == min(len(password), strength.SIGHT)
    assert len(set(seen)) == len(set(password[: strength.SIGHT]))


@pytest.mark.parametrize("password", ["p@$$w0rd", "!@#$%^&*()_+", "1234567890", "tr0ub4dor&3"])
def test_usual_substitutions_are_seen(password: str) -> None:
    assert strength._in_sight(password) == password


def test_names_with_halves_of_characters_do_no_harm() -> None:
    assert strength.judge("correct horse battery staple", ["a\ud800b", "\udfff"]).score == 4
