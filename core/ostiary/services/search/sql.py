"""Filters on documents as SQL.

A leaf on a property is ``id IN (the list of ids with such a value)``, which an index
holds. Where few documents are left and the list is long, the values of each
document are looked at instead; they lie side by side.
"""

from __future__ import annotations

import itertools
from collections.abc import Container, Mapping
from typing import Any

from msgspec import Struct
from sqlalchemy import (
    ColumnElement,
    Float,
    FromClause,
    Select,
    String,
    and_,
    case,
    false,
    func,
    literal,
    not_,
    or_,
    select,
    true,
    union_all,
)

from ostiary.filters import (
    Between,
    Box,
    Field,
    Filter,
    Ids,
    Leaf,
    OneOf,
    Polygon,
    Prefix,
    Present,
    Ring,
    Scalar,
    Test,
    Wildcard,
    Words,
    are_numbers,
    are_texts,
)
from ostiary.services.search import ranges, sphere
from ostiary.services.search.collections import Collection
from ostiary.services.values import BEGINNING, BOOLEANS, LONGEST, text_of
from ostiary.storage.conditions import COMPARISONS, Condition, combined, matches, passes, within
from ostiary.storage.tables import search_values

MOST_JOINED = 8
"""Leaves that the database may begin with, as it likes; the others are asked of each document."""

AFTER_THE_DOT = "/"
"""The character after ``.``: the paths within ``a`` lie between ``a.`` and ``a/``."""


def condition(
    collection: Collection, filter: Filter, id: ColumnElement[str], long: Container[Filter] = ()
) -> Condition:
    """Return whether a filter holds for the document with an id.

    :param long: the leaves whose lists are too long to be read.
    """
    number = itertools.count()

    def leaf(one: Leaf) -> Condition:
        found = _leaf(collection, one, id, long)
        # PostgreSQL would plan long over which of very many lists to join first.
        return found if next(number) < MOST_JOINED else case((found, 1), else_=0) == 1

    return combined(filter, leaf)


def is_listed(collection: Collection, leaf: Field) -> bool:
    """Tell whether there is a list of the values of a field: it is no column."""
    return leaf.path in collection.lists or (
        collection.properties and not collection.reads(leaf.path)
    )


def is_single(leaf: Field) -> bool:
    """Tell whether one value at most of a document passes; a list of such is in order of ids."""
    match leaf:
        case Field(ranges.ANY | ranges.EVERYWHERE, _):
            return False
        case Field(_, OneOf((_,))):
            return True
        case _:
            return False


def values_of(
    collection: Collection, leaf: Field, *, beside: bool = False
) -> tuple[ColumnElement[str], Condition]:
    """Return the column of ids beside the values of a field, and which of them pass a test.

    :param beside: read those of one document, not those of all.
    """
    path, test = leaf.path, leaf.test
    listed = collection.lists.get(path)
    if listed is not None:
        table = listed.table.alias()
        value = table.c[listed.value.name]
        return table.c[listed.id.name], passes(test, value)
    values = search_values.alias()
    text, number = (
        (values.c.text, values.c.number) if not beside or is_single(leaf) else unindexed(values)
    )
    here = values.c.collection == collection.name
    if path not in (ranges.ANY, ranges.EVERYWHERE):
        here = and_(here, _is_at(values.c.path, path, test))
    elif path == ranges.ANY and not beside:
        here = and_(here, values.c.path.in_(ranges.paths(collection.name)))
    here = and_(here, _Value(text, number, values.c.words).passes(test))
    match test:
        case Prefix(beginning, ignore_case=True) if not beside and path != ranges.EVERYWHERE:
            # One statement for each range is what either database asks its index for.
            each = [select(values.c.id).where(here, one) for one in ranges.spelt(text, beginning)]
            found = union_all(*each).subquery("spellings")
            return found.c.id, true()
    return values.c.id, here


def unindexed(values: FromClause) -> tuple[ColumnElement[str], ColumnElement[float]]:
    """Return the texts and the numbers of values as expressions, which have no index.

    What is left to find them by is where they lie: beside the other values of a document.
    """
    return values.c.text.concat(""), values.c.number + 0.0


def _leaf(
    collection: Collection, leaf: Leaf, id: ColumnElement[str], long: Container[Filter]
) -> Condition:
    match leaf:
        case Ids(ids):
            return id.in_(ids)
        case Field("_id", test):
            return passes(test, id)
        case Field(path, test) if collection.reads(path):
            return _column_passes(collection, path, test)
        case Field() if is_listed(collection, leaf):
            return _some_value_passes(collection, leaf, id, beside=leaf in long)
        case Box() | Ring() | Polygon() if collection.properties:
            return id.in_(_points(collection, leaf))
    return false()


def _column_passes(collection: Collection, path: str, test: Test) -> Condition:
    """Return whether a column passes; an object of columns can only be there, as any of them is."""
    if path in collection.columns:
        return passes(test, collection.columns[path])
    if not isinstance(test, Present):
        return false()
    return or_(*(collection.columns[name].is_not(None) for name in collection.inner(path)))


def _some_value_passes(
    collection: Collection, leaf: Field, id: ColumnElement[str], *, beside: bool
) -> Condition:
    found, holds = values_of(collection, leaf, beside=beside)
    if beside:
        # Of EXISTS PostgreSQL would make a list after all.
        one = select(literal(1)).where(holds, found == id).limit(1)
        return one.scalar_subquery().is_not(None)
    return id.in_(select(found).where(holds))


def _is_at(column: ColumnElement[str], path: str, test: Test) -> Condition:
    """Return which values stand at a path; an object is present if anything within it is."""
    here = column == path
    if isinstance(test, Present):
        return or_(here, and_(column >= f"{path}.", column < path + AFTER_THE_DOT))
    return here


class _Value(Struct, frozen=True):
    """The columns of a value of a property."""

    text: ColumnElement[str]
    number: ColumnElement[float]
    words: ColumnElement[str]

    def passes(self, test: Test) -> Condition:
        found: Condition = true()
        match test:
            case OneOf((single,)):
                found = self.text == text_of(single)
            case OneOf(several):
                found = self.text.in_([text_of(one) for one in several])
            case Between():
                found = self._lies_within(test.given())
            case Prefix(beginning, ignore_case=False):
                found = and_(self.text >= beginning, *_below(self.text, beginning))
            case Prefix() | Wildcard():
                found = matches(_readable(self.text), test)
            case Words(words):
                found = self._has(words)
        return found

    def _has(self, words: tuple[str, ...]) -> Condition:
        together = _like_words(self.words, words)
        if len(words) > 1:
            return together
        return or_(together, and_(self.words.is_(None), self.text == text_of(words[0])))

    def _lies_within(self, given: Mapping[str, Scalar]) -> Condition:
        if not given:
            return true()
        kinds: list[Condition] = []
        if are_numbers(given.values()):
            kinds.append(and_(self.number.is_not(None), within(given, self.number, Float)))
        if are_texts(given.values()):
            short = {name: text_of(one) for name, one in given.items()}
            here = within(short, self.text, String)
            kinds.append(and_(self.number.is_(None), here, *self._is_no_boolean(short)))
        return or_(false(), *kinds)

    def _is_no_boolean(self, bounds: Mapping[str, str]) -> list[Condition]:
        """Return what booleans lack, as far as they lie within bounds at all."""
        near = [
            text
            for text in BOOLEANS
            if all(COMPARISONS[name](text, bound) for name, bound in bounds.items())
        ]
        return [not_(and_(self.text.in_(near), self.words.is_(None)))] if near else []


def _like_words(spaced: ColumnElement[str], words: tuple[str, ...]) -> Condition:
    return spaced.like(f"% {' '.join(words)} %")


def _below(text: ColumnElement[str], beginning: str) -> list[Condition]:
    """Return what bounds the texts with a beginning from above: nothing, if there is no such text."""
    end = ranges.end_of(beginning)
    return [] if end is None else [text < end]


def _readable(text: ColumnElement[str]) -> ColumnElement[str]:
    """Return what is known of a text letter by letter: of a long one, the beginning."""
    return case((func.length(text) < LONGEST, text), else_=func.substr(text, 1, BEGINNING))


def _points(collection: Collection, leaf: Box | Ring | Polygon) -> Select[Any]:
    """Return the ids of the documents whose point lies there."""
    latitude, longitude = search_values.alias(), search_values.alias()
    return select(latitude.c.id).where(
        latitude.c.collection == collection.name,
        latitude.c.path == f"{leaf.path}.lat",
        latitude.c.number.is_not(None),
        longitude.c.collection == collection.name,
        longitude.c.id == latitude.c.id,
        longitude.c.path == f"{leaf.path}.lon",
        longitude.c.number.is_not(None),
        sphere.lies(leaf, latitude.c.number, longitude.c.number),
    )
