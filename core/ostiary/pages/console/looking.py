"""What somebody looks for in a list, as the address of the page tells it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from urllib.parse import urlencode

from ostiary.pages.fields import Fields

DAY = timedelta(days=1)


def given(fields: Fields, names: Sequence[str]) -> dict[str, str]:
    """Return the fields that are filled in."""
    texts = {name: fields.text(name).strip() for name in names}
    return {name: text for name, text in texts.items() if text}


def address(path: str, *several: Mapping[str, object]) -> str:
    """Return the address of a page that looks for something."""
    query = urlencode({name: value for one in several for name, value in one.items()})
    return f"{path}?{query}" if query else path


def beginning(text: str) -> int | None:
    """Return when a day begins, in ms (UTC); None if it is none."""
    day = _day(text)
    return None if day is None else _instant(day)


def end(text: str) -> int | None:
    """Return when a day is over."""
    day = _day(text)
    return None if day is None or day == date.max else _instant(day + DAY)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _instant(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000
