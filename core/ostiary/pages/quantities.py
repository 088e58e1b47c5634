"""Counts, durations and instants as people read them in plots and tables, in any language."""

from __future__ import annotations

from datetime import UTC, datetime

from jinja2.filters import do_filesizeformat

LENGTHS = (("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1000), ("ms", 1))
"""Units of durations, in milliseconds."""

SIZES = {"B": 1, "KiB": 1024}
"""Units of sizes, in bytes."""


def count(number: float) -> str:
    """Return a whole number, its thousands apart (ISO 80000-1, 7.3.1)."""
    return f"{number:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def duration(milliseconds: float | None) -> str:
    """Return a duration in the unit that fits it; a dash for none."""
    if milliseconds is None:
        return "\N{EN DASH}"
    for unit, length in (("s", 1000.0), ("ms", 1.0)):
        if milliseconds >= length:
            return f"{milliseconds / length:.3g}\N{NO-BREAK SPACE}{unit}"
    return f"{milliseconds * 1000:.3g}\N{NO-BREAK SPACE}µs"


def age(written: str) -> str:
    """Return how long something has been there, in the two units that matter.

    :param written: seconds, as ``server:info`` writes them: ``12.5s``.
    """
    left = int(float(written.removesuffix("s"))) * 1000
    parts: list[str] = []
    for unit, length in LENGTHS[:-1]:
        number, left = divmod(left, length)
        if number or parts:
            parts.append(f"{number}\N{NO-BREAK SPACE}{unit}")
    return " ".join(parts[:2]) or "0\N{NO-BREAK SPACE}s"


def measured(number: int, unit: str) -> str:
    """Return a quantity as people read it: a duration exactly, a size rounded.

    :param unit: that of the number: ``ms``, or one of ``SIZES``.
    """
    if unit in SIZES:
        return do_filesizeformat(number * SIZES[unit], binary=True)
    parts: list[str] = []
    for name, length in LENGTHS:
        times, number = divmod(number, length)
        if times:
            parts.append(f"{times}\N{NO-BREAK SPACE}{name}")
    return " ".join(parts) or "0\N{NO-BREAK SPACE}s"


def hour(milliseconds: int) -> str:
    """Return the hour and minute of an instant, UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%H:%M")


def day_and_hour(milliseconds: int) -> str:
    """Return an instant with its day, UTC (ISO 8601)."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M")
