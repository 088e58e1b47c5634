"""Searching users, profiles and roles: pages, sorts, scrolls, both languages, and what is refused."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from ostiary.settings import Settings
from ostiary.testing.wire import Api, Outcome

BOB = {"town": "Porto", "age": 41, "tags": ["x", "y"], "name": "Bob O'Neil"}
ANN = {"town": "Lisbon", "age": 25, "tags": ["y"], "name": "Ann Müller", "at": {"lat": 1, "lon": 2}}


@pytest.fixture(scope="module")
def closed(settings_here: Callable[..., Settings], new_site: Callable[..., Any]) -> Iterator[Any]:
    """A server of these tests alone: they search for what others might leave."""
    with new_site(settings_here("searched")) as running:
        yield running


@pytest.fixture(scope="module")
def people(closed: Any) -> dict[str, str]:
    """Two users, by first name, whose properties nobody else has."""
    made = {}
    for name, content in (("ann", ANN), ("bob", BOB)):
        made[name] = closed.person("member", kuid=f"searched-{name}", **content).kuid
    return made


@pytest.fixture
def search(api: Api, closed: Any, people: dict[str, str]) -> Callable[..., Outcome]:
    """Search users as the administrator, over each protocol in turn."""

    def search(query: Any = None, lang: str | None = None, **more: Any) -> Outcome:
        given = ("from", "size", "scroll")
        args: dict[str, Any] = {name: more.pop(name) for name in given if name in more}
        if lang is not None:
            args["lang"] = lang
        body = more if query is None else {"query": query, **more}
        return api.call("security:searchUsers", body, jwt=closed.admin.jwt, **args)

    return search


def found(outcome: Outcome) -> list[str]:
    return sorted(hit["_id"].removeprefix("searched-") for hit in outcome.result["hits"])


def test_a_hit_is_the_user_with_a_truthful_history(search: Any, closed: Any) -> None:
    result = search({"term": {"town": "Porto"}}).result
    (hit,) = result["hits"]
    info = hit["_source"].pop("_kuzzle_info")
    assert hit == {"_id": "searched-bob", "_source": {"profileIds": ["member"], **BOB}}
    assert info == {
        "author": closed.admin.kuid,
        "createdAt": info["createdAt"],
        "updater": None,
        "updatedAt": None,
    }
    assert time.time() * 1000 - info["createdAt"] < 10 * 60_000
    assert result["total"] == 1


@pytest.mark.parametrize(
    "query, wanted",
    [
        ({"ids": {"values": ["searched-ann", "searched-bob", "nobody"]}}, ["ann", "bob"]),
        ({"term": {"_id": "searched-ann"}}, ["ann"]),
        ({"term": {"age": {"value": 41}}}, ["bob"]),
        ({"term": {"age": "41"}}, ["bob"]),
        ({"terms": {"town": ["Lisbon", "Porto"]}}, ["ann", "bob"]),
        ({"match": {"name": "MÜLLER o"}}, ["ann", "bob"]),
        ({"match_phrase": {"name": "o neil"}}, ["bob"]),
        ({"exists": {"field": "at"}}, ["ann"]),
        ({"range": {"age": {"gt": 25, "lte": 41}}}, ["bob"]),
        ({"wildcard": {"town": {"value": "l*n", "case_insensitive": True}}}, ["ann"]),
        ({"prefix": {"town": "Por"}}, ["bob"]),
        (
            {
                "bool": {
                    "filter": {"term": {"profileIds": "member"}},
                    "must": [{"exists": {"field": "town"}}],
                    "must_not": {"term": {"tags": "x"}},
                }
            },
            ["ann"],
        ),
        ({"bool": {"should": [{"term": {"tags": "x"}}, {"term": {"age": 25}}]}}, ["ann", "bob"]),
        ({"match_none": {}}, []),
        ({"prefix": {"*": "Bob O"}}, ["bob"]),
        ({"prefix": {"*": {"value": "LISb", "case_insensitive": True}}}, ["ann"]),
        ({"prefix": {"*": {"value": "bob o'NEIL", "case_insensitive": True}}}, ["bob"]),
        ({"prefix": {"*": {"value": "bob o'NEILX", "case_insensitive": True}}}, []),
        ({"term": {"*": 41}}, ["bob"]),
        ({"match": {"*": "müller"}}, ["ann"]),
        (
            {
                "bool": {
                    "filter": [
                        {"term": {"_kuzzle_info.strategies": "local"}},
                        {"ids": {"values": ["searched-ann"]}},
                    ],
                    "must_not": {"exists": {"field": "_kuzzle_info.status"}},
                }
            },
            ["ann"],
        ),
        ({"term": {"_kuzzle_info.strategies": "nothing"}}, []),
    ],
    ids=str,
)
def test_queries_of_elasticsearch_find(search: Any, query: Any, wanted: list[str]) -> None:
    assert found(search(query)) == wanted


@pytest.mark.parametrize(
    "query, wanted",
    [
        ({"equals": {"town": "Porto"}}, ["bob"]),
        ({"in": {"town": ["Porto", "Lisbon"]}}, ["ann", "bob"]),
        ({"ids": {"values": ["searched-ann"]}}, ["ann"]),
        ({"exists": "at.lat"}, ["ann"]),
        ({"and": [{"exists": {"field": "town"}}, {"missing": {"field": "at"}}]}, ["bob"]),
        ({"range": {"age": {"lt": 30}}}, ["ann"]),
        ({"or": [{"equals": {"age": 25}}, {"equals": {"tags": "x"}}]}, ["ann", "bob"]),
        ({"and": [{"exists": "town"}, {"not": {"equals": {"tags": "x"}}}]}, ["ann"]),
        ({"geoDistance": {"at": {"lat": 1, "lon": 2.1}, "distance": "12 km"}}, ["ann"]),
        ({"geoDistance": {"at": {"lat": 1, "lon": 2.1}, "distance": "11km"}}, []),
        ({"geoBoundingBox": {"at": {"top": 2, "left": 1, "bottom": 0, "right": 3}}}, ["ann"]),
        ({"geoPolygon": {"at": {"points": [[0, 0], [0, 4], [4, 2]]}}}, ["ann"]),
        ({"term": {"town": "Porto"}}, ["bob"]),
    ],
    ids=str,
)
def test_filters_of_koncorde_find(search: Any, query: Any, wanted: list[str]) -> None:
    assert found(search(query, "koncorde")) == wanted


def test_no_more_is_counted_than_was_asked_for(search: Any) -> None:
    query = {"exists": {"field": "town"}}
    for most, total in ((0, 0), (1, 1), (2, 2), (9, 2)):
        result = search(query, track_total_hits=most).result
        assert (result["total"], len(result["hits"])) == (total, 2)


def test_nothing_to_search_for_is_everything(search: Any, closed: Any, api: Api) -> None:
    everybody = search().result
    bare = api.call("security:searchUsers", jwt=closed.admin.jwt).result
    assert everybody["total"] == bare["total"] == len(everybody["hits"]) >= 3
    assert "scrollId" not in everybody


def test_pages_follow_one_another(search: Any) -> None:
    query = {"exists": {"field": "town"}}
    first = search(query, sort=[{"age": "desc"}], size=1).result
    second = search(query, sort=[{"age": "desc"}], size="1", **{"from": "1"}).result
    after = search(query, sort={"age": {"order": "desc"}}, search_after=[41]).result
    assert [hit["_source"]["age"] for hit in first["hits"]] == [41]
    assert [hit["_source"]["age"] for hit in second["hits"]] == [25]
    assert second["hits"] == after["hits"]
    assert first["total"] == second["total"] == after["total"] == 2


def test_a_scroll_goes_through_every_page_and_ends(search: Any, api: Api, closed: Any) -> None:
    def onward(id: str, **args: Any) -> Outcome:
        return api.call("security:scrollUsers", jwt=closed.admin.jwt, scrollId=id, **args)

    page = search({"exists": {"field": "town"}}, sort="age", size=1, scroll="10s").result
    assert (found_ids(page), page["total"]) == (["searched-ann"], 2)
    assert len(page["scrollId"]) >= 22
    last = onward(page["scrollId"], scroll="30s").result
    assert (found_ids(last), last["total"], last["scrollId"]) == (
        ["searched-bob"], 2, page["scrollId"],
    )  # fmt: skip
    for id in (page["scrollId"], "ghost"):
        gone = onward(id)
        assert (gone.status, gone.error_id) == (404, "services.storage.unknown_scroll_id")
        assert gone.error["props"] == []


def found_ids(result: Any) -> list[str]:
    return [hit["_id"] for hit in result["hits"]]


def test_the_scroll_of_users_is_none_of_profiles(search: Any, api: Api, closed: Any) -> None:
    id = search(size=1, scroll="10s").result["scrollId"]
    gone = api.call("security:scrollProfiles", jwt=closed.admin.jwt, scrollId=id)
    assert gone.error_id == "services.storage.unknown_scroll_id"
    assert api.call("security:scrollUsers", jwt=closed.admin.jwt, scrollId=id).status == 200


def test_profiles_are_scrolled_as_users_are(api: Api, closed: Any) -> None:
    def call(action: str, body: Any = None, **args: Any) -> Any:
        return api.call(f"security:{action}", body, jwt=closed.admin.jwt, **args).result

    page = call("searchProfiles", {"sort": "_id"}, size=2, scroll="1m")
    gathered = found_ids(page)
    while len(gathered) < page["total"]:
        page = call("scrollProfiles", scrollId=page["scrollId"])
        gathered += found_ids(page)
    assert gathered == found_ids(call("searchProfiles", {"sort": "_id"}))
    assert {"admin", "anonymous", "default"} <= set(gathered)


def test_profiles_are_searched_by_their_roles_and_their_limit(api: Api, closed: Any) -> None:
    def search(body: Any) -> list[str]:
        outcome = api.call("security:searchProfiles", body, jwt=closed.admin.jwt)
        return found_ids(outcome.result)

    by_role = {"query": {"term": {"policies.roleId": "admin"}}}
    assert search(by_role) == search({"roles": ["admin", "nobody"]}) == ["admin"]
    assert "admin" in search({"query": {"range": {"rateLimit": {"lt": 1}}}})
    assert search({"roles": []}) == search({})


def test_roles_are_searched_by_the_controllers_they_name(api: Api, closed: Any) -> None:
    def search(body: Any) -> list[str]:
        outcome = api.call("security:searchRoles", body, jwt=closed.admin.jwt)
        return found_ids(outcome.result)

    assert search({"controllers": ["server"]}) == ["admin", "anonymous", "default"]
    assert search({"controllers": ["nowhere"]}) == ["admin"]
    assert search({"controllers": []}) == search({})
    one = api.call("security:searchRoles", {"query": {"ids": {"values": ["admin"]}}},
                   jwt=closed.admin.jwt).result["hits"][0]  # fmt: skip
    assert one["_source"]["controllers"] == {"*": {"actions": {"*": True}}}
    assert one["_source"]["_kuzzle_info"]["author"] is None


@pytest.mark.parametrize(
    "action, member", [("searchRoles", "controllers"), ("searchProfiles", "roles")]
)
def test_what_older_clients_send_excludes_a_query(
    api: Api, closed: Any, action: str, member: str
) -> None:
    both = {member: ["a"], "query": {"match_all": {}}}
    outcome = api.call(f"security:{action}", both, jwt=closed.admin.jwt)
    assert (outcome.status, outcome.error_id) == (400, "api.assert.mutually_exclusive")
    wrong = api.call(f"security:{action}", {member: [1]}, jwt=closed.admin.jwt)
    assert wrong.error_id == "api.assert.invalid_type"


REFUSED = [
    ({"query": {"nope": {"a": 1}}}, {}, "services.storage.unknown_query_keyword", ["nope"]),
    ({"query": {"nope": {"a": 1}}}, {"lang": "koncorde"}, "services.storage.unknown_query_keyword", ["nope"]),
    ({"query": {"equals": {"a": 1}}}, {}, "services.storage.unknown_query_keyword", ["equals"]),
    ({"query": {"bool": {}}}, {"lang": "koncorde"}, "api.assert.koncorde_restricted_keyword", ["clause", "bool"]),
    ({"query": {"equals": 1}}, {"lang": "koncorde"}, "services.koncorde.elastic_translation_error", None),
    ({}, {"lang": "sql"}, "api.assert.invalid_argument", ["lang", '"elasticsearch" or "koncorde"']),
    ({}, {"size": 99999}, "services.storage.get_limit_exceeded", []),
    ({}, {"from": 99999}, "services.storage.get_limit_exceeded", []),
    ({"size": 99999}, {}, "services.storage.get_limit_exceeded", []),
    ({}, {"size": "abc"}, "api.assert.invalid_type", ["size", "integer"]),
    ({}, {"size": -1}, "api.assert.invalid_argument", None),
    ({}, {"scroll": "61s"}, "services.storage.scroll_duration_too_great", None),
    ({}, {"scroll": "soon"}, "api.assert.invalid_argument", None),
    ({"sort": "_id", "search_after": ["a"]}, {"scroll": "1s"}, "api.assert.mutually_exclusive", None),
    ({"track_total_hits": 9}, {"scroll": "1s"}, "api.assert.mutually_exclusive", None),
    ({"track_total_hits": True}, {}, "api.assert.invalid_type", ["body.track_total_hits", "integer"]),
    ({"track_total_hits": -1}, {}, "api.assert.invalid_argument", None),
    ({"nonsense": 1}, {}, "services.storage.invalid_search_query", ["nonsense"]),
    ({"aggs": {}}, {}, "ostiary.search.unsupported", ["aggs"]),
    ({"query": {"regexp": {"a": "(a+)+"}}}, {}, "ostiary.search.unsupported", ["regexp"]),
    ({"query": {"script": {"source": "1"}}}, {}, "services.storage.invalid_query_keyword", ["script"]),
    ({"sort": [{"_script": {"script": "1"}}]}, {}, "services.storage.invalid_query_keyword", ["script"]),
    ({"query": "a"}, {}, "api.assert.invalid_type", None),
    ({"query": {"term": {}}}, {}, "api.assert.invalid_argument", None),
    ({"sort": [[1]]}, {}, "api.assert.invalid_argument", None),
    ({"sort": "_id", "search_after": [{}]}, {}, "api.assert.invalid_argument", None),
    ({"search_after": ["a"]}, {}, "api.assert.invalid_argument", None),
]  # fmt: skip


@pytest.mark.parametrize("body, args, id, props", REFUSED, ids=str)
def test_what_cannot_be_searched_for_is_refused_by_name(
    api: Api, closed: Any, body: Any, args: Any, id: str, props: Any
) -> None:
    outcome = api.call("security:searchUsers", body, jwt=closed.admin.jwt, **args)
    assert outcome.error_id == id
    assert outcome.status == (413 if "limit_exceeded" in id else 400)
    if props is not None:
        assert outcome.error["props"] == props


HOSTILE = ["name') OR 1=1 --", 'a" = "a', "users.generation", "generation", "content", "status"]
HOSTILE += ["'; DROP TABLE users; --", "%", "_", "{{7*7}}", "${jndi:x}", "search_values.text"]


@pytest.mark.parametrize("text", HOSTILE)
def test_names_and_values_are_data_and_nothing_else(search: Any, text: str) -> None:
    """INP-01, INP-02, INP-16: no name of a field, of a sort or in a value reaches SQL."""
    for query in (
        {"term": {text: text}},
        {"prefix": {text: text}},
        {"range": {text: {"gte": text}}},
        {"exists": {"field": text}},
        {"match": {text: text}},
        {"wildcard": {text: f"*{text}*"}},
        {"ids": {"values": [text]}},
    ):
        assert search(query).result == {"hits": [], "total": 0}
    everybody = search().result["total"]
    assert search(sort=[{text: "desc"}, "_id"]).result["total"] == everybody >= 3
    assert search(sort=text, search_after=[text], size=1).result["total"] == everybody


def test_numbers_that_are_none_are_refused_at_the_edge(search: Any, api: Api, closed: Any) -> None:
    """INP-06, INP-07: and those that are too large for a database find nothing, or everything."""
    for number in (1e300, -1e300, 2**70, 10**400):
        assert search({"term": {"age": number}}).result["total"] == 0
        assert search({"range": {"age": {"gt": number}}}).status == 200
        assert search(sort="age", search_after=[number], size=1).status == 200
        by_instant = search(sort="_kuzzle_info.createdAt", search_after=[number], size=1)
        assert by_instant.status in (200, 400)


def test_too_much_of_anything_is_refused(search: Any) -> None:
    """INP-09, INP-15, INP-17, INP-18"""
    term = {"term": {"a": 1}}
    for query in (
        {"bool": {"should": [term] * 300}},
        {"terms": {"a": list(range(10_001))}},
        {"ids": {"values": [str(one) for one in range(10_001)]}},
        {"match": {"a": "word " * 33}},
        {"match": {"a": "x" * 500_000}},
        {"wildcard": {"a": "*" * 9}},
        {"bool": {"must": [{"wildcard": {"a": "*"}}] * 17}},
        {"range": {"a": {"gt": 1, "lt": "x"}}},
        {"wildcard": {"a": "a" * 193}},
        {"prefix": {"a": "a" * 500_000}},
        {"term": {"a" * 513: 1}},
    ):
        assert search(query).status == 400
    assert search(sort=["a"] * 9).error_id == "api.assert.invalid_argument"


def test_as_much_as_is_allowed_is_answered(search: Any) -> None:
    """INP-05, INP-15: the deepest and longest queries are searched, and do not take long."""
    start = time.monotonic()
    deep: dict[str, Any] = {"term": {"a": 1}}
    for _ in range(19):
        deep = {"bool": {"must": [deep]}}
    many = [{"bool": {"must_not": {"match": {"name": "a b"}}}}] * 40
    for query in (
        {"bool": {"should": many, "minimum_should_match": 20}},
        {"terms": {"town": ["Porto", *map(str, range(9_999))]}},
        {"bool": {"must": [{"wildcard": {"name": "*a*b*c*d*e*f*"}}] * 16}},
        {"term": {"name": "x" * 500_000}},
        deep,
    ):
        assert search(query).status == 200
    assert search(sort=["a", "b", "c", "d", "e", "f", "g", "_id"]).status == 200
    assert time.monotonic() - start < 20


def test_search_says_what_is_an_id(http: Any, closed: Any) -> None:
    outcome = http.send("GET", "/users/_search", jwt=closed.admin.jwt)
    assert outcome.error_id == "services.storage.search_as_an_id"


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory, settings: Any, new_site: Any) -> Iterator[Any]:
    """A server on which a search may ask for five users."""
    given = settings(
        tmp_path_factory.mktemp("few"),
        limits__documentsFetchCount=5,
        limits__maxScrollDuration="2s",
    )
    with new_site(given) as running:
        for _ in range(6):
            running.person()
        yield running


def test_the_limits_are_those_of_the_settings(few: Any, protocol: str) -> None:
    """INP-09"""
    with closing(few.open(protocol)) as api:
        page = api.call("security:searchUsers", jwt=few.admin.jwt).result
        assert (len(page["hits"]), page["total"]) == (5, 7)
        over = api.call("security:searchUsers", jwt=few.admin.jwt, size=6)
        assert over.error_id == "services.storage.get_limit_exceeded"
        long = api.call("security:searchUsers", jwt=few.admin.jwt, scroll="3s")
        assert long.error_id == "services.storage.scroll_duration_too_great"
