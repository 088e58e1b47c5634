"""Filters on documents as SQL.

A leaf on a property is ``id IN (ids with such a value)``, read from an index of
the values; only what is bound to equal a whole key of the index is looked up for
each document instead. So no plan of either database reads the values of a
property once for each document.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    ColumnElement,
    Float,
    Select,
    String,
    and_,
    case,
    exists,
    false,
    func,
    literal,
    or_,
    select,
    true,
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
    Test,
    Wildcard,
    Words,
)
from ostiary.services.search import sphere
from ostiary.services.search.collections import Collection
from ostiary.services.values import BEGINNING, LONGEST, text_of
from ostiary.storage.conditions import Condition, combined, is_number, matches, passes, within
from ostiary.storage.tables import search_values

SEPARATORS = "\t\n\r !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
"""What divides the words of a column, whose words are not stored."""

AFTER_THE_DOT = "/"
"""The character after ``.``: the paths within ``a`` lie between ``a.`` and ``a/``."""


def condition(collection: Collection, filter: Filter, id: ColumnElement[str]) -> Condition:
    """Return whether a filter holds for the document with an id."""
    return combined(filter, lambda leaf: _leaf(collection, leaf, id))


def is_single(collection: Collection, filter: Filter) -> bool:
    """Tell whether a filter is a single value of a field that has an index."""
    match filter:
        case Field(path, OneOf((_,))):
            return path in collection.lists or _is_property(collection, path)
        case _:
            return False


def values_of(
    collection: Collection, path: str, test: Test
) -> tuple[ColumnElement[str], Condition]:
    """Return the column of ids beside the values of a field, and which of them pass a test."""
    listed = collection.lists.get(path)
    if listed is not None:
        table = listed.table.alias()
        value = table.c[listed.value.name]
        return table.c[listed.id.name], passes(test, value)
    values = search_values.alias()
    here = and_(values.c.collection == collection.name, _at(values, path, test))
    return values.c.id, and_(here, _value_passes(test, values))


def _is_property(collection: Collection, path: str) -> bool:
    return collection.properties and path not in collection.columns


def _leaf(collection: Collection, leaf: Leaf, id: ColumnElement[str]) -> Condition:
    match leaf:
        case Ids(ids):
            return id.in_(ids)
        case Field("_id", test):
            return passes(test, id)
        case Field(path, test) if path in collection.columns:
            return _column_passes(collection, path, test)
        case Field(path) if path in collection.lists or collection.properties:
            return _some_value_passes(collection, leaf, id)
        case Box() | Ring() | Polygon() if collection.properties:
            return id.in_(_points(collection, leaf))
    return false()


def _some_value_passes(collection: Collection, leaf: Field, id: ColumnElement[str]) -> Condition:
    found, holds = values_of(collection, leaf.path, leaf.test)
    if is_single(collection, leaf):
        return exists(select(literal(1)).where(holds, found == id))
    return id.in_(select(found).where(holds))


def _column_passes(collection: Collection, path: str, test: Test) -> Condition:
    column = collection.columns[path]
    if isinstance(test, Words) and path in collection.worded:
        return _like_words(_spaced(column), test.words)
    return passes(test, column)


def _at(values: Any, path: str, test: Test) -> Condition:
    """Return which values stand at a path; an object is present if anything within it is."""
    if isinstance(test, Present):
        within_it = and_(values.c.path >= f"{path}.", values.c.path < path + AFTER_THE_DOT)
        return or_(values.c.path == path, within_it)
    here: Condition = values.c.path == path
    return here


def _value_passes(test: Test, values: Any) -> Condition:
    text: ColumnElement[str] = values.c.text
    found: Condition = true()
    match test:
        case OneOf((single,)):
            found = text == text_of(single)
        case OneOf(several):
            found = text.in_([text_of(one) for one in several])
        case Between():
            found = _lies_between(test, values)
        case Prefix(beginning, ignore_case=False):
            found = and_(text >= beginning, *_below(text, beginning))
        case Prefix() | Wildcard():
            found = matches(_readable(text), test)
        case Words(words):
            found = _has_words(words, values)
    return found


def _has_words(words: tuple[str, ...], values: Any) -> Condition:
    together = _like_words(values.c.words, words)
    if len(words) > 1:
        return together
    return or_(together, and_(values.c.words.is_(None), values.c.text == text_of(words[0])))


def _like_words(spaced: ColumnElement[str], words: tuple[str, ...]) -> Condition:
    return spaced.like(f"% {' '.join(words)} %")


def _lies_between(bounds: Between, values: Any) -> Condition:
    given = bounds.given()
    kinds = {is_number(one) for one in given.values()}
    if len(kinds) != 1:
        return false() if given else true()
    if kinds == {True}:
        return and_(values.c.number.is_not(None), within(given, values.c.number, Float))
    short = {name: text_of(one) for name, one in given.items()}
    return and_(values.c.number.is_(None), within(short, values.c.text, String))


def _below(text: ColumnElement[str], beginning: str) -> list[Condition]:
    """Return what bounds the texts with a beginning from above: nothing, if there is no such text."""
    while beginning:
        last = ord(beginning[-1]) + 1
        if last <= 0x10FFFF:  # noqa: PLR2004 - the last character of Unicode
            # UTF-8 has no surrogates.
            return [text < beginning[:-1] + chr(0xE000 if last == 0xD800 else last)]  # noqa: PLR2004
        beginning = beginning[:-1]
    return []


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


def _spaced(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return the words of a column between blanks, its ASCII letters in lower case."""
    text: ColumnElement[Any] = func.lower(column)
    for separator in SEPARATORS:
        text = func.replace(text, separator, " ")
    for _ in range(3):
        text = func.replace(text, "  ", " ")
    return literal(" ") + text + literal(" ")
