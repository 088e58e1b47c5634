"""Credentials by user name, their fields, and searching them; searching API keys."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ostiary.testing.wire import Api, Outcome

SEARCH = "security:searchUsersByCredentials"


@pytest.fixture(scope="module")
def people(closed: Any) -> list[Any]:
    return [closed.person("member") for _ in range(3)]


def search(api: Api, closed: Any, body: Any = None, **args: Any) -> Outcome:
    return api.call(SEARCH, body, jwt=closed.admin.jwt, strategy="local", **args)


def test_credentials_are_found_by_the_id_of_their_strategy(
    api: Api, closed: Any, people: list[Any]
) -> None:
    ann = people[0]

    def by_id(**args: Any) -> Outcome:
        return api.call("security:getCredentialsById", jwt=closed.admin.jwt, **args)

    found = by_id(strategy="local", _id=ann.username).result
    assert found == {"username": ann.username, "kuid": ann.kuid}
    assert by_id(strategy="local", _id="ghost").status == 412
    unknown = by_id(strategy="nope", _id="ghost")
    assert (unknown.status, unknown.error_id) == (400, "security.credentials.unknown_strategy")


def test_the_fields_of_credentials_are_listed(api: Api, closed: Any) -> None:
    def call(action: str, **args: Any) -> Outcome:
        return api.call(f"security:{action}", jwt=closed.admin.jwt, **args)

    fields = ["username", "password", "email", "phone"]
    assert call("getCredentialFields", strategy="local").result == fields
    assert call("getAllCredentialFields").result == {"local": fields}
    unknown = call("getCredentialFields", strategy="nope")
    assert unknown.error["props"] == ["nope"]


@pytest.mark.parametrize(
    "query",
    [
        {"term": {"username": "NAME"}},
        {"match": {"username": "NAME"}},
        {"terms": {"username": ["NAME", "nobody"]}},
        {"bool": {"must": [{"prefix": {"username": "NAME"}}], "must_not": {"term": {"kuid": "x"}}}},
        {"term": {"kuid": "NAME"}},
    ],
    ids=str,
)
def test_credentials_are_searched(api: Api, closed: Any, people: list[Any], query: Any) -> None:
    ann = people[0]
    asked = json.loads(json.dumps(query).replace("NAME", ann.username))
    found = search(api, closed, {"query": asked}).result
    assert found == {"hits": [{"username": ann.username, "kuid": ann.kuid}], "total": 1}


def test_koncorde_and_pages_of_credentials(api: Api, closed: Any, people: list[Any]) -> None:
    names = sorted(one.username for one in people)
    body = {"query": {"in": {"username": names}}, "sort": [{"username": "desc"}]}
    page = search(api, closed, body, lang="koncorde", size=2).result
    assert [hit["username"] for hit in page["hits"]] == names[:0:-1]
    assert page["total"] == 3
    rest = search(api, closed, body, lang="koncorde", **{"from": 2}).result
    assert [hit["username"] for hit in rest["hits"]] == names[:1]


@pytest.mark.parametrize(
    "query, status",
    [
        ({"term": {"userPassword": "x"}}, 403),
        ({"prefix": {"hash": "$argon2id"}}, 403),
        ({"regexp": {"username": "x"}}, 400),
        ({"wildcard": {"username": "*"}}, 400),
        ({"term": {"anything": "x"}}, 400),
        ({"nope": {}}, 400),
        ({"script": {}}, 400),
    ],
    ids=str,
)
def test_what_credentials_are_not_searched_by_is_refused(
    api: Api, closed: Any, query: Any, status: int
) -> None:
    """PWD-11, INP-02"""
    assert search(api, closed, {"query": query}).status == status
    assert search(api, closed, {"query": {"bool": {"must_not": query}}}).status == status


def test_the_limit_of_a_page_of_credentials_is_less_what_is_passed_over(
    api: Api, closed: Any
) -> None:
    """INP-09"""
    over = search(api, closed, size=10_001)
    assert (over.status, over.error_id) == (413, "services.storage.get_limit_exceeded")
    assert search(api, closed, size=10_001, **{"from": 1}).result["hits"] is not None
    assert search(api, closed, size=10_012, **{"from": 11}).status == 413
    assert search(api, closed, **{"from": 10_001}).status == 413


@pytest.fixture(scope="module")
def keys(closed: Any, people: list[Any]) -> list[Any]:
    for person in people:
        made = closed.http.call(
            "security:createApiKey",
            {"description": f"key of {person.username}"},
            jwt=closed.admin.jwt,
            userId=person.kuid,
            _id=f"key-{person.kuid}",
            expiresIn=3_600_000,
        )
        assert made.status == 200, made.body
    return people


def test_everybody_searches_keys_of_their_own(api: Api, closed: Any, keys: list[Any]) -> None:
    """KEY-02, KEY-04"""
    ann = keys[0]
    listed = []
    for query in (None, {}, {"match": {"description": "KEY"}}, {"terms": {"ttl": ["3600000"]}}):
        given = {"userId": ann.kuid, "scroll": "1s"}
        for found in (
            api.call("auth:searchApiKeys", query, jwt=ann.jwt),
            api.call("security:searchApiKeys", query, jwt=closed.admin.jwt, **given),
        ):
            assert found.result["total"] == 1
            listed += found.result["hits"]
    assert all(hit == listed[0] for hit in listed)
    source = listed[0]["_source"]
    assert listed[0]["_id"] == f"key-{ann.kuid}"
    assert len(source.pop("fingerprint")) == 64
    assert source == {
        "userId": ann.kuid,
        "description": f"key of {ann.username}",
        "ttl": 3_600_000,
        "expiresAt": source["expiresAt"],
    }


def test_no_query_shows_the_keys_of_others(api: Api, keys: list[Any]) -> None:
    """KEY-04"""
    ann, bob = keys[:2]
    for query in (
        {"term": {"userId": bob.kuid}},
        {"ids": {"values": [f"key-{bob.kuid}"]}},
        {"bool": {"should": [{"term": {"userId": bob.kuid}}, {"term": {"description": "x"}}]}},
    ):
        assert api.call("auth:searchApiKeys", query, jwt=ann.jwt).result["hits"] == []
    koncorde = {"or": [{"equals": {"ttl": "3600000"}}, {"everything": {}}]}
    mine = api.call("auth:searchApiKeys", koncorde, jwt=ann.jwt, lang="koncorde").result
    assert [hit["_id"] for hit in mine["hits"]] == [f"key-{ann.kuid}"]


@pytest.mark.parametrize(
    "query, args, id",
    [
        ({"nope": {}}, {}, "services.storage.unknown_query_keyword"),
        ({"query": {"match_all": {}}}, {}, "services.storage.unknown_query_keyword"),
        ({"script": {}}, {}, "services.storage.invalid_query_keyword"),
        ({"bool": {}}, {"lang": "koncorde"}, "api.assert.koncorde_restricted_keyword"),
        ({}, {"lang": "sql"}, "api.assert.invalid_argument"),
        ({}, {"size": 10_001}, "services.storage.get_limit_exceeded"),
    ],
)
def test_what_keys_are_not_searched_by_is_refused(
    api: Api, keys: list[Any], query: Any, args: Any, id: str
) -> None:
    refused = api.call("auth:searchApiKeys", query, jwt=keys[0].jwt, **args)
    assert refused.error_id == id
