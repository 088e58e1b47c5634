"""What a browser sends: the fields of a form, or of the query of an address."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ostiary import errors
from ostiary.body import acceptable
from ostiary.http_parts import read_query
from ostiary.request import Connection

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


def form_fields(verb: str, content: Any, connection: Connection) -> Fields:
    """Return the fields of a form: what is only looked at has none, whatever came with it."""
    sent = verb == "POST" and connection.sends_form and isinstance(content, dict)
    return Fields(content if sent else {})


def query_fields(query: bytes) -> Fields:
    """Return the fields of a query; what cannot be read says nothing, the page is there without it."""
    try:
        given = read_query(query) if query else {}
    except errors.OstiaryError:
        given = {}
    return Fields({name: value for name, value in given.items() if _can_be_kept(name, value)})


def _can_be_kept(name: str, value: str | list[str]) -> bool:
    """Tell whether every database takes a field, as the adapters see to for requests."""
    return all(map(acceptable, (name, *(value if isinstance(value, list) else (value,)))))
