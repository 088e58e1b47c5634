"""The part of Elasticsearch's query language that is spoken here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ostiary import errors
from ostiary.filters import (
    Everything,
    Field,
    Filter,
    Nothing,
    OneOf,
    Prefix,
    Present,
    Scalar,
    Wildcard,
    Words,
    as_text,
    every,
    neither,
    some,
    words_of,
)
from ostiary.services.search import reading
from ostiary.services.search.reading import MOST_WORDS, Budget, Malformed

UNSCORED = frozenset({"boost", "_name"})
"""Members that change the score of a document, which nothing here has."""

REFUSED = frozenset(
    [
        "boosting",
        "combined_fields",
        "common",
        "constant_score",
        "dis_max",
        "distance_feature",
        "exists_field",
        "function_score",
        "fuzzy",
        "geo_bounding_box",
        "geo_distance",
        "geo_grid",
        "geo_polygon",
        "geo_shape",
        "has_child",
        "has_parent",
        "intervals",
        "knn",
        "match_bool_prefix",
        "match_phrase_prefix",
        "more_like_this",
        "multi_match",
        "nested",
        "parent_id",
        "percolate",
        "pinned",
        "query_string",
        "rank_feature",
        "regexp",
        "rule",
        "script_score",
        "semantic",
        "shape",
        "simple_query_string",
        "span_containing",
        "span_first",
        "span_multi",
        "span_near",
        "span_not",
        "span_or",
        "span_term",
        "span_within",
        "sparse_vector",
        "terms_set",
        "text_expansion",
        "type",
        "weighted_tokens",
        "wrapper",
    ]
)
"""Clauses of Elasticsearch that are not spoken here."""


def translate(query: Any, budget: Budget | None = None) -> Filter:
    """Return the filter that a query asks for; an empty one asks for everything.

    :raises errors.UnknownQueryKeyword: it has a clause that Elasticsearch does not know.
    :raises errors.UnsupportedSearch: it has one that is not spoken here.
    :raises errors.InvalidArgument: a clause is malformed, or there is too much of something.
    """
    try:
        return Everything() if query in (None, {}) else clause(query, budget or Budget())
    except Malformed as fault:
        raise errors.InvalidArgument(f"body.query: {fault.where}", fault.wanted) from None


def clause(query: Any, budget: Budget) -> Filter:
    """Return the filter of one clause, ``{"term": ...}``.

    :raises Malformed: it is not what it has to be.
    """
    name, value = reading.single("clause", query)
    read = CLAUSES.get(name)
    if read is None:
        if name in REFUSED:
            raise errors.UnsupportedSearch(name)
        raise errors.UnknownQueryKeyword(name)
    budget.clause()
    return read(value, budget)


def _match_all(value: Any, _budget: Budget) -> Filter:
    _only("match_all", reading.mapping("match_all", value), set())
    return Everything()


def _match_none(value: Any, _budget: Budget) -> Filter:
    _only("match_none", reading.mapping("match_none", value), set())
    return Nothing()


def _ids(value: Any, budget: Budget) -> Filter:
    _only("ids", reading.mapping("ids", value), {"values"})
    return reading.ids("ids", value, budget)


def _term(value: Any, budget: Budget) -> Filter:
    name, told = _told("term", value, "value", {"case_insensitive"})
    if told.get("case_insensitive"):
        raise errors.UnsupportedSearch("term.case_insensitive")
    return reading.one_of("term", name, [told["value"]], budget)


def _terms(value: Any, budget: Budget) -> Filter:
    fields = {
        name: values
        for name, values in reading.mapping("terms", value).items()
        if name not in UNSCORED
    }
    name, values = reading.single("terms", fields)
    if isinstance(values, dict):
        raise errors.UnsupportedSearch("terms lookup")
    return reading.one_of("terms", name, values, budget)


def _match(value: Any, budget: Budget) -> Filter:
    allowed = {"operator", "minimum_should_match", "lenient"}
    name, told = _told("match", value, "query", allowed)
    path, given = reading.path("match", name), reading.scalar("match", told["query"])
    found = [Field(path, Words((word,))) for word in _words("match", given, budget)]
    operator = str(told.get("operator", "or")).lower()
    if operator not in ("or", "and"):
        raise Malformed("match.operator", "or, and")
    least = len(found) if operator == "and" else 1
    if "minimum_should_match" in told:
        least = max(_least("match", told["minimum_should_match"], len(found)), 1)
    whole = Field(path, OneOf((given,)))
    return some([whole, some(found, least)]) if found else whole


def _match_phrase(value: Any, budget: Budget) -> Filter:
    name, told = _told("match_phrase", value, "query", set())
    path, given = reading.path("match_phrase", name), reading.scalar("match_phrase", told["query"])
    words = _words("match_phrase", given, budget)
    whole = Field(path, OneOf((given,)))
    return some([whole, Field(path, Words(words))]) if words else whole


def _exists(value: Any, _budget: Budget) -> Filter:
    members = reading.mapping("exists", value)
    _only("exists", members, {"field"})
    return Field(reading.path("exists.field", members.get("field")), Present())


def _range(value: Any, _budget: Budget) -> Filter:
    name, bounds = reading.single("range", _without_scores("range", value))
    _only("range", reading.mapping("range", bounds), set(reading.BOUNDS))
    return reading.between("range", name, bounds)


def _prefix(value: Any, _budget: Budget) -> Filter:
    name, told = _told("prefix", value, "value", {"case_insensitive", "rewrite"})
    beginning = reading.beginning("prefix", told["value"])
    test = Prefix(beginning, ignore_case=told.get("case_insensitive") is True)
    return Field(reading.path("prefix", name), test)


def _wildcard(value: Any, budget: Budget) -> Filter:
    name, told = _told("wildcard", value, "value", {"case_insensitive", "rewrite", "wildcard"})
    pattern = reading.pattern("wildcard", told["value"], budget)
    test = Wildcard(pattern, ignore_case=told.get("case_insensitive") is True)
    return Field(reading.path("wildcard", name), test)


def _bool(value: Any, budget: Budget) -> Filter:
    members = reading.mapping("bool", value)
    parts = ("must", "filter", "should", "must_not")
    _only("bool", members, {*parts, "minimum_should_match", "adjust_pure_negative"})
    must, filter_, should, must_not = (_clauses(part, members, budget) for part in parts)
    least = 0 if must or filter_ or not should else 1
    if "minimum_should_match" in members:
        least = _least("bool", members["minimum_should_match"], len(should))
    return every([*must, *filter_, some(should, least), *(neither(one) for one in must_not)])


CLAUSES: Mapping[str, Callable[[Any, Budget], Filter]] = {
    "match_all": _match_all,
    "match_none": _match_none,
    "ids": _ids,
    "term": _term,
    "terms": _terms,
    "match": _match,
    "match_phrase": _match_phrase,
    "exists": _exists,
    "range": _range,
    "prefix": _prefix,
    "wildcard": _wildcard,
    "bool": _bool,
}


def _clauses(part: str, members: Mapping[str, Any], budget: Budget) -> list[Filter]:
    given = members.get(part, [])
    return [clause(one, budget) for one in (given if isinstance(given, list) else [given])]


def _least(where: str, value: Any, number: int) -> int:
    """Return how many of so many have to hold; a negative number is how many need not."""
    try:
        wanted = int(value) if isinstance(value, int | str) and len(str(value)) < 9 else None  # noqa: PLR2004
    except ValueError:
        wanted = None
    if wanted is None or isinstance(value, bool):
        raise errors.UnsupportedSearch(f"{where}.minimum_should_match other than a number")
    return wanted if wanted >= 0 else max(number + wanted, 0)


def _words(where: str, given: Scalar, budget: Budget) -> tuple[str, ...]:
    whole = as_text(given)
    words = words_of(whole[: 64 * MOST_WORDS])
    if len(words) > MOST_WORDS or len(whole) > 64 * MOST_WORDS:
        raise Malformed(where, f"at most {MOST_WORDS} words")
    for _ in words:
        budget.clause()
    return words


def _told(where: str, value: Any, main: str, options: set[str]) -> tuple[str, Mapping[str, Any]]:
    """Return a field and what is told of it, in the short form ``{field: value}`` as in the long."""
    name, told = reading.single(where, _without_scores(where, value))
    if not isinstance(told, dict):
        return name, {main: told}
    if "wildcard" in options and "wildcard" in told:
        told = {main: told["wildcard"], **{k: v for k, v in told.items() if k != "wildcard"}}
    _only(where, told, {main, *options})
    if main not in told:
        raise Malformed(f"{where}.{name}", f'a value, or an object with "{main}"')
    return name, told


def _without_scores(where: str, value: Any) -> Mapping[str, Any]:
    members = reading.mapping(where, value)
    if len(members) == 1:
        return members
    return {name: one for name, one in members.items() if name not in UNSCORED}


def _only(where: str, members: Mapping[str, Any], allowed: set[str]) -> None:
    for name in members:
        if name not in allowed and name not in UNSCORED:
            raise errors.UnsupportedSearch(f"{where}.{name}")
