"""What clients send as JSON: read strictly, within bounds, and never what a database cannot hold."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary import body, errors

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def nested(levels: int, opening: str = "[", closing: str = "]") -> str:
    return opening * levels + closing * levels


@given(value=JSON, ascii_only=st.booleans())
def test_json_is_read_or_refused_for_a_text_that_no_database_holds(
    value: Any, *, ascii_only: bool
) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)
    for raw in (text, text.encode()):
        try:
            assert body.decode(raw) == value
        except errors.UnacceptableText:
            assert "\\u0000" in json.dumps(value)


@given(st.binary() | st.text(st.characters(exclude_categories=[])))
def test_nothing_but_known_errors_comes_of_anything(raw: bytes | str) -> None:
    try:
        body.decode(raw)
    except (ValueError, errors.UnacceptableText, errors.TooDeep, errors.TooManyValues):
        return
    json.loads(raw)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"{'a': 1}",
        b"[1,]",
        b"NaN",
        b"-Infinity",
        b"1e999",
        b"\xff",
        b'"\xed\xa0\x80"',
        b"\xef\xbb\xbf{}",
        b'{"a": 1} x',
        b"1" * 5000,
        rb'{"a": [{"b": "\ud800"}]}',
        rb'["\udc00\ud800"]',
    ],
)
def test_what_is_not_json_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match="it is not JSON"):
        body.decode(raw)


@pytest.mark.parametrize(
    "raw", [r'"\u0000"', r'{"a\u0000": 1}', r'{"a": [{"b": "x\u0000y"}]}', r'[["", "\u0000"]]']
)
def test_texts_that_no_database_holds_are_refused_wherever_they_stand(raw: str) -> None:
    with pytest.raises(errors.UnacceptableText):
        body.decode(raw)


def test_pairs_of_surrogates_are_a_character() -> None:
    assert body.decode(r'"\ud83d\ude00"') == "😀"


def test_nesting_has_a_bound() -> None:
    assert body.decode(nested(body.DEEPEST)) is not None
    for levels in (body.DEEPEST + 1, 1000, body.MOST_CONTAINERS):
        with pytest.raises(errors.TooDeep):
            body.decode(nested(levels))
    with pytest.raises(errors.TooDeep):
        body.decode(nested(body.DEEPEST + 1, '{"a":', "}").replace(":}", ":1}"))
    with pytest.raises(errors.TooManyValues):
        body.decode(nested(body.MOST_CONTAINERS + 1))
    text = "[{" * body.MOST_CONTAINERS
    assert body.decode(json.dumps([text])) == [text]
    wide = [[] for _ in range(1000)]  # type: ignore[var-annotated]
    assert body.decode(json.dumps(wide)) == wide


@pytest.mark.parametrize(
    "raw", ['{"a": 1, "a": 1}', '{"b": {"a": 1, "c": 2, "a": 3}}', '[{"":1,"":2}]']
)
def test_a_key_that_stands_twice_is_refused(raw: str) -> None:
    """AZ-03"""
    with pytest.raises(errors.DuplicateKey):
        body.refuse_duplicates(raw)


def test_a_key_may_be_spelled_with_an_escape_and_is_the_same() -> None:
    """AZ-03"""
    with pytest.raises(errors.DuplicateKey):
        body.refuse_duplicates(r'{"profileIds": [], "profile\u0049ds": ["admin"]}')


def test_the_same_key_in_different_objects_is_no_duplicate() -> None:
    body.refuse_duplicates('{"a": {"a": 1}, "b": [{"a": 1}, {"a": 2}]}')
