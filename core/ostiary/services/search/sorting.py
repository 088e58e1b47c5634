"""The keys that documents are sorted by, and where a page begins.

A property has many values, of which the least counts, or the greatest where the
order is descending. Numbers go before texts, and both before nothing. One value
tells where a document stands, so it can be the beginning of the next page.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Float,
    FromClause,
    Integer,
    String,
    Subquery,
    UnaryExpression,
    and_,
    case,
    cast,
    false,
    func,
    literal,
    or_,
    select,
    true,
)

from ostiary import errors
from ostiary.filters import Order, as_text
from ostiary.services.search.asking import SortValue
from ostiary.services.search.collections import Collection
from ostiary.services.search.sql import unindexed
from ostiary.services.values import number_of, text_of
from ostiary.storage.conditions import Condition
from ostiary.storage.tables import search_values

MOST_EXACT = 2**53
"""Up to here a number says which integer it is."""


class Key(Struct, frozen=True):
    """What an order compares: a number if there is one, else a text.

    :ivar number: None where there is never a number beside a text.
    :ivar beside: what holds both for every document, to be joined by ``id``.
    """

    value: ColumnElement[Any]
    descending: bool = False
    number: ColumnElement[float] | None = None
    nullable: bool = True
    beside: Subquery | None = None

    @property
    def parts(self) -> list[ColumnElement[Any]]:
        """What a row has to bring to know its place."""
        return [self.value] if self.number is None else [self.number, self.value]

    def read(self, parts: Sequence[Any]) -> SortValue:
        """Return the place of a row, given its parts."""
        found: SortValue = next((part for part in parts if part is not None), None)
        return found

    def order_by(self) -> list[UnaryExpression[Any] | ColumnElement[Any]]:
        """Return the order."""
        turned = [part.desc() if self.descending else part.asc() for part in self.parts]
        return [one.nulls_last() for one in turned] if self.nullable else list(turned)

    def after(self, value: SortValue) -> Condition:
        """Return which rows come after a place."""
        if value is None:
            return false()
        if self.number is not None and number_of(value) is not None:
            return or_(self._beyond(self.number, value), self.number.is_(None))
        beyond = self._beyond(self.value, value)
        rest = or_(beyond, self.value.is_(None)) if self.nullable else beyond
        return rest if self.number is None else and_(self.number.is_(None), rest)

    def since(self, value: SortValue) -> Condition:
        """Return which rows may be at a place or after it, as one bound, if there is one."""
        if self.nullable:
            return true()
        if value is None:
            return false()
        bound = self._bound(self.value, value)
        return self.value <= bound if self.descending else self.value >= bound

    def same(self, value: SortValue) -> Condition:
        """Return which rows are at a place."""
        if self.number is not None and value is not None and number_of(value) is not None:
            return self.number == self._bound(self.number, value)
        here: Condition = self.value.is_(None)
        if value is not None:
            here = self.value == self._bound(self.value, value)
        return here if self.number is None else and_(self.number.is_(None), here)

    def _beyond(self, part: ColumnElement[Any], value: SortValue) -> Condition:
        bound = self._bound(part, value)
        return part < bound if self.descending else part > bound

    def _bound(self, part: ColumnElement[Any], value: SortValue) -> ColumnElement[Any]:
        assert value is not None
        if not isinstance(part.type, Integer | Float):
            text = as_text(value) if self.number is None else text_of(value)
            return literal(text, String)
        number = None if isinstance(value, bool | str) else number_of(value)
        if number is None:
            raise errors.InvalidArgument("body.search_after", "a number where numbers are sorted")
        if isinstance(part.type, Integer) and number.is_integer() and abs(number) < MOST_EXACT:
            # PostgreSQL has no index of integers for what is none.
            return literal(int(number), BigInteger)
        return literal(number, Float)


def keys_of(
    collection: Collection, orders: Sequence[Order], id: ColumnElement[str], *, narrow: bool
) -> list[Key]:
    """Return the keys of a sort; the last one, if not another, is the id, so that no two are equal.

    :param narrow: few documents are sorted; look at the values of each.
    """
    keys = [_key(collection, order, id, narrow=narrow) for order in orders]
    if not any(order.path == "_id" for order in orders):
        keys.append(Key(id, nullable=False))
    return keys


def after(keys: Sequence[Key], values: Sequence[SortValue]) -> Condition:
    """Return which rows come after a place, told by a value for each of the first keys."""
    equal: list[Condition] = []
    found: list[Condition] = []
    for key, value in zip(keys, values, strict=False):
        found.append(and_(*equal, key.after(value)))
        equal.append(key.same(value))
    # Where an index begins; with the rest alone it would be read up to there.
    return and_(keys[0].since(values[0]), or_(*found))


def _key(collection: Collection, order: Order, id: ColumnElement[str], *, narrow: bool) -> Key:
    path, descending = order.path, order.descending
    if path == "_id":
        return Key(id, descending, nullable=False)
    if path in collection.columns:
        column = collection.columns[path]
        return Key(column, descending, nullable=getattr(column, "nullable", True))
    extreme = func.max if descending else func.min
    if path in collection.lists:
        listed = collection.lists[path]
        least = select(extreme(listed.value)).where(listed.id == id)
        return Key(least.scalar_subquery(), descending)
    if not collection.properties:
        raise errors.InvalidArgument("body.sort", "a field of the documents")
    return (_looked_up if narrow else _joined)(collection, order, id)


def _looked_up(collection: Collection, order: Order, id: ColumnElement[str]) -> Key:
    values, here = _values_at(collection, order.path)
    text, number = unindexed(values)
    text, number = _extremes(order, text, number)
    of_this = here & (values.c.id == id)
    return Key(
        select(text).where(of_this).scalar_subquery(),
        order.descending,
        select(number).where(of_this).scalar_subquery(),
    )


def _joined(collection: Collection, order: Order, _id: ColumnElement[str]) -> Key:
    values, here = _values_at(collection, order.path)
    text, number = _extremes(order, values.c.text, values.c.number)
    # In the order of the ids themselves SQLite would read the values of all properties.
    id = cast(values.c.id.concat(""), String)
    wanted = select(id.label("id"), text.label("text"), number.label("number"))
    beside = wanted.where(here).group_by(id).subquery()
    return Key(beside.c.text, order.descending, beside.c.number, beside=beside)


def _values_at(collection: Collection, path: str) -> tuple[FromClause, Condition]:
    values = search_values.alias()
    return values, and_(values.c.collection == collection.name, values.c.path == path)


def _extremes(
    order: Order, text: ColumnElement[str], number: ColumnElement[float]
) -> tuple[ColumnElement[str], ColumnElement[float]]:
    """Return the text and the number that count among the values of a document: one is NULL."""
    extreme = func.max if order.descending else func.min
    return case((func.count(number) == 0, extreme(text))), extreme(number)
