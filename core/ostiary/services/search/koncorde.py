"""Koncorde, the filter language of Kuzzle's clients."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ostiary import errors
from ostiary.filters import Everything, Field, Filter, Not, Nothing, Present, every, neither, some
from ostiary.services.search import elastic, geography, reading
from ostiary.services.search.reading import Budget, Malformed

RESTRICTED = frozenset({"bool"})
"""Clauses that may not be passed through to Elasticsearch."""


def translate(filter: Any, budget: Budget | None = None) -> Filter:
    """Return the filter that a text of Koncorde asks for; an empty one asks for everything.

    :raises errors.KoncordeRestrictedKeyword: it has a clause that may not be used.
    :raises errors.FilterNotTranslated: a clause is malformed, or there is too much of something.
    """
    try:
        return Everything() if filter in (None, {}) else _clause(filter, budget or Budget())
    except Malformed as fault:
        raise errors.FilterNotTranslated(f"{fault.where}: wanted {fault.wanted}") from None


def _clause(filter: Any, budget: Budget) -> Filter:
    name, value = reading.single("clause", filter)
    if name in RESTRICTED:
        raise errors.KoncordeRestrictedKeyword("clause", name)
    read = CLAUSES.get(name)
    if read is None:
        # What Koncorde does not know is for Elasticsearch.
        return elastic.clause(filter, budget)
    budget.clause()
    return read(value, budget)


def _equals(value: Any, budget: Budget) -> Filter:
    name, wanted = reading.single("equals", value)
    return reading.one_of("equals", name, [wanted], budget)


def _in(value: Any, budget: Budget) -> Filter:
    name, values = reading.single("in", value)
    return reading.one_of("in", name, values, budget)


def _ids(value: Any, budget: Budget) -> Filter:
    return reading.ids("ids", value, budget)


def _exists(value: Any, _budget: Budget) -> Filter:
    return Field(_field("exists", value), Present())


def _missing(value: Any, _budget: Budget) -> Filter:
    return Not(Field(_field("missing", value), Present()))


def _range(value: Any, _budget: Budget) -> Filter:
    name, bounds = reading.single("range", value)
    for bound in reading.mapping("range", bounds):
        if bound not in reading.BOUNDS:
            raise Malformed(f"range.{bound}", "gt, gte, lt, lte")
    return reading.between("range", name, bounds)


def _and(value: Any, budget: Budget) -> Filter:
    return every(_several("and", value, budget))


def _or(value: Any, budget: Budget) -> Filter:
    return some(_several("or", value, budget))


def _not(value: Any, budget: Budget) -> Filter:
    return neither(_clause(value, budget))


def _everything(value: Any, _budget: Budget) -> Filter:
    reading.mapping("everything", value)
    return Everything()


def _nothing(value: Any, _budget: Budget) -> Filter:
    reading.mapping("nothing", value)
    return Nothing()


CLAUSES: Mapping[str, Callable[[Any, Budget], Filter]] = {
    "equals": _equals,
    "in": _in,
    "ids": _ids,
    "exists": _exists,
    "missing": _missing,
    "range": _range,
    "and": _and,
    "or": _or,
    "not": _not,
    "everything": _everything,
    "nothing": _nothing,
    "geoBoundingBox": geography.box,
    "geoDistance": geography.distance,
    "geoDistanceRange": geography.distance_range,
    "geoPolygon": geography.polygon,
}


def _several(name: str, value: Any, budget: Budget) -> list[Filter]:
    if not isinstance(value, list) or not value:
        raise Malformed(name, "a list of filters")
    return [_clause(one, budget) for one in value]


def _field(name: str, value: Any) -> str:
    """Return the property that ``exists`` names, in either form."""
    given = value if isinstance(value, str) else reading.mapping(name, value).get("field")
    return reading.path(name, given)
