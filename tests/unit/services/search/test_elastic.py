"""Elasticsearch's language, clause by clause, and every refusal."""

from __future__ import annotations

from typing import Any

import pytest

from ostiary import errors
from ostiary.filters import (
    All,
    Between,
    Everything,
    Field,
    Filter,
    Ids,
    Not,
    Nothing,
    OneOf,
    Prefix,
    Present,
    Some,
    Wildcard,
    Words,
)
from ostiary.services.search.elastic import REFUSED, translate

A = Field("a", OneOf((1,)))
B = Field("b", OneOf((2,)))
TERM_A, TERM_B = {"term": {"a": 1}}, {"term": {"b": 2}}
X = Field("a", OneOf(("x y",)))
TWO = [TERM_A, TERM_B]


def word(text: str) -> Field:
    return Field("a", Words((text,)))


@pytest.mark.parametrize(
    "query, filter",
    [
        (None, Everything()),
        ({}, Everything()),
        ({"match_all": {}}, Everything()),
        ({"match_all": {"boost": 2}}, Everything()),
        ({"match_none": {}}, Nothing()),
        ({"ids": {"values": ["a", "b", "a"]}}, Ids(("a", "b"))),
        ({"ids": {"values": "a"}}, Ids(("a",))),
        (TERM_A, A),
        ({"term": {"a": {"value": 1, "boost": 2}}}, A),
        ({"term": {"boost": 1}}, Field("boost", OneOf((1,)))),
        ({"terms": {"a": [1, "x"], "boost": 1}}, Field("a", OneOf((1, "x")))),
        ({"terms": {"a": []}}, Field("a", OneOf(()))),
        ({"match": {"a": 1}}, Some((A, word("1")))),
        (
            {"match": {"a": "X y"}},
            Some((Field("a", OneOf(("X y",))), word("x"), word("y"))),
        ),
        (
            {"match": {"a": {"query": "x y", "operator": "AND"}}},
            Some((X, All((word("x"), word("y"))))),
        ),
        (
            {"match": {"a": {"query": "x y", "minimum_should_match": 2}}},
            Some((X, All((word("x"), word("y"))))),
        ),
        ({"match": {"a": "!"}}, Field("a", OneOf(("!",)))),
        ({"match_phrase": {"a": "x y"}}, Some((X, Field("a", Words(("x", "y")))))),
        ({"match_phrase": {"a": {"query": "!"}}}, Field("a", OneOf(("!",)))),
        ({"exists": {"field": "a.b"}}, Field("a.b", Present())),
        ({"range": {"a": {"gt": 1, "lte": "3"}}}, Field("a", Between(gt=1, lte="3"))),
        ({"range": {"a": {"gt": "1", "lte": "x"}}}, Field("a", Between(gt="1", lte="x"))),
        ({"range": {"a": {"gte": 1, "lt": None}}}, Field("a", Between(gte=1))),
        ({"prefix": {"a": "x"}}, Field("a", Prefix("x"))),
        (
            {"prefix": {"a": {"value": "x", "case_insensitive": True}}},
            Field("a", Prefix("x", ignore_case=True)),
        ),
        ({"wildcard": {"a": "x*"}}, Field("a", Wildcard("x*"))),
        ({"wildcard": {"a": r"\*" * 9}}, Field("a", Wildcard(r"\*" * 9))),
        ({"prefix": {"a": "*" * 9}}, Field("a", Prefix("*" * 9))),
        (
            {"wildcard": {"a": {"wildcard": "x?", "case_insensitive": True}}},
            Field("a", Wildcard("x?", ignore_case=True)),
        ),
        ({"bool": {}}, Everything()),
        ({"bool": {"must": TWO}}, All((A, B))),
        ({"bool": {"filter": TERM_A, "must": TERM_B}}, All((B, A))),
        ({"bool": {"should": TWO}}, Some((A, B))),
        ({"bool": {"should": TERM_A}}, A),
        ({"bool": {"should": [], "boost": 1}}, Everything()),
        ({"bool": {"must": TERM_A, "should": TERM_B}}, A),
        ({"bool": {"must": TERM_A, "should": TERM_B, "minimum_should_match": 1}}, All((A, B))),
        ({"bool": {"should": TWO, "minimum_should_match": "2"}}, All((A, B))),
        ({"bool": {"should": TWO, "minimum_should_match": -1}}, Some((A, B))),
        ({"bool": {"should": TWO, "minimum_should_match": 0}}, Everything()),
        ({"bool": {"should": TWO, "minimum_should_match": 3}}, Nothing()),
        ({"bool": {"must_not": TWO}}, All((Not(A), Not(B)))),
        ({"bool": {"must": {"bool": {"filter": TWO}}}}, All((A, B))),
    ],
    ids=str,
)
def test_a_clause_becomes_a_filter(query: Any, filter: Filter) -> None:
    assert translate(query) == filter


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_a_clause_that_is_not_spoken_here_is_refused_by_its_name(name: str) -> None:
    with pytest.raises(errors.UnsupportedSearch) as refusal:
        translate({"bool": {"must": [{name: {"a": 1}}]}})
    assert refusal.value.props == [name]


@pytest.mark.parametrize("name", ["equals", "nope", ""])
def test_a_clause_that_nobody_knows_is_refused_by_its_name(name: str) -> None:
    with pytest.raises(errors.UnknownQueryKeyword) as refusal:
        translate({name: {}})
    assert refusal.value.props == [name]


@pytest.mark.parametrize(
    "query, name",
    [
        ({"term": {"a": {"value": 1, "case_insensitive": True}}}, "term.case_insensitive"),
        ({"terms": {"a": {"index": "i", "id": "1", "path": "p"}}}, "terms lookup"),
        ({"match": {"a": {"query": "x", "fuzziness": 2}}}, "match.fuzziness"),
        ({"match_phrase": {"a": {"query": "x", "slop": 2}}}, "match_phrase.slop"),
        ({"range": {"a": {"gt": 1, "format": "yyyy"}}}, "range.format"),
        ({"prefix": {"a": {"value": "x", "nope": 1}}}, "prefix.nope"),
        ({"exists": {"field": "a", "nope": 1}}, "exists.nope"),
        ({"bool": {"nope": []}}, "bool.nope"),
        ({"match_all": {"nope": 1}}, "match_all.nope"),
        ({"bool": {"should": TWO, "minimum_should_match": "75%"}},
         "bool.minimum_should_match other than a number"),
    ],
    ids=str,
)  # fmt: skip
def test_an_option_that_is_not_spoken_here_is_refused_by_its_name(query: Any, name: str) -> None:
    with pytest.raises(errors.UnsupportedSearch) as refusal:
        translate(query)
    assert refusal.value.props == [name]


def short(value: Any) -> str:
    return str(value)[:60]


MALFORMED: list[Any] = [
    1,
    "a",
    [],
    [TERM_A],
    {"term": {"a": 1}, "terms": {"a": [1]}},
    {"term": 1},
    {"term": {}},
    {"term": {"a": 1, "b": 2}},
    {"term": {"a": None}},
    {"term": {"a": [1]}},
    {"term": {"a": {"boost": 1}}},
    {"term": {"": 1}},
    {"term": {"a" * 513: 1}},
    {"terms": {"a": 1}},
    {"terms": {"a": [None]}},
    {"terms": {"a": [1], "b": [1]}},
    {"match": {"a": {"query": "x", "operator": "xor"}}},
    {"match": {"a": "x " * 33}},
    {"match": {"a": "x" * 3000}},
    {"exists": {}},
    {"exists": "a"},
    {"exists": {"field": 1}},
    {"range": {"a": 1}},
    {"range": {"a": {"gt": [1]}}},
    {"range": {"a": {"gt": 1, "lte": "x"}}},
    {"range": {"a": {"gt": True}}},
    {"prefix": {"a": 1}},
    {"prefix": {"a": "x" * 193}},
    {"wildcard": {"a": "x" * 193}},
    {"wildcard": {"a": "*?" * 4 + "*"}},
    {"bool": {"should": [{"wildcard": {"a": "x*"}}] * 17}},
    {"ids": {}},
    {"ids": {"values": [1]}},
    {"bool": []},
    {"bool": {"must": 1}},
    {"bool": {"must": [[]]}},
    {"bool": {"must": [TERM_A] * 257}},
    {"bool": {"should": [{"match": {"a": "x y z"}}] * 100}},
    {"bool": {"must": [{"terms": {"a": list(range(6000))}}] * 2}},
]


@pytest.mark.parametrize("query", MALFORMED, ids=short)
def test_a_malformed_clause_or_too_much_is_refused(query: Any) -> None:
    """INP-09, INP-15, INP-18"""
    with pytest.raises(errors.InvalidArgument) as refusal:
        translate(query)
    assert refusal.value.props[0].startswith("body.query")
