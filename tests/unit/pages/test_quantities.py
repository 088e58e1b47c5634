"""Quantities: in units that people read, and the same in every language."""

from __future__ import annotations

import pytest

from ostiary.pages.quantities import age, count, day_and_hour, duration, hour, measured


def spaced(text: str) -> str:
    """Return a text with the blanks that may not be broken as common ones."""
    return text.replace("\N{NARROW NO-BREAK SPACE}", " ").replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    "number, text", [(0, "0"), (999, "999"), (1000, "1 000"), (1234567, "1 234 567")]
)
def test_thousands_stand_apart(number: int, text: str) -> None:
    assert spaced(count(number)) == text


@pytest.mark.parametrize(
    "milliseconds, text",
    [
        (None, "\N{EN DASH}"),
        (0.0156, "15.6 µs"),
        (0.5, "500 µs"),
        (1, "1 ms"),
        (12.3, "12.3 ms"),
        (999, "999 ms"),
        (1000, "1 s"),
        (8190, "8.19 s"),
    ],
)
def test_durations_are_in_the_unit_that_fits_them(milliseconds: float | None, text: str) -> None:
    assert spaced(duration(milliseconds)) == text


@pytest.mark.parametrize(
    "written, text",
    [
        ("0.4s", "0 s"),
        ("59s", "59 s"),
        ("3600.2s", "1 h 0 min"),
        ("93784s", "1 d 2 h"),
        ("86400s", "1 d 0 h"),
    ],
)
def test_ages_are_told_in_two_units(written: str, text: str) -> None:
    assert spaced(age(written)) == text


@pytest.mark.parametrize(
    "number, unit, text",
    [
        (0, "ms", "0 s"),
        (100, "ms", "100 ms"),
        (7_200_000, "ms", "2 h"),
        (31_536_000_000, "ms", "365 d"),
        (90_061_001, "ms", "1 d 1 h 1 min 1 s 1 ms"),
        (2**20, "B", "1.0 MiB"),
        (19_456, "KiB", "19.0 MiB"),
    ],
)
def test_settings_are_told_in_the_unit_that_fits_them(number: int, unit: str, text: str) -> None:
    assert spaced(measured(number, unit)) == text


def test_instants_are_told_in_utc() -> None:
    assert (hour(1_800_000_000_000), day_and_hour(1_800_000_000_000)) == (
        "08:00",
        "2027-01-15 08:00",
    )
