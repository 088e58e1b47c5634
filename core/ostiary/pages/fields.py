"""What a browser sends: the fields of a form, or of the query of an address."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

Given = Mapping[str, str | list[str]]

MOST_DIGITS = 15


class Fields:
    """Fields by name; each may be there several times."""

    def __init__(self, given: Given) -> None:
        self._given = given

    def text(self, name: str, absent: str = "") -> str:
        """Return the last value of a field, as it was typed."""
        values = self.all(name)
        return values[-1] if values else absent

    def all(self, name: str) -> list[str]:
        """Return every value of a field, in their order."""
        value = self._given.get(name, [])
        return value if isinstance(value, list) else [value]

    def number(self, name: str, absent: int = 0) -> int:
        """Return a field as a number that is not negative; what is none counts as absent."""
        value = self.text(name)
        return (
            int(value)
            if value.isascii() and value.isdecimal() and len(value) <= MOST_DIGITS
            else absent
        )

    def __contains__(self, name: str) -> bool:
        return name in self._given

    def __iter__(self) -> Iterator[str]:
        return iter(self._given)
