"""How a duration is written, for settings and for the ``expiresIn`` of the API."""

from __future__ import annotations

import re

ENDLESS = -1

# In milliseconds.
SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
_UNITS = (
    (1, ("", "ms", "msec", "msecs", "millisecond", "milliseconds")),
    (SECOND, ("s", "sec", "secs", "second", "seconds")),
    (MINUTE, ("m", "min", "mins", "minute", "minutes")),
    (HOUR, ("h", "hr", "hrs", "hour", "hours")),
    (DAY, ("d", "day", "days")),
    (7 * DAY, ("w", "week", "weeks")),
    (DAY * 365 + DAY // 4, ("y", "yr", "yrs", "year", "years")),
)
_MILLISECONDS = {name: size for size, names in _UNITS for name in names}

_WRITTEN = re.compile(r"([0-9]*\.?[0-9]+) *([a-z]*)", re.IGNORECASE)
_LONGEST_TEXT = 100
# Beyond it, now + duration is no longer an instant that JavaScript can name.
_LONGEST = 2**52


def duration(value: float | str) -> int:
    """Return milliseconds, or ``ENDLESS`` for -1.

    A number, or a text of digits, is in milliseconds; ``"2h"``, ``"1.5 days"``
    and the like name their unit.

    :raises ValueError: it is neither, is zero or negative, or is too long.
    """
    if value in (ENDLESS, str(ENDLESS)):
        return ENDLESS
    milliseconds = _read(value) if isinstance(value, str) else _whole(value)
    if not 0 < milliseconds <= _LONGEST:
        raise ValueError("a duration must be longer than nothing and shorter than ages")
    return round(milliseconds)


def _read(text: str) -> float:
    written = _WRITTEN.fullmatch(text) if len(text) <= _LONGEST_TEXT else None
    unit = _MILLISECONDS.get(written[2].lower()) if written else None
    if written is None or unit is None:
        raise ValueError("not the text of a duration")
    milliseconds = float(written[1]) * unit
    return 0 if milliseconds < 1 else milliseconds


def _whole(number: object) -> float:
    # bool is an int to isinstance, and True is no millisecond; NaN compares unequal to itself.
    if type(number) not in (int, float) or number % 1 != 0:  # type: ignore[operator]
        raise ValueError("not a whole number of milliseconds")
    return number  # type: ignore[return-value]
