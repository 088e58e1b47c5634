"""The members of a search."""

from __future__ import annotations

from typing import Any

import pytest

from ostiary import errors
from ostiary.filters import All, Everything, Field, OneOf, Order
from ostiary.services.search import asking


def read(body: Any) -> asking.Asked:
    return asking.read(body, "elasticsearch")


@pytest.mark.parametrize(
    "sort, orders",
    [
        (None, ()),
        ([], ()),
        ("a", (Order("a"),)),
        ({"a": "desc"}, (Order("a", descending=True),)),
        ({"a": {"order": "DESC", "unmapped_type": "long"}}, (Order("a", descending=True),)),
        ({"a": {}}, (Order("a"),)),
        (["a", {"b": "desc"}, {"_id": {"order": "asc"}}],
         (Order("a"), Order("b", descending=True), Order("_id"))),
    ],
    ids=str,
)  # fmt: skip
def test_a_sort_is_a_text_an_object_or_a_list(sort: Any, orders: Any) -> None:
    assert read({"sort": sort}).orders == orders


@pytest.mark.parametrize(
    "body, error",
    [
        ({"sort": 1}, errors.InvalidArgument),
        ({"sort": {"a": 1}}, errors.InvalidArgument),
        ({"sort": {"a": "up"}}, errors.InvalidArgument),
        ({"sort": [["a"]]}, errors.InvalidArgument),
        ({"sort": ""}, errors.InvalidArgument),
        ({"sort": ["a"] * 9}, errors.InvalidArgument),
        ({"sort": dict.fromkeys("abcdefghi", "asc")}, errors.InvalidArgument),
        ({"sort": "_score"}, errors.UnsupportedSearch),
        ({"sort": {"a": {"mode": "avg"}}}, errors.UnsupportedSearch),
        ({"sort": "a", "search_after": []}, errors.InvalidArgument),
        ({"sort": "a", "search_after": "x"}, errors.InvalidType),
        ({"search_after": []}, errors.InvalidArgument),
        ({"nope": 1}, errors.InvalidSearchQuery),
        ({"script_fields": {}}, errors.InvalidSearchQuery),
        ({"query": {"bool": {"must": [{"script": {}}]}}}, errors.InvalidQueryKeyword),
        ({"nope": {"deep": [[{"script": 1}]]}}, errors.InvalidQueryKeyword),
    ],
    ids=str,
)
def test_what_is_wrong_is_refused(body: Any, error: type[errors.OstiaryError]) -> None:
    with pytest.raises(error):
        read(body)


@pytest.mark.parametrize("name", sorted(asking.REFUSED))
def test_a_member_that_is_not_spoken_here_is_refused_by_its_name(name: str) -> None:
    with pytest.raises(errors.UnsupportedSearch) as refusal:
        read({name: {}})
    assert refusal.value.props == [name]


def test_a_filter_afterwards_shares_what_the_query_may_hold() -> None:
    """INP-15"""
    many = {"bool": {"should": [{"wildcard": {"a": "x*"}}] * 9}}
    assert read({"query": many}) == read({"post_filter": many})
    with pytest.raises(errors.InvalidArgument):
        read({"query": many, "post_filter": many})


def test_a_filter_afterwards_is_one_more_condition() -> None:
    one, other = {"term": {"a": 1}}, {"term": {"b": 2}}
    both = All((Field("a", OneOf((1,))), Field("b", OneOf((2,)))))
    assert read({"query": one, "post_filter": other}).filter == both
    assert read({"search_timeout": "1s", "from": 1, "size": 2}).filter == Everything()


def nested(levels: int) -> Any:
    """Return filters within one another that nothing makes flatter, in the widest SQL there is."""
    query: Any = {"match": {"a": "x"}}
    for _ in range(levels):
        query = {"bool": {"should": [{"exists": {"field": "a"}}, {"term": {"a": 1}}, query],
                          "minimum_should_match": 2}}  # fmt: skip
    return query


def test_filters_stand_in_one_another_only_so_deep() -> None:
    """INP-05"""
    read({"query": nested(asking.DEEPEST - 1)})
    with pytest.raises(errors.InvalidArgument):
        read({"query": nested(asking.DEEPEST)})
