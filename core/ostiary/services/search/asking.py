"""What a client may ask of a search: the members of its body, read and bounded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from ostiary import errors
from ostiary.filters import Filter, Order, Scalar, depth, every
from ostiary.services.search import elastic, reading
from ostiary.services.search.reading import Budget, Malformed

SortValue = Scalar | None


def _koncorde(query: Any, budget: Budget | None) -> Filter:
    # The language of subscriptions: few searches speak it, and its geometry is large.
    from ostiary.services.search import koncorde

    return koncorde.translate(query, budget)


LANGUAGES: Mapping[str, Callable[[Any, Budget | None], Filter]] = {
    "elasticsearch": elastic.translate,
    "koncorde": _koncorde,
}
READ = frozenset(
    {
        "query",
        "post_filter",
        "sort",
        "search_after",
        "from",
        "size",
        "track_total_hits",
    }
)
IGNORED = frozenset({"search_timeout", "_name"})
REFUSED = frozenset(
    [
        "aggregations",
        "aggs",
        "collapse",
        "explain",
        "fields",
        "highlight",
        "suggest",
        "_source",
        "_source_excludes",
        "_source_includes",
    ]
)
"""Members that Kuzzle lets through to Elasticsearch, and that are not spoken here."""

MOST_KEYS = 8
MOST_COUNTED = 2**31 - 1
DEEPEST = 9
"""Levels of a filter, once it is as flat as can be; SQLite cannot read much deeper conditions.

Another one is added where a filter is joined with others.
"""

SCRIPT = "script"


class Asked(Struct, frozen=True):
    """A search, read.

    :ivar after: a value for each key of the sort: the page begins after it.
    :ivar counted: documents after which no more are counted; None counts them all.
    """

    filter: Filter
    orders: tuple[Order, ...] = ()
    after: tuple[SortValue, ...] | None = None
    counted: int | None = None


def read(body: Mapping[str, Any], lang: str) -> Asked:
    """Return the search that a body asks for.

    :raises errors.InvalidSearchQuery: it has a member that no search has.
    :raises errors.InvalidQueryKeyword: it has a script, at any depth.
    :raises errors.UnsupportedSearch: it asks for something that is not done here.
    """
    refuse_scripts(body)
    for name in body:
        if name in REFUSED:
            raise errors.UnsupportedSearch(name)
        if name not in READ | IGNORED:
            raise errors.InvalidSearchQuery(name)
    orders = read_sort(body.get("sort"))
    budget = Budget()
    found = every(filter_of(body.get(name), lang, budget) for name in ("query", "post_filter"))
    counted = _counted(body.get("track_total_hits"))
    return Asked(found, orders, _after(body.get("search_after"), orders), counted)


def filter_of(query: Any, lang: str, budget: Budget | None = None) -> Filter:
    """Return the filter that a query asks for, in one of the two languages.

    :param budget: what it shares with other filters of the same search.
    :raises errors.InvalidArgument: there is no such language; or the filter is nested too deep.
    """
    translate = LANGUAGES.get(lang)
    if translate is None:
        raise errors.InvalidArgument("lang", '"elasticsearch" or "koncorde"')
    found = translate(query, budget)
    if depth(found) > DEEPEST:
        raise errors.InvalidArgument("body.query", f"at most {DEEPEST} clauses within one another")
    return found


def refuse_scripts(body: Any) -> None:
    """Refuse scripts wherever they stand, as Kuzzle does."""
    inner: Any = ()
    if isinstance(body, dict):
        if SCRIPT in body:
            raise errors.InvalidQueryKeyword(SCRIPT)
        inner = body.values()
    elif isinstance(body, list):
        inner = body
    for one in inner:
        if isinstance(one, dict | list):
            refuse_scripts(one)


def read_sort(sort: Any) -> tuple[Order, ...]:
    """Return the keys of a sort: a text, an object, or a list of both."""
    if sort is None:
        return ()
    try:
        orders = tuple(_orders(sort))
    except Malformed as fault:
        raise errors.InvalidArgument(f"body.{fault.where}", fault.wanted) from None
    if len(orders) > MOST_KEYS:
        raise errors.InvalidArgument("body.sort", f"at most {MOST_KEYS} keys")
    return orders


def _orders(sort: Any) -> Iterator[Order]:
    match sort:
        case str():
            yield _order(sort, "asc")
        case dict():
            for name, told in sort.items():
                yield _order(name, told)
        case list() if len(sort) <= MOST_KEYS:
            for one in sort:
                if isinstance(one, list):
                    raise Malformed("sort", "names and objects")
                yield from _orders(one)
        case _:
            raise Malformed("sort", f"a name, an object or a list of at most {MOST_KEYS}")


def _order(name: str, told: Any) -> Order:
    if name in ("_score", "_doc"):
        raise errors.UnsupportedSearch(f"sort.{name}")
    if isinstance(told, dict):
        for option in told:
            if option not in ("order", "unmapped_type"):
                raise errors.UnsupportedSearch(f"sort.{option}")
        told = told.get("order", "asc")
    if not isinstance(told, str) or told.lower() not in ("asc", "desc"):
        raise Malformed("sort", "asc, desc")
    return Order(reading.path("sort", name), told.lower() == "desc")


def _counted(value: Any) -> int | None:
    """Return how many documents to count at most; None: all."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise errors.InvalidType("body.track_total_hits", "integer")
    if not 0 <= value <= MOST_COUNTED:
        raise errors.InvalidArgument("body.track_total_hits", f"from 0 to {MOST_COUNTED}")
    return value


def _after(values: Any, orders: Sequence[Order]) -> tuple[SortValue, ...] | None:
    if values is None:
        return None
    if not isinstance(values, list):
        raise errors.InvalidType("body.search_after", "array")
    if not orders or len(values) != len(orders):
        raise errors.InvalidArgument("body.search_after", "a value for each key of the sort")
    for value in values:
        if value is not None and not isinstance(value, bool | int | float | str):
            raise errors.InvalidArgument("body.search_after", "texts, numbers, booleans and nulls")
    return tuple(values)
