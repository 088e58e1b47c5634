"""What a browser sends: the fields of a form, or of the query of an address."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

Given = Mapping[str, str | list[str]]

MOST_DIGITS = 15


class Fields:
    """Fields by name; each may be there several times."""

    def __init__(self, given: Given) -> None:
        self._given = given

    def text(self, name: str) -> str:
        """Return the last value of a field, as it was typed; nothing if it is not there."""
        values = self.all(name)
        return values[-1] if values else ""

    def all(self, name: str) -> list[str]:
        """Return every value of a field, in their order."""
        value = self._given.get(name, [])
        return value if isinstance(value, list) else [value]

    def number(self, name: str) -> int:
        """Return a field as a number that is not negative; what is none counts as 0."""
        value = self.text(name)
        short = value.isascii() and value.isdecimal() and len(value) <= MOST_DIGITS
        return int(value) if short else 0

    def __contains__(self, name: str) -> bool:
        return name in self._given

    def __iter__(self) -> Iterator[str]:
        return iter(self._given)
