"""The wire types: what each takes over WebSocket, and what over HTTP (contract, 2.3)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary import errors
from ostiary.arguments import WIRE_TYPES, Duration

SOCKET, HTTP = False, True
BY_NAME = {
    "flag": bool, "integer": int, "text": str, "list": list, "object": dict, "duration": Duration,
    "anything": Any,
}  # fmt: skip


def read(kind: str, value: Any, http: bool) -> Any:
    return WIRE_TYPES[BY_NAME[kind]].read("name", value, http)


@pytest.mark.parametrize(
    "kind, value, http, wanted",
    [
        ("flag", True, SOCKET, True),
        ("flag", False, SOCKET, False),
        ("flag", None, SOCKET, False),
        ("flag", "", HTTP, True),
        ("flag", "false", HTTP, True),
        ("flag", False, HTTP, True),
        ("integer", 5, SOCKET, 5),
        ("integer", 5.0, SOCKET, 5),
        ("integer", "-5", SOCKET, -5),
        ("integer", "5", HTTP, 5),
        ("integer", 2**53 - 1, SOCKET, 2**53 - 1),
        ("text", "", SOCKET, ""),
        ("text", "é", HTTP, "é"),
        ("list", [1], SOCKET, [1]),
        ("list", "[1]", HTTP, [1]),
        ("object", {"a": 1}, SOCKET, {"a": 1}),
        ("object", '{"a": 1}', HTTP, {"a": 1}),
        ("duration", 5, SOCKET, 5),
        ("duration", "5", HTTP, 5),
        ("duration", "2h", SOCKET, 7_200_000),
        ("duration", -1, SOCKET, -1),
        ("duration", "-1", HTTP, -1),
        ("anything", [None], SOCKET, [None]),
    ],
)
def test_a_value_is_read(kind: str, value: Any, *, http: bool, wanted: Any) -> None:
    found = read(kind, value, http)
    assert (found, type(found)) == (wanted, type(wanted))


@pytest.mark.parametrize(
    "kind, value, http",
    [
        ("flag", "true", SOCKET),
        ("flag", 1, SOCKET),
        ("integer", 5.5, SOCKET),
        ("integer", "5.5", HTTP),
        ("integer", "", HTTP),
        ("integer", "five", HTTP),
        ("integer", True, SOCKET),
        ("integer", None, SOCKET),
        ("integer", [5], SOCKET),
        ("integer", 2**53, SOCKET),
        ("integer", "1e999", HTTP),
        ("integer", "nan", HTTP),
        ("integer", float("inf"), SOCKET),
        ("integer", "9" * 5000, HTTP),
        ("text", None, SOCKET),
        ("text", 5, SOCKET),
        ("text", ["a", "b"], HTTP),
        ("list", "[1]", SOCKET),
        ("list", "1", HTTP),
        ("list", "[", HTTP),
        ("list", {"a": 1}, SOCKET),
        ("object", '{"a": 1}', SOCKET),
        ("object", "[]", HTTP),
        ("object", None, SOCKET),
    ],
)
def test_a_value_of_another_type_is_refused(kind: str, value: Any, *, http: bool) -> None:
    with pytest.raises(errors.InvalidType):
        read(kind, value, http)


@pytest.mark.parametrize(
    "value",
    [
        0,
        -2,
        -1.5,
        "-2",
        "0",
        float("nan"),
        float("inf"),
        "1e999",
        2**60,
        True,
        [1],
        {},
        "2 hors",
        0.5,
    ],
    ids=repr,
)
def test_no_duration_is_negative_nothing_or_endless_by_accident(value: Any) -> None:
    """TOK-17, TOK-18, TOK-19"""
    for http in (SOCKET, HTTP):
        with pytest.raises(errors.InvalidArgument):
            read("duration", value, http)


@pytest.mark.parametrize("kind", ["list", "object"])
@pytest.mark.parametrize("inner", [r'"\u0000"', r'{"b": "x\u0000"}', "[" * 100 + "]" * 100])
def test_json_in_a_query_string_is_read_as_strictly_as_a_body(kind: str, inner: str) -> None:
    text = f"[{inner}]" if kind == "list" else f'{{"a": {inner}}}'
    with pytest.raises((errors.UnacceptableText, errors.TooDeep)):
        read(kind, text, HTTP)


@given(
    kind=st.sampled_from(sorted(BY_NAME)),
    value=st.none() | st.booleans() | st.integers() | st.floats() | st.text()
    | st.lists(st.text()) | st.dictionaries(st.text(), st.none()),
    http=st.booleans(),
)  # fmt: skip
def test_anything_is_read_or_refused_with_a_known_error(
    kind: str, value: Any, *, http: bool
) -> None:
    try:
        read(kind, value, http)
    except errors.BadRequestError:
        return
