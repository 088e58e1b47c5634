"""A duration is read as clients of Kuzzle write it."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.durations import ENDLESS, duration


@pytest.mark.parametrize(
    "written,milliseconds",
    [
        (1, 1),
        (3_600_000, 3_600_000),
        (1000.0, 1000),
        ("3600000", 3_600_000),
        ("1ms", 1),
        ("90s", 90_000),
        ("1.1s", 1100),
        (".5h", 1_800_000),
        ("1.5h", 5_400_000),
        ("2h", 7_200_000),
        ("2 hrs", 7_200_000),
        ("2 HOURS", 7_200_000),
        ("3 mins", 180_000),
        ("1 day", 86_400_000),
        ("6d", 518_400_000),
        ("2 weeks", 1_209_600_000),
        ("1y", 31_557_600_000),
        (-1, ENDLESS),
        ("-1", ENDLESS),
    ],
    ids=repr,
)
def test_a_duration_is_milliseconds(written: float | str, milliseconds: int) -> None:
    read = duration(written)
    assert read == milliseconds
    assert type(read) is int


@pytest.mark.parametrize(
    "written",
    [
        *(0, -2, -1.5, 1.5, 2**53, math.nan, math.inf, -math.inf, True, False),
        *("", "0", "-2", "-1h", "0h", "0.0001s", "h", "2 fortnights", "1h30m", " 2h", "2h ", "2\n"),
        *("1e999", "NaN", "Infinity", "٣h", "9" * 100, "9" * 101, "0x10", "2  h\0", "1."),
        *(None, [], {}, [1], b"2h"),
    ],
    ids=repr,
)
def test_what_is_no_duration_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match=r"duration|milliseconds"):
        duration(written)  # type: ignore[arg-type]


@given(st.text() | st.floats() | st.integers())
def test_any_text_or_number_is_a_length_or_refused(written: float | str) -> None:
    try:
        read = duration(written)
    except ValueError:
        return
    assert read == ENDLESS or 0 < read <= 2**52


@given(st.integers(min_value=1, max_value=2**52))
def test_digits_mean_what_their_number_means(number: int) -> None:
    assert duration(str(number)) == duration(number) == number
