"""Filters and sorts as SQL, compared on both databases with a reading of them in plain Python."""

from __future__ import annotations

import functools
import math
import random
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import insert

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
    Order,
    Polygon,
    Prefix,
    Present,
    Ring,
    Some,
    Wildcard,
    Words,
    as_number,
    as_text,
    words_of,
)
from ostiary.services.search import pages, ranges
from ostiary.services.search.collections import COLLECTIONS
from ostiary.services.search.pages import Finder
from ostiary.services.user_rows import USERS
from ostiary.services.values import write_values
from ostiary.storage import Store
from ostiary.storage.tables import user_profiles, user_strategies, users

pytestmark = pytest.mark.anyio

SCALARS: list[Any] = [
    "a",
    "b",
    "ab",
    "A b",
    "a-b c",
    "É b",
    "é",
    "c",
    "",
    "2",
    "10",
    "true",
    1,
    2,
    2.5,
    10,
    -3,
]
SCALARS += [True, False, "%_", "[x]", "\\", "*", "a*b", "𝄞x", "\ud7ff", "zz zz"]
PATHS = ["p", "q", "o.x", "o", "none", "_id", "profileIds", "_kuzzle_info.createdAt"]
PATHS += ["_kuzzle_info.updater", "_kuzzle_info.updatedAt", "_kuzzle_info"]
PATHS += ["_kuzzle_info.status", "_kuzzle_info.strategies", "*"]
PROFILES = ["default", "admin", "a"]
STRATEGIES = ["a", "b"]
LISTS = {"profile_ids", "strategies"}
NUMBERS = {"_kuzzle_info.createdAt", "_kuzzle_info.updatedAt"}


def some_documents(seed: int) -> list[dict[str, Any]]:
    chance = random.Random(seed)

    def value() -> Any:
        if chance.random() < 0.2:
            return [chance.choice(SCALARS) for _ in range(chance.randrange(4))]
        return chance.choice([*SCALARS, None])

    def document(number: int) -> dict[str, Any]:
        content = {name: value() for name in ("p", "q") if chance.random() < 0.8}
        if chance.random() < 0.5:
            content["o"] = {"x": value(), "y": value()}
        if chance.random() < 0.5:
            content["at"] = {"lat": chance.uniform(-90, 90), "lon": chance.uniform(-180, 180)}
        return {
            "kuid": f"{chance.choice('abAé')}{number}",
            "profile_ids": chance.sample(PROFILES, chance.randrange(1, 4)),
            "content": content,
            "created_at": chance.randrange(5),
            "updated_at": chance.choice([None, 1, 2]),
            "updater": chance.choice([None, "a", "b"]),
            "status": chance.choice(["enabled", "enabled", "disabled"]),
            "strategies": chance.sample(STRATEGIES, chance.randrange(3)),
        }

    return [document(number) for number in range(60)]


DOCUMENTS = some_documents(20)


@pytest.fixture(scope="session")
async def filled(core: Store) -> Store:
    async with core.begin() as db:
        for document in DOCUMENTS:
            row = {name: one for name, one in document.items() if name not in LISTS}
            row |= {"generation": "1", "author": "a"}
            await db.execute(insert(users).values(row))
            await write_values(db, USERS, row["kuid"], row["content"], new=True)
            for position, id in enumerate(document["profile_ids"]):
                place = {"kuid": row["kuid"], "position": position, "profile_id": id}
                await db.execute(insert(user_profiles).values(place))
            for name in document["strategies"]:
                held = {"kuid": row["kuid"], "strategy": name, "created_at": 1}
                await db.execute(insert(user_strategies).values(held))
    return core


async def find(
    store: Store, filter: Filter, orders: tuple[Order, ...] = (), after: Any = None
) -> tuple[int, tuple[str, ...], Any]:
    async with store.read(apart=True) as db:
        finder = await Finder.of(db, COLLECTIONS[USERS], filter, orders)
        page = await finder.page(1000, beyond=after)
        return await finder.count(after), page.ids, page.last


# The reading in Python


def flat(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from flat(f"{path}.{key}" if path else key, inner)
    elif isinstance(value, list):
        for inner in value:
            yield from flat(path, inner)
    elif value is not None:
        yield path, value


def values(document: dict[str, Any], path: str) -> list[Any]:
    system = {
        "_id": [document["kuid"]],
        "profileIds": document["profile_ids"],
        "_kuzzle_info.createdAt": [document["created_at"]],
        "_kuzzle_info.updatedAt": [document["updated_at"]],
        "_kuzzle_info.updater": [document["updater"]],
        "_kuzzle_info.status": [document["status"]] if document["status"] == "disabled" else [],
        "_kuzzle_info.strategies": document["strategies"],
    }
    if path in system:
        return [value for value in system[path] if value is not None]
    if path == "*":
        everywhere = dict.fromkeys(at for at, _ in flat("", document["content"]))
        return [value for at in everywhere for value in values(document, at)]
    found: dict[str, Any] = {}
    for at, value in flat("", document["content"]):
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if at == path and (number or as_text(value) not in found):
            found[as_text(value)] = value
    return list(found.values())


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def bounded(test: Between, value: Any) -> bool:
    compare = {"gt": "__gt__", "gte": "__ge__", "lt": "__lt__", "lte": "__le__"}
    for name, bound in test.given().items():
        mine, other = value, bound
        if is_number(value):
            if as_number(bound) is None:
                return False
            mine, other = float(value), float(bound)
        elif not isinstance(bound, str) or isinstance(value, bool):
            return False
        if not getattr(mine, compare[name])(other):
            return False
    return True


def pattern(text: str) -> re.Pattern[str]:
    pieces = {"*": ".*", "?": "."}
    parts = re.findall(r"\\.|.", text, re.DOTALL)
    return re.compile("".join(pieces.get(one) or re.escape(one[-1]) for one in parts), re.DOTALL)


def lower(text: str) -> str:
    return "".join(one.lower() if one.isascii() else one for one in text)


def passes(path: str, test: Any, value: Any) -> bool:
    text = as_text(value)
    match test:
        case OneOf(wanted):
            return text in [as_text(one) for one in wanted]
        case Between():
            return bounded(test, value)
        case Prefix() | Wildcard():
            return matches(test, text)
        case Words(words):
            if path in ("_id", "profileIds") or path.startswith("_kuzzle_info"):
                return False
            found = words_of(value) if isinstance(value, str) else (text,)
            return f" {' '.join(words)} " in f" {' '.join(found)} "
    return True


def matches(test: Prefix | Wildcard, text: str) -> bool:
    same: Callable[[str], str] = lower if test.ignore_case else str
    if isinstance(test, Prefix):
        return same(text).startswith(same(test.text))
    return pattern(same(test.pattern)).fullmatch(same(text)) is not None


def haversine(here: tuple[float, float], there: tuple[float, float]) -> float:
    (lat, lon), (lat2, lon2) = (tuple(map(math.radians, one)) for one in (here, there))
    north, east = math.sin((lat - lat2) / 2), math.sin((lon - lon2) / 2)
    return (
        2 * 6_371_008.8 * math.asin(math.sqrt(north**2 + math.cos(lat) * math.cos(lat2) * east**2))
    )


def inside(polygon: Polygon, lat: float, lon: float) -> bool:
    edges = zip(polygon.points, polygon.points[1:] + polygon.points[:1], strict=True)
    crossed = 0
    for (lat1, lon1), (lat2, lon2) in edges:
        if (lat1 > lat) != (lat2 > lat):
            crossed += lon < lon1 + (lat - lat1) * (lon2 - lon1) / (lat2 - lat1)
    return crossed % 2 == 1


def lies(where: Any, point: tuple[float, float]) -> bool:
    lat, lon = point
    match where:
        case Ring(_, lat2, lon2, least, most):
            return bool(least <= haversine(point, (lat2, lon2)) <= most)
        case Box(_, top, left, bottom, right):
            beside = left <= lon <= right if left <= right else lon >= left or lon <= right
            return bool(bottom <= lat <= top and beside)
    return inside(where, lat, lon)


def field_holds(filter: Field, document: dict[str, Any]) -> bool:
    if isinstance(filter.test, Present):
        paths = {path for path, _ in flat("", document["content"])}
        if any(path.startswith(f"{filter.path}.") for path in paths):
            return True
        if filter.path == "_kuzzle_info":
            return True  # Everybody was made at some time.
    return any(passes(filter.path, filter.test, one) for one in values(document, filter.path))


def holds(filter: Filter, document: dict[str, Any]) -> bool:
    match filter:
        case All(filters):
            return all(holds(one, document) for one in filters)
        case Some(filters, least):
            return sum(holds(one, document) for one in filters) >= least
        case Not(inner):
            return not holds(inner, document)
        case Field():
            return field_holds(filter, document)
        case Ids() | Everything() | Nothing():
            return document["kuid"] in getattr(filter, "values", ()) or filter == Everything()
    point = document["content"].get("at")
    return point is not None and lies(filter, (point["lat"], point["lon"]))


def compare(orders: tuple[Order, ...], one: dict[str, Any], other: dict[str, Any]) -> int:
    for order in orders:
        mine, theirs = place(order, one), place(order, other)
        if mine != theirs:
            (kind, value), (kind2, value2) = mine, theirs
            if kind != kind2:
                return -1 if kind < kind2 else 1
            return (-1 if value < value2 else 1) * (-1 if order.descending else 1)
    return -1 if one["kuid"] < other["kuid"] else 1


def place(order: Order, document: dict[str, Any]) -> tuple[int, Any]:
    extreme = max if order.descending else min
    # What is anywhere has no order.
    found = [] if order.path == "*" else values(document, order.path)
    numbers = [float(one) for one in found if is_number(one)]
    texts = [as_text(one) for one in found if not is_number(one)]
    if numbers:
        return 0, extreme(numbers)
    return (1, extreme(texts)) if texts else (2, None)


def expected(filter: Filter, orders: tuple[Order, ...]) -> tuple[str, ...]:
    found = [document for document in DOCUMENTS if holds(filter, document)]
    ranked = sorted(found, key=functools.cmp_to_key(functools.partial(compare, orders)))
    return tuple(document["kuid"] for document in ranked)


# What is tried

scalars: st.SearchStrategy[Any] = st.sampled_from(
    [*SCALARS, "default", "a1", "A3", 0, 3, 2**70, 1e301]
)
texts: st.SearchStrategy[str] = st.sampled_from([one for one in SCALARS if isinstance(one, str)])
word = st.sampled_from(["a", "b", "c", "é", "2", "true", "zz", "10", "x"])
angles = st.floats(-89, 89)


def trying(path: str) -> st.SearchStrategy[Any]:
    numbers: st.SearchStrategy[Any] = st.integers(-3, 12) | st.floats(-3, 12)
    bounds = numbers if path in NUMBERS else scalars.filter(lambda one: not isinstance(one, bool))
    return st.one_of(
        st.lists(scalars, max_size=3).map(lambda some: OneOf(tuple(some))),
        scalars.map(lambda one: OneOf((one,))),
        st.just(Present()),
        st.fixed_dictionaries({}, optional=dict.fromkeys(("gt", "gte", "lt", "lte"), bounds)).map(
            lambda given: Between(**given)
        ),
        st.builds(Prefix, texts, st.booleans()),
        st.builds(Wildcard, st.text("abAÉ*?\\[]%_2- ", max_size=5), st.booleans()),
        st.lists(word, min_size=1, max_size=2).map(lambda some: Words(tuple(some))),
    )


fields = st.sampled_from(PATHS).flatmap(lambda path: st.builds(Field, st.just(path), trying(path)))
leaves = st.one_of(
    fields,
    fields,
    st.lists(st.sampled_from([one["kuid"] for one in DOCUMENTS]), max_size=9).map(
        lambda some: Ids(tuple(some))
    ),
    st.builds(Box, st.just("at"), angles, angles, angles, angles),
    st.builds(Ring, st.just("at"), angles, angles, st.floats(0, 1e7), st.floats(0, 3e7)),
    st.lists(st.tuples(angles, angles), min_size=3, max_size=5).map(
        lambda some: Polygon("at", tuple(some))
    ),
    st.just(Everything()),
    st.just(Nothing()),
)
filters = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=4).map(lambda some: All(tuple(some))),
        st.lists(inner, min_size=1, max_size=4).flatmap(
            lambda some: st.integers(1, len(some)).map(lambda least: Some(tuple(some), least))
        ),
        inner.map(Not),
    ),
    max_leaves=6,
)
orders = st.lists(st.builds(Order, st.sampled_from(PATHS), st.booleans()), max_size=3).map(tuple)


@given(filter=filters, order=orders)
@settings(max_examples=60)
async def test_both_databases_find_what_a_filter_says_in_the_order_asked_for(
    filled: Store, filter: Filter, order: tuple[Order, ...]
) -> None:
    total, ids, _ = await find(filled, filter, order)
    wanted = expected(filter, order)
    assert set(ids) == set(wanted)
    assert ids == wanted
    assert total == len(wanted)


@given(
    filter=filters,
    order=orders,
    counted=st.none() | st.integers(0, 20),
    paths=st.sampled_from([2, ranges.MOST_PATHS]),
)
@settings(max_examples=60)
async def test_where_lists_are_long_or_paths_many_the_same_is_found_and_counted_as_far_as_was_asked(
    filled: Store, filter: Filter, order: tuple[Order, ...], counted: int | None, paths: int
) -> None:
    wanted = expected(filter, order)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pages, "ENOUGH", 3)
        patch.setattr(pages, "VERY_MANY", 6)
        patch.setattr(ranges, "MOST_PATHS", paths)
        async with filled.read(apart=True) as db:
            finder = await Finder.of(db, COLLECTIONS[USERS], filter, order, counted)
            assert (await finder.page(1000)).ids == wanted
            total = await finder.count()
    assert total == (len(wanted) if counted is None else min(len(wanted), counted))


async def test_of_very_many_paths_all_are_looked_at(
    filled: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who makes many paths of their own hides nobody from a search at any path."""
    anywhere = Field("*", Prefix("a", ignore_case=True))
    everywhere = await find(filled, anywhere)
    monkeypatch.setattr(ranges, "MOST_PATHS", 3)
    at_three = [Field(path, Prefix("a", ignore_case=True)) for path in ("at.lat", "at.lon", "o.x")]
    assert everywhere[0] > (await find(filled, Some(tuple(at_three))))[0]
    assert (await find(filled, anywhere))[:2] == everywhere[:2]


@given(filter=filters, order=orders, size=st.integers(1, 25))
@settings(max_examples=20)
async def test_pages_one_after_the_other_are_the_whole_and_nothing_twice(
    filled: Store, filter: Filter, order: tuple[Order, ...], size: int
) -> None:
    wanted = expected(filter, order)
    gathered: list[str] = []
    beyond: Any = None
    async with filled.read(apart=True) as db:
        finder = await Finder.of(db, COLLECTIONS[USERS], filter, order)
        while True:
            assert await finder.count(beyond) == len(wanted) - len(gathered)
            page = await finder.page(size, beyond=beyond)
            if not page.ids:
                break
            gathered += page.ids
            beyond = page.last
    assert tuple(gathered) == wanted
