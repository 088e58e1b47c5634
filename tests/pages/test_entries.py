"""What stands in roles and profiles comes back from the lines that people edit."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.pages.console.entries import (
    entries_of,
    entry_lines,
    restriction_lines,
    restrictions_of,
)
from ostiary.pages.problems import Mistaken

# What requests can hold, and so roles.
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1) | st.text(
    'ab:,!{}[]" \n\r\t', min_size=1
)
ENTRIES = st.lists(st.tuples(NAMES, NAMES, st.booleans()))
NUL, DEEP = r'["auth", "\u0000", true]', f'{{"index": {"[" * 9999}'
RESTRICTIONS = st.lists(
    st.fixed_dictionaries({"index": NAMES}, optional={"collections": st.lists(NAMES)})
)


def sent(lines: str) -> str:
    """Return lines as a browser sends them (HTML, 4.10.22.4)."""
    return lines.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")


@given(ENTRIES)
def test_entries_come_back(entries: list[tuple[str, str, bool]]) -> None:
    assert entries_of(sent(entry_lines(entries))) == entries


@given(RESTRICTIONS)
def test_restrictions_come_back(restrictions: list[dict[str, Any]]) -> None:
    assert restrictions_of(sent(restriction_lines(restrictions))) == restrictions


def test_plain_names_are_plain_lines() -> None:
    entries = [("auth", "*", True), ("local/password", "reset", False)]
    assert entry_lines(entries) == "auth:*\n!local/password:reset"
    places: list[dict[str, Any]] = [{"index": "a"}, {"index": "b", "collections": ["c", "d"]}]
    assert restriction_lines(places) == "a\nb: c, d"


@pytest.mark.parametrize("line", ["auth", ":login", "auth:", "!", '["auth", "login"]', "[1", NUL])
def test_what_is_no_entry_is_told(line: str) -> None:
    with pytest.raises(Mistaken) as refused:
        entries_of(f"auth:login\n{line}")
    assert refused.value.values == (line,)


@pytest.mark.parametrize("line", [": books", '{"index"', '{"index": "\\u0000"}', DEEP])
def test_what_is_no_place_is_told(line: str) -> None:
    with pytest.raises(Mistaken):
        restrictions_of(line)
