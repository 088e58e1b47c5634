"""Searches as services make them: scrolls that last, keys that have an owner, texts that are long."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import delete, insert, select

from ostiary import errors
from ostiary.filters import Filter, Polygon, Some
from ostiary.services.batches import Batch
from ostiary.services.profiles import PROFILES
from ostiary.services.roles import ROLES
from ostiary.services.search import Found, Page, Search, asking, documents
from ostiary.services.search.collections import COLLECTIONS
from ostiary.services.search.pages import Finder
from ostiary.services.search.scrolls import Scrolls
from ostiary.services.values import erase_values, write_values
from ostiary.storage import Store
from ostiary.storage.tables import api_keys, profiles, roles, scrolls
from ostiary.testing.clock import Clock

pytestmark = pytest.mark.anyio

MINUTE = 60_000
NAMES = [f"p{number}" for number in range(7)]


async def put_profile(store: Store, id: str, **content: Any) -> None:
    policies = [{"roleId": "r"}]
    row = {"id": id, "policies": policies, "rate_limit": 0, "content": content, "created_at": 1}
    async with store.begin() as db:
        await db.execute(insert(profiles).values(row))
        await write_values(db, PROFILES, id, {"policies": policies, **content}, new=True)


async def drop_profile(store: Store, id: str) -> None:
    async with store.begin() as db:
        await db.execute(delete(profiles).where(profiles.c.id == id))
        await erase_values(db, PROFILES, id)


@pytest.fixture
async def seven(core: Store) -> AsyncIterator[Store]:
    """A store with seven profiles, ranked the other way round than they are named."""
    for rank, id in enumerate(reversed(NAMES)):
        await put_profile(core, id, rank=rank // 2)
    yield core
    async with core.begin() as db:
        for table in (profiles, scrolls, api_keys):
            await db.execute(delete(table))
    for id in [*NAMES, "p9", "p33"]:
        await drop_profile(core, id)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def search(seven: Store, clock: Clock) -> Search:
    return Search(seven, Scrolls(seven, MINUTE, clock), 100)


def ids(found: Found) -> list[str]:
    return [hit["_id"] for hit in found.hits]


async def begin(search: Search, size: int = 2, scroll: int = 15_000, **body: Any) -> Found:
    page = Page(size=size)
    return await search.search(PROFILES, body, lang="elasticsearch", page=page, scroll=scroll)


async def gather(search: Search, page: Found) -> tuple[list[str], Found]:
    gathered = ids(page)
    while len(gathered) < page.total:
        assert page.scroll_id is not None
        page = await search.scroll(PROFILES, page.scroll_id)
        gathered += ids(page)
    return gathered, page


@pytest.mark.parametrize("sort", [None, "rank", [{"rank": "desc"}, {"_id": "desc"}]])
async def test_a_scroll_gives_every_document_once_in_the_order_of_the_sort(
    search: Search, sort: Any
) -> None:
    whole = await search.search(PROFILES, {"sort": sort}, lang="elasticsearch", page=Page())
    gathered, last = await gather(search, await begin(search, sort=sort))
    assert gathered == ids(whole)
    assert sorted(gathered) == NAMES
    with pytest.raises(errors.UnknownScrollId):
        await search.scroll(PROFILES, last.scroll_id or "")


async def test_documents_that_come_and_go_disturb_a_scroll_for_no_other(
    search: Search, seven: Store
) -> None:
    page = await begin(search, size=3)
    for id in ("p1", "p5"):
        await drop_profile(seven, id)
    for id in ("p33", "p9"):
        await put_profile(seven, id)
    gathered, _ = await gather(search, page)
    assert gathered == ["p0", "p1", "p2", "p3", "p33", "p4", "p6", "p9"]


async def test_another_worker_goes_on_with_a_scroll(
    search: Search, seven: Store, clock: Clock
) -> None:
    page = await begin(search)
    other = Search(seven, Scrolls(seven, MINUTE, clock), 100)
    assert ids(await other.scroll(PROFILES, page.scroll_id or "")) == ["p2", "p3"]
    assert ids(await search.scroll(PROFILES, page.scroll_id or "")) == ["p4", "p5"]


async def test_a_scroll_lives_as_long_as_the_last_page_said(search: Search, clock: Clock) -> None:
    id = (await begin(search, size=1, scroll=1000)).scroll_id or ""
    clock.advance(999)
    await search.scroll(PROFILES, id, 40_000)
    clock.advance(39_999)
    await search.scroll(PROFILES, id)
    clock.advance(14_999)
    await search.scroll(PROFILES, id)
    clock.advance(15_000)
    with pytest.raises(errors.UnknownScrollId):
        await search.scroll(PROFILES, id)


async def test_a_scroll_lives_no_longer_than_the_setting_says(search: Search) -> None:
    id = (await begin(search, scroll=MINUTE)).scroll_id or ""
    for duration in (MINUTE + 1, -1):
        with pytest.raises(errors.ScrollTooLong):
            await begin(search, scroll=duration)
        with pytest.raises(errors.ScrollTooLong):
            await search.scroll(PROFILES, id, duration)
    await search.scroll(PROFILES, id, MINUTE)


async def test_scrolls_that_have_expired_are_purged(
    search: Search, seven: Store, clock: Clock
) -> None:
    for _ in range(3):
        await begin(search, scroll=1000)
    await begin(search, scroll=2000)
    clock.advance(1000)
    assert [await search.purge(Batch(2)) for _ in range(3)] == [2, 1, 0]
    async with seven.read() as db:
        assert len((await db.execute(select(scrolls))).all()) == 1


async def test_ids_of_scrolls_cannot_be_guessed(search: Search) -> None:
    """TOK-22, for scrolls: 128 random bits."""
    made = {(await begin(search)).scroll_id for _ in range(20)}
    assert len(made) == 20
    assert all(id is not None and len(id) >= 22 for id in made)


async def test_a_search_that_is_one_page_leaves_nothing_behind(
    search: Search, seven: Store
) -> None:
    page = await begin(search, size=7)
    assert page.scroll_id is not None
    async with seven.read() as db:
        assert (await db.execute(select(scrolls))).all() == []


async def test_a_page_that_would_be_too_large_is_refused(
    search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    """INP-09: what may be asked for has bytes as well."""
    monkeypatch.setattr(documents, "LARGEST_PAGE", 20)
    assert (await begin(search, size=7)).total == 7
    monkeypatch.setattr(documents, "FEW", 3)
    with pytest.raises(errors.PageTooLarge):
        await begin(search, size=7)
    assert (await begin(search, size=3)).total == 7


async def test_the_deepest_filter_is_understood_by_the_database(
    search: Search, seven: Store
) -> None:
    """INP-05"""
    corners = {"geoPolygon": {"a": {"points": [[0, 0], [1, 1], [0, 2]]}}}
    for leaf in ({"prefix": {"a": {"value": "x", "case_insensitive": True}}}, corners):
        query: Any = leaf
        for level in range(asking.DEEPEST):
            query = {("or", "and")[level % 2]: [leaf, query]}
        found = await search.search(PROFILES, {"query": query}, lang="koncorde", page=Page())
        assert found.total == 0
    corner = Polygon("a", ((0, 0), (1, 1), (0, 2)))
    deepest: Filter = corner
    for _ in range(asking.DEEPEST + 1):
        deepest = Some((deepest, corner, corner), 2)
    async with seven.read(apart=True) as db:
        finder = await Finder.of(db, COLLECTIONS[PROFILES], deepest, ())
        assert await finder.count() == 0


# Texts that are long, and texts in many letters


LONG = "word " * 60 + "end"


@pytest.mark.parametrize(
    "query, finds",
    [
        ({"term": {"text": LONG}}, True),
        ({"term": {"text": LONG + "s"}}, False),
        ({"prefix": {"text": "word word"}}, True),
        ({"prefix": {"text": LONG[:192]}}, True),
        ({"wildcard": {"text": "word*"}}, True),
        ({"wildcard": {"text": "*end"}}, False),
        ({"match": {"text": "END"}}, True),
        ({"match_phrase": {"text": "word end"}}, True),
        ({"range": {"text": {"gte": LONG, "lte": LONG}}}, True),
        ({"match": {"name": "ÉCOLE"}}, True),
        ({"match": {"name": "straSSe"}}, True),
        ({"match": {"name": "ecole"}}, False),
        ({"match_phrase": {"name": "école straße"}}, True),
        ({"match_phrase": {"name": "straße école"}}, False),
        ({"prefix": {"name": "éco"}}, False),
        ({"match": {"number": "4.5"}}, True),
        ({"match": {"number": 5}}, False),
    ],
    ids=lambda value: str(value)[:50],
)
async def test_words_are_folded_and_long_texts_are_known_by_their_beginning(
    search: Search, seven: Store, query: Any, finds: bool
) -> None:
    await put_profile(seven, "p9", text=LONG, name="École, Straße", number=4.5)
    found = await search.search(PROFILES, {"query": query}, lang="elasticsearch", page=Page())
    assert ids(found) == (["p9"] if finds else [])


async def test_the_history_of_a_role_is_true(search: Search, seven: Store) -> None:
    row: dict[str, Any] = {
        "id": "r1",
        "controllers": {},
        "content": {"tags": ["t"]},
        "author": "ann",
    }
    row |= {"created_at": 5, "updater": "bob", "updated_at": 7}
    async with seven.begin() as db:
        await db.execute(insert(roles).values(row))
        await write_values(db, ROLES, "r1", {"controllers": {}, "tags": ["t"]}, new=True)
    query = {"bool": {"filter": [
        {"term": {"_kuzzle_info.author": "ann"}},
        {"range": {"_kuzzle_info.updatedAt": {"gt": 6.5}}},
        {"term": {"tags": "t"}},
        {"exists": {"field": "_kuzzle_info"}},
    ]}}  # fmt: skip
    found = await search.search(ROLES, {"query": query}, lang="elasticsearch", page=Page())
    async with seven.begin() as db:
        await db.execute(delete(roles))
        await erase_values(db, ROLES, "r1")
    info = {"author": "ann", "createdAt": 5, "updater": "bob", "updatedAt": 7}
    source = {"controllers": {}, "tags": ["t"], "_kuzzle_info": info}
    assert found.to_json() == {"hits": [{"_id": "r1", "_source": source}], "total": 1}


@pytest.mark.parametrize(
    "bounds, finds",
    [
        ({"gte": "2"}, ["two", "3", "word"]),
        ({"gte": 2}, ["two"]),
        ({"gte": "2", "lte": 2.5}, ["two"]),
        ({"lt": "1e1"}, ["two"]),
        ({"gt": "a"}, ["word"]),
        ({"gte": "false", "lte": "true"}, ["word"]),
    ],
    ids=str,
)
async def test_a_bound_that_reads_as_a_number_is_one_as_well(
    search: Search, seven: Store, bounds: Any, finds: list[str]
) -> None:
    values: dict[str, Any] = {"two": 2, "3": "3", "word": "true", "yes": True, "no": False}
    for id, value in values.items():
        await put_profile(seven, id, it=value)
    query = {"range": {"it": bounds}}
    found = await search.search(PROFILES, {"query": query}, lang="elasticsearch", page=Page())
    for id in values:
        await drop_profile(seven, id)
    assert sorted(ids(found)) == sorted(finds)


@pytest.mark.parametrize("lang", ["elasticsearch", "koncorde"])
async def test_the_history_is_there_or_is_not(search: Search, lang: str) -> None:
    for field, there in (("_kuzzle_info", 7), ("_kuzzle_info.updater", 0), ("_kuzzle", 0)):
        body = {"query": {"exists": {"field": field}}}
        assert (await search.search(PROFILES, body, lang=lang, page=Page())).total == there


async def test_an_instant_is_compared_with_numbers_written_in_any_way(search: Search) -> None:
    bounds: Any
    for bounds, total in (({"gte": "1"}, 7), ({"gt": 0, "lt": "1"}, 0)):
        body = {"query": {"range": {"_kuzzle_info.createdAt": bounds}}}
        found = await search.search(PROFILES, body, lang="elasticsearch", page=Page())
        assert found.total == total


async def test_an_instant_is_compared_with_numbers_only(search: Search) -> None:
    query = {"range": {"_kuzzle_info.createdAt": {"gte": "2024-01-01"}}}
    with pytest.raises(errors.UnsupportedSearch):
        await search.search(PROFILES, {"query": query}, lang="elasticsearch", page=Page())


# API keys


async def put_key(store: Store, id: str, kuid: str, **told: Any) -> None:
    row = {
        "id": id, "kuid": kuid, "generation": "1", "fingerprint": id.encode() * 16,
        "key_id": "k", "description": "", "ttl": 42, "created_at": 1, "expires_at": 9, **told,
    }  # fmt: skip
    async with store.begin() as db:
        await db.execute(insert(api_keys).values(row))


@pytest.fixture
async def keys(seven: Store) -> None:
    await put_key(seven, "k1", "ann", description="My LORA Sigfox key")
    await put_key(seven, "k2", "ann", description="other", ttl=-1, expires_at=None)
    await put_key(seven, "k3", "bob", description="My LORA Sigfox key")


async def own(search: Search, query: Any, lang: str = "elasticsearch", **page: int) -> Found:
    return await search.api_keys("ann", query, lang=lang, page=Page(**page))


@pytest.mark.parametrize(
    "query, found",
    [
        ({}, ["k1", "k2"]),
        ({"match": {"description": "lora"}}, ["k1"]),
        ({"match": {"description": "nothing sigfox"}}, ["k1"]),
        ({"match_phrase": {"description": "sigfox KEY"}}, ["k1"]),
        ({"match": {"description": "sig"}}, []),
        ({"term": {"ttl": "42"}}, ["k1"]),
        ({"term": {"ttl": 42}}, ["k1"]),
        ({"term": {"ttl": "042"}}, []),
        ({"term": {"expiresAt": -1}}, ["k2"]),
        ({"range": {"expiresAt": {"gt": 0}}}, ["k1"]),
        ({"term": {"fingerprint": (b"k2" * 16).hex()}}, ["k2"]),
        ({"prefix": {"fingerprint": b"k2".hex()}}, ["k2"]),
        ({"ids": {"values": ["k1", "k3"]}}, ["k1"]),
        ({"exists": {"field": "generation"}}, []),
        ({"term": {"key_id": "k"}}, []),
    ],
    ids=str,
)
@pytest.mark.usefixtures("keys")
async def test_api_keys_are_searched_by_what_one_sees_of_them(
    search: Search, query: Any, found: list[str]
) -> None:
    """INP-02, KEY-04"""
    result = await own(search, query)
    assert ids(result) == found
    assert result.total == len(found)


async def test_a_pattern_is_compared_with_the_beginning_of_a_description(
    search: Search, seven: Store
) -> None:
    """INP-18"""
    await put_key(seven, "k4", "ann", description="x" * 200 + "near" + "x" * 796 + "far")
    assert ids(await own(search, {"wildcard": {"description": "*near*"}})) == ["k4"]
    assert ids(await own(search, {"wildcard": {"description": "*far"}})) == []


@pytest.mark.usefixtures("keys")
async def test_koncorde_finds_a_ttl_written_as_text(search: Search) -> None:
    assert ids(await own(search, {"equals": {"ttl": "42"}}, "koncorde")) == ["k1"]


@pytest.mark.parametrize(
    "query",
    [
        {"match_all": {}},
        {"term": {"userId": "bob"}},
        {"ids": {"values": ["k3"]}},
        {"bool": {"should": [{"match_all": {}}, {"term": {"userId": "bob"}}]}},
        {"bool": {"must_not": {"term": {"userId": "ann"}}}},
        {"bool": {"minimum_should_match": 0, "should": [{"match_none": {}}]}},
        {"match": {"description": "LORA"}},
        {"exists": {"field": "userId"}},
    ],
    ids=str,
)
@pytest.mark.usefixtures("keys")
async def test_no_query_reaches_the_keys_of_others(search: Search, query: Any) -> None:
    """KEY-04"""
    assert "k3" not in ids(await own(search, query))


@pytest.mark.usefixtures("keys")
async def test_a_page_of_keys_counts_itself(search: Search, seven: Store) -> None:
    for number in range(10, 22):
        await put_key(seven, f"k{number}", "ann")
    page = await own(search, {})
    assert (len(page.hits), page.total) == (10, 10)
    page = await own(search, {}, start=10, size=9)
    assert (len(page.hits), page.total) == (4, 4)
    with pytest.raises(errors.GetLimitExceeded):
        await own(search, {}, size=101)
