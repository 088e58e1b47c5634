"""Koncorde, clause by clause, with its notations of points and distances."""

from __future__ import annotations

from typing import Any

import pytest

from ostiary import errors
from ostiary.filters import (
    All,
    Between,
    Box,
    Everything,
    Field,
    Filter,
    Ids,
    Not,
    Nothing,
    OneOf,
    Polygon,
    Present,
    Ring,
    Some,
)
from ostiary.services.search import geography
from ostiary.services.search.koncorde import translate

A = Field("a", OneOf((1,)))
B = Field("b", OneOf((2,)))
HAS_A = Field("a", Present())
EQUALS_A, EQUALS_B = {"equals": {"a": 1}}, {"equals": {"b": 2}}
SIDES = {"top": 2, "left": 1, "bottom": 0, "right": 3}


@pytest.mark.parametrize(
    "filter, wanted",
    [
        (None, Everything()),
        ({}, Everything()),
        ({"everything": {}}, Everything()),
        ({"nothing": {}}, Nothing()),
        (EQUALS_A, A),
        ({"in": {"a": [1, "x"]}}, Field("a", OneOf((1, "x")))),
        ({"ids": {"values": ["a"]}}, Ids(("a",))),
        ({"exists": "a"}, HAS_A),
        ({"exists": {"field": "a"}}, HAS_A),
        ({"missing": "a"}, Not(HAS_A)),
        ({"missing": {"field": "a"}}, Not(HAS_A)),
        ({"range": {"a": {"gte": 1, "lt": 2}}}, Field("a", Between(gte=1, lt=2))),
        ({"and": [EQUALS_A, EQUALS_B]}, All((A, B))),
        ({"or": [EQUALS_A, EQUALS_B]}, Some((A, B))),
        ({"not": EQUALS_A}, Not(A)),
        ({"and": [EQUALS_A, {"not": {"or": [EQUALS_B]}}]}, All((A, Not(B)))),
        ({"geoBoundingBox": {"at": SIDES}}, Box("at", 2, 1, 0, 3)),
        (
            {"geoBoundingBox": {"at": {"topLeft": [2, 1], "bottomRight": "0, 3"}}},
            Box("at", 2, 1, 0, 3),
        ),
        (
            {"geoBoundingBox": {"at": {"top_left": [2, 1], "bottom_right": [0, 3]}}},
            Box("at", 2, 1, 0, 3),
        ),
        ({"geoDistance": {"at": [1, 2], "distance": 5}}, Ring("at", 1, 2, 0, 5)),
        ({"geoDistanceRange": {"at": [1, 2], "from": 5, "to": "1 km"}}, Ring("at", 1, 2, 5, 1000)),
        (
            {"geoPolygon": {"at": {"points": [[0, 0], {"lat": 0, "lon": 1}, "1,1"]}}},
            Polygon("at", ((0, 0), (0, 1), (1, 1))),
        ),
        ({"term": {"a": 1}}, A),
        ({"and": [{"terms": {"a": [1]}}]}, A),
    ],
    ids=str,
)
def test_a_clause_becomes_a_filter(filter: Any, wanted: Filter) -> None:
    assert translate(filter) == wanted


@pytest.mark.parametrize("filter", [{"bool": {}}, {"and": [{"bool": {"must": []}}]}], ids=str)
def test_bool_is_refused_at_any_depth(filter: Any) -> None:
    with pytest.raises(errors.KoncordeRestrictedKeyword) as refusal:
        translate(filter)
    assert refusal.value.props == ["clause", "bool"]


def test_expressions_are_refused() -> None:
    """INP-18"""
    with pytest.raises(errors.UnsupportedSearch):
        translate({"regexp": {"a": "(a+)+$"}})


def short(value: Any) -> str:
    return str(value)[:60]


MALFORMED: list[Any] = [
    1,
    [],
    {"equals": 1},
    {"equals": {}},
    {"equals": {"a": None}},
    {"equals": {"a": 1, "b": 2}},
    {"equals": {"a": 1}, "in": {"a": [1]}},
    {"in": {"a": 1}},
    {"exists": {}},
    {"exists": 1},
    {"range": {"a": {"above": 1}}},
    {"and": []},
    {"and": {}},
    {"or": [1]},
    {"not": []},
    {"and": [EQUALS_A] * 300},
    {"nothing": 1},
    {"geoBoundingBox": {"at": {"top": 2}}},
    {"geoBoundingBox": {"at": {**SIDES, "top": "2"}}},
    {"geoDistance": {"at": [1, 2]}},
    {"geoDistance": {"at": [1, 2], "distance": "far"}},
    {"geoDistance": {"at": [1, 2], "distance": -1}},
    {"geoDistance": {"at": [100, 2], "distance": 1}},
    {"geoDistance": {"at": [1, 200], "distance": 1}},
    {"geoDistance": {"at": "alloa", "distance": 1}},
    {"geoDistance": {"distance": 1}},
    {"geoPolygon": {"at": {"points": [[0, 0], [1, 1]]}}},
    {"geoPolygon": {"at": {"points": [[0, 0]] * 65}}},
]


@pytest.mark.parametrize("filter", MALFORMED, ids=short)
def test_a_malformed_clause_or_too_much_is_refused(filter: Any) -> None:
    """INP-09, INP-15"""
    with pytest.raises(errors.FilterNotTranslated):
        translate(filter)


@pytest.mark.parametrize(
    "written",
    [
        {"lat": 43.6, "lon": 3.85},
        {"latLon": {"lat": 43.6, "lon": 3.85}},
        {"lat_lon": [43.6, 3.85]},
        [43.6, 3.85],
        "43.6,3.85",
        " 43.6 , 3.85 ",
        "spf8prntv18e",
    ],
    ids=str,
)
def test_a_point_has_many_notations(written: Any) -> None:
    assert geography.point("at", written) == pytest.approx((43.6, 3.85), abs=0.1)


@pytest.mark.parametrize(
    "written, metres",
    [
        (5, 5), (0.5, 0.5), ("7", 7), ("1.5 km", 1500), ("1,000.5 m", 1000.5), ("2 000km", 2e6),
        ("1 mile", 1609.344), ("10 Yards", 9.144), ("1ft", 0.3048), ("100 cm", 1), ("1 nmi", 1852),
    ],
)  # fmt: skip
def test_a_distance_may_name_its_unit(written: Any, metres: float) -> None:
    assert geography.metres("distance", written) == pytest.approx(metres)
