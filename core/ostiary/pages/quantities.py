"""Counts, durations and instants as people read them in plots and tables, in any language."""

from __future__ import annotations

from datetime import UTC, datetime


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
    left = int(float(written.removesuffix("s")))
    parts: list[str] = []
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        number, left = divmod(left, length)
        if number or parts:
            parts.append(f"{number}\N{NO-BREAK SPACE}{unit}")
    return " ".join(parts[:2]) or "0\N{NO-BREAK SPACE}s"


def hour(milliseconds: int) -> str:
    """Return the hour and minute of an instant, UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%H:%M")


def day_and_hour(milliseconds: int) -> str:
    """Return an instant with its day, UTC (ISO 8601)."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M")
