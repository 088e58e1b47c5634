"""Documents are flat for searches: bounded, and cheap whatever their shape."""

from __future__ import annotations

from ostiary.services.values import LONGEST_PATH, MOST, values_of


def test_nothing_is_made_of_what_lies_too_deep() -> None:
    """INP-15: one long name in front of many short ones would be copied for each of them."""
    below = {str(number): number for number in range(20_000)}
    assert values_of({"k" * 150_000: below, "a": 1}) == values_of({"a": 1})
    assert len(values_of({"k" * (LONGEST_PATH - 8): below})) == MOST


def test_a_document_is_read_up_to_the_values_that_count() -> None:
    values = values_of({str(number): number for number in range(20_000)})
    assert [value.path for value in values[:3]] == ["0", "1", "2"]
    assert len(values) == MOST
