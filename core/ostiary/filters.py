"""What a search looks for, whichever language it was written in.

A filter is a tree: ``All``, ``Some`` and ``Not`` over leaves. ``Field`` is the
leaf that plugins meet: some value of a property passes a test.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import TypeGuard

from msgspec import Struct

Scalar = bool | int | float | str

WORD = re.compile(r"[^\W_]+")
NUMBER = re.compile(r"-?[0-9]{1,400}(\.[0-9]{1,400})?([eE][+-]?[0-9]{1,9})?")


class OneOf(Struct, frozen=True):
    """The value is one of these; ``42`` and ``"42"`` are alike."""

    values: tuple[Scalar, ...]


class Present(Struct, frozen=True):
    """There is a value."""


class Between(Struct, frozen=True, kw_only=True):
    """The value lies within bounds: numbers within numbers, texts within texts.

    Bounds that are texts, and read as numbers, are for both.
    """

    gt: Scalar | None = None
    gte: Scalar | None = None
    lt: Scalar | None = None
    lte: Scalar | None = None

    def given(self) -> dict[str, Scalar]:
        """Return the bounds that there are, by name."""
        named = (("gt", self.gt), ("gte", self.gte), ("lt", self.lt), ("lte", self.lte))
        return {name: bound for name, bound in named if bound is not None}


class Prefix(Struct, frozen=True):
    """The value begins so; ``ignore_case`` is for ASCII letters."""

    text: str
    ignore_case: bool = False


class Wildcard(Struct, frozen=True):
    """The whole value matches: ``*`` is any text, ``?`` any character; a backslash escapes."""

    pattern: str
    ignore_case: bool = False


class Words(Struct, frozen=True):
    """These words, folded, stand side by side in the value."""

    words: tuple[str, ...]


Test = OneOf | Present | Between | Prefix | Wildcard | Words


class Everything(Struct, frozen=True):
    """Every document."""


class Nothing(Struct, frozen=True):
    """No document."""


class Ids(Struct, frozen=True):
    """The documents with these ids."""

    values: tuple[str, ...]


class Field(Struct, frozen=True):
    """Some value at a path, ``address.city``, passes a test."""

    path: str
    test: Test


class Box(Struct, frozen=True):
    """The point at a path lies between two parallels and two meridians, in degrees."""

    path: str
    top: float
    left: float
    bottom: float
    right: float


class Ring(Struct, frozen=True):
    """The point at a path lies so far from a centre, in metres."""

    path: str
    latitude: float
    longitude: float
    least: float
    most: float


class Polygon(Struct, frozen=True):
    """The point at a path lies within a polygon of (latitude, longitude)."""

    path: str
    points: tuple[tuple[float, float], ...]


class All(Struct, frozen=True):
    """Every filter holds."""

    filters: tuple[Filter, ...]


class Some(Struct, frozen=True):
    """At least so many of the filters hold."""

    filters: tuple[Filter, ...]
    least: int = 1


class Not(Struct, frozen=True):
    """The filter does not hold."""

    filter: Filter


Leaf = Ids | Field | Box | Ring | Polygon
Filter = Everything | Nothing | Leaf | All | Some | Not


class Order(Struct, frozen=True):
    """One key of a sort."""

    path: str
    descending: bool = False


def every(filters: Iterable[Filter]) -> Filter:
    """Return the filter that holds where all hold, as flat as can be."""
    parts: list[Filter] = []
    for one in filters:
        match one:
            case All(inner):
                parts += inner
            case Nothing():
                return one
            case Everything():
                pass
            case _:
                parts.append(one)
    if not parts:
        return Everything()
    return parts[0] if len(parts) == 1 else All(tuple(parts))


def some(filters: Iterable[Filter], least: int = 1) -> Filter:
    """Return the filter that holds where at least so many hold, as flat as can be."""
    parts = tuple(filters)
    if least == 1:
        alternatives = (one.filters if _is_any(one) else (one,) for one in parts)
        parts = tuple(chain.from_iterable(alternatives))
    if least <= 0:
        return Everything()
    if least > len(parts):
        return Nothing()
    if least == len(parts):
        return every(parts)
    return Some(parts, least)


def neither(filter: Filter) -> Filter:
    """Return the filter that holds where another does not."""
    return filter.filter if isinstance(filter, Not) else Not(filter)


def leaves(filter: Filter) -> Iterator[Leaf]:
    """Yield every leaf of a filter."""
    match filter:
        case All(filters) | Some(filters):
            for one in filters:
                yield from leaves(one)
        case Not(inner):
            yield from leaves(inner)
        case Everything() | Nothing():
            pass
        case _:
            yield filter


def depth(filter: Filter) -> int:
    """Return how many ``All``, ``Some`` and ``Not`` stand in one another."""
    match filter:
        case All(filters) | Some(filters):
            return 1 + max(map(depth, filters), default=0)
        case Not(inner):
            return 1 + depth(inner)
        case _:
            return 0


def changed(filter: Filter, change: Callable[[Leaf], Filter]) -> Filter:
    """Return a filter with every leaf replaced by what a function makes of it."""
    match filter:
        case All(filters):
            return All(tuple(changed(one, change) for one in filters))
        case Some(filters, least):
            return Some(tuple(changed(one, change) for one in filters), least)
        case Not(inner):
            return Not(changed(inner, change))
        case Everything() | Nothing():
            return filter
        case _:
            return change(filter)


def as_text(value: Scalar) -> str:
    """Return a value as the text that is compared."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    whole = isinstance(value, int) or value.is_integer()
    return str(int(value)) if whole else repr(value)


def as_number(value: Scalar) -> int | float | None:
    """Return a bound as the number that is compared, or None if it does not read as one."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        return float(value) if NUMBER.fullmatch(value) else None
    return value


def are_numbers(bounds: Iterable[Scalar]) -> bool:
    """Tell whether all bounds read as numbers."""
    return all(as_number(bound) is not None for bound in bounds)


def are_texts(bounds: Iterable[Scalar]) -> bool:
    """Tell whether all bounds are texts."""
    return all(isinstance(bound, str) for bound in bounds)


def words_of(text: str) -> tuple[str, ...]:
    """Return the words of a text, folded: letters and digits, compatible forms and case alike."""
    return tuple(WORD.findall(unicodedata.normalize("NFKC", text).casefold()))


def _is_any(filter: Filter) -> TypeGuard[Some]:
    return isinstance(filter, Some) and filter.least == 1
