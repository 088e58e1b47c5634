"""Administrators search the sessions and API keys of everybody."""

from __future__ import annotations

from typing import Any

import pytest

from ostiary.testing.wire import Api

SEARCH = "security:searchSessions"


@pytest.fixture
def admin(closed: Any) -> str:
    return str(closed.admin.jwt)


def sought(api: Api, jwt: str, size: int = 10, **body: Any) -> Any:
    answer = api.call(SEARCH, body, jwt=jwt, size=size)
    assert answer.status == 200, answer.body
    return answer.result


def test_they_are_those_of_the_lists_of_their_users(api: Api, closed: Any, admin: str) -> None:
    person = closed.person("member")
    closed.login(person.username)
    (listed, total) = api.call("security:getSessions", jwt=admin, _id=person.kuid).result.values()
    found = sought(api, admin, user=person.kuid)
    assert (found["total"], found["next"]) == (total, None)
    more = {"kind": "session", "kuid": person.kuid}
    assert sorted(found["hits"], key=str) == sorted((more | one for one in listed), key=str)
    assert person.jwt not in str(found)
    assert [one["createdAt"] for one in found["hits"]] == sorted(
        (one["createdAt"] for one in listed), reverse=True
    )


def test_what_was_found_can_be_ended(api: Api, closed: Any, admin: str) -> None:
    person = closed.person("member")
    (one,) = sought(api, admin, user=person.kuid)["hits"]
    ended = api.call("security:revokeSession", jwt=admin, userId=one["kuid"], _id=one["_id"])
    assert ended.status == 200
    assert sought(api, admin, user=person.kuid)["hits"] == []
    assert api.call("auth:getMySessions", jwt=person.jwt).status == 401


def test_pages_go_through_everything_once(api: Api, closed: Any, admin: str) -> None:
    person = closed.person("member")
    for _ in range(4):
        closed.login(person.username)
    asked: dict[str, Any] = {"user": person.kuid}
    seen = []
    for rest in (2, 2, 1):
        page = sought(api, admin, 2, **asked)
        assert page["total"] == 5
        assert len(page["hits"]) == rest
        seen += [one["_id"] for one in page["hits"]]
        asked["search_after"] = page["next"]
    assert asked["search_after"] is None
    assert len(set(seen)) == 5


def test_a_refreshed_session_is_there_once(api: Api, closed: Any, admin: str) -> None:
    person = closed.person("member")
    assert api.call("auth:refreshToken", jwt=person.jwt).status == 200
    found = sought(api, admin, user=person.kuid)
    assert (found["total"], len(found["hits"])) == (1, 1)


def test_filters_narrow_what_is_found(api: Api, closed: Any, admin: str) -> None:
    person = closed.person("member")
    for name, value, other in (
        ("strategy", "local", "none-such"),
        ("address", "127.0.0.1", "198.51.100.1"),
    ):
        asked: dict[str, Any] = {"user": person.kuid}
        assert sought(api, admin, **(asked | {name: value}))["total"] == 1
        assert sought(api, admin, **(asked | {name: other})) == {
            "hits": [],
            "total": 0,
            "next": None,
        }


def test_api_keys_are_listed_without_what_they_are(api: Api, closed: Any, admin: str) -> None:
    """KEY-03"""
    person = closed.person("member")
    made = []
    for number in range(3):
        body = {"description": f"<b>key {number}</b>"}
        key = api.call("security:createApiKey", body, jwt=admin, userId=person.kuid).result
        made.append(key)
    first = sought(api, admin, 2, kind="apiKey", user=person.kuid)
    rest = sought(api, admin, 2, kind="apiKey", user=person.kuid, search_after=first["next"])
    found = first["hits"] + rest["hits"]
    assert {one["_id"] for one in found} == {one["_id"] for one in made}
    assert (first["total"], rest["next"]) == (3, None)
    for key in made:
        assert key["_source"]["token"] not in str(found)
        assert key["_source"]["fingerprint"] not in str(found)
    assert {one["kind"] for one in found} == {"apiKey"}


@pytest.mark.parametrize(
    "asked",
    [
        {"kind": "token"},
        {"kind": "apiKey", "strategy": "local"},
        {"kind": "apiKey", "address": "127.0.0.1"},
        {"search_after": "soon"},
        {"search_after": "9" * 40 + ".x"},
    ],
)
def test_what_cannot_be_asked_is_refused(api: Api, admin: str, asked: dict[str, str]) -> None:
    assert api.call(SEARCH, asked, jwt=admin).error_id == "api.assert.invalid_argument"


def test_nobody_but_administrators_sees_them(api: Api, plain: Any) -> None:
    assert api.call(SEARCH, {}).status == 401
    assert api.call(SEARCH, {}, jwt=plain.jwt).status == 403
