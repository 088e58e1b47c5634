"""Reading the parts of a filter that both languages share, and keeping count of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ostiary.filters import Between, Field, Filter, Ids, OneOf, Scalar, are_numbers, are_texts
from ostiary.services.values import BEGINNING, LONGEST_PATH

MOST_CLAUSES = 256
MOST_VALUES = 10_000
MOST_WORDS = 32
LONGEST_PATTERN = BEGINNING
MOST_WILDCARDS = 16
MOST_JOKERS = 8
ESCAPED = re.compile(r"\\.", re.DOTALL)
BOUNDS = ("gt", "gte", "lt", "lte")


class Malformed(Exception):
    """A part of a filter is not what it has to be.

    :ivar where: the clause or the member.
    :ivar wanted: what was wanted there.
    """

    def __init__(self, where: str, wanted: str) -> None:
        super().__init__(where, wanted)
        self.where, self.wanted = where, wanted


class Budget:
    """How much a filter may still hold (INP-15)."""

    def __init__(self) -> None:
        self._clauses, self._values = MOST_CLAUSES, MOST_VALUES
        self._wildcards = MOST_WILDCARDS

    def clause(self) -> None:
        """Count a clause."""
        self._clauses -= 1
        if self._clauses < 0:
            raise Malformed("query", f"at most {MOST_CLAUSES} clauses")

    def values(self, given: Sequence[Any]) -> None:
        """Count values."""
        self._values -= len(given)
        if self._values < 0:
            raise Malformed("query", f"at most {MOST_VALUES} values")

    def wildcard(self) -> None:
        """Count a pattern, which no index helps to compare (INP-18)."""
        self._wildcards -= 1
        if self._wildcards < 0:
            raise Malformed("wildcard", f"at most {MOST_WILDCARDS} wildcards in a query")


def single(where: str, value: Any) -> tuple[str, Any]:
    """Return the only member of an object."""
    if not isinstance(value, dict) or len(value) != 1:
        raise Malformed(where, "an object with one member")
    return next(iter(value.items()))


def mapping(where: str, value: Any) -> Mapping[str, Any]:
    """Return an object."""
    if not isinstance(value, dict):
        raise Malformed(where, "an object")
    return value


def text(where: str, value: Any) -> str:
    """Return a text."""
    if not isinstance(value, str):
        raise Malformed(where, "a text")
    return value


def scalar(where: str, value: Any) -> Scalar:
    """Return a text, a number or a boolean."""
    if not isinstance(value, bool | int | float | str):
        raise Malformed(where, "a text, a number or a boolean")
    return value


def number(where: str, value: Any) -> float:
    """Return a number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e300:  # noqa: PLR2004
        raise Malformed(where, "a number")
    return float(value)


def path(where: str, value: Any) -> str:
    """Return the path of a property."""
    if not isinstance(value, str) or not value or len(value.encode()) > LONGEST_PATH:
        raise Malformed(where, f"the path of a property, of at most {LONGEST_PATH} bytes")
    return value


def beginning(where: str, value: Any) -> str:
    """Return a prefix, short enough to be compared whole."""
    if len(text(where, value)) > LONGEST_PATTERN:
        raise Malformed(where, f"at most {LONGEST_PATTERN} characters")
    return str(value)


def pattern(where: str, value: Any, budget: Budget) -> str:
    """Return a pattern, simple enough to be matched in no time (INP-18)."""
    budget.wildcard()
    plain = ESCAPED.sub("", beginning(where, value))
    if plain.count("*") + plain.count("?") > MOST_JOKERS:
        raise Malformed(where, f'at most {MOST_JOKERS} times "*" or "?"')
    return str(value)


def one_of(where: str, name: Any, values: Any, budget: Budget) -> Filter:
    """Return the filter of a property that has one of several values."""
    if not isinstance(values, list):
        raise Malformed(where, "a list of values")
    budget.values(values)
    return Field(path(where, name), OneOf(tuple(scalar(where, value) for value in values)))


def ids(where: str, value: Any, budget: Budget) -> Filter:
    """Return the filter ``{"values": [...]}`` of ids."""
    values = mapping(where, value).get("values")
    values = [values] if isinstance(values, str) else values
    if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
        raise Malformed(f"{where}.values", "a list of ids")
    budget.values(values)
    return Ids(tuple(dict.fromkeys(values)))


def between(where: str, name: str, bounds: Mapping[str, Any]) -> Filter:
    """Return the filter of a property that lies within bounds; null is no bound."""
    read = {
        bound: scalar(f"{where}.{bound}", bounds[bound])
        for bound in BOUNDS
        if bounds.get(bound) is not None
    }
    for bound, limit in read.items():
        if isinstance(limit, bool):
            raise Malformed(f"{where}.{bound}", "a number or a text")
    if not (are_numbers(read.values()) or are_texts(read.values())):
        raise Malformed(where, "bounds that are all numbers, or all texts")
    return Field(path(where, name), Between(**read))
