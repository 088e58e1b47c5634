"""Seeing where one is signed in, and ending that, over both protocols."""

from __future__ import annotations

from typing import Any

import pytest

from ostiary.testing.wire import Api, HttpApi

ME = "auth:getCurrentUser"
MEMBERS = {
    "_id", "createdAt", "lastSeenAt", "expiresAt", "address", "agent", "strategy", "singleUse",
    "current",
}  # fmt: skip


def sessions(api: Api, jwt: str) -> list[dict[str, Any]]:
    answer = api.call("auth:getMySessions", jwt=jwt).result
    assert answer["total"] == len(answer["hits"])
    return list(answer["hits"])


def test_a_session_tells_when_from_where_and_how_it_was_opened(closed: Any, api: Api) -> None:
    person = closed.person("member")
    closed.http.call("auth:createToken", jwt=person.jwt, singleUse=True)
    first, made = sorted(sessions(api, person.jwt), key=lambda one: not one["current"])
    assert first.keys() == made.keys() == MEMBERS
    assert (first["current"], made["current"]) == (True, False)
    assert (first["singleUse"], made["singleUse"]) == (False, True)
    assert first["strategy"] == made["strategy"] == "local"
    assert first["address"] == "127.0.0.1"
    assert first["createdAt"] - first["lastSeenAt"] < 60_000
    assert first["expiresAt"] - first["createdAt"] == 7_200_000


def test_a_session_tells_the_agent(closed: Any, http: HttpApi) -> None:
    person = closed.person("member")
    agent = {"User-Agent": "a browser/1.0"}
    login = http.send("POST", "/_login/local", person.credentials, agent).result
    (mine,) = [one for one in sessions(http, login["jwt"]) if one["current"]]
    assert mine["agent"] == "a browser/1.0"


def test_a_session_is_ended_alone(closed: Any, api: Api) -> None:
    person = closed.person("member")
    other = closed.login(person.username).jwt
    (id,) = [one["_id"] for one in sessions(api, person.jwt) if not one["current"]]
    assert api.call("auth:revokeMySession", jwt=person.jwt, _id=id).result == {"_id": id}
    assert [api.call(ME, jwt=jwt).status for jwt in (person.jwt, other)] == [200, 401]
    again = api.call("auth:revokeMySession", jwt=person.jwt, _id=id)
    assert (again.status, again.error_id) == (404, "ostiary.session.not_found")
    (mine,) = sessions(api, person.jwt)
    assert api.call("auth:revokeMySession", jwt=person.jwt, _id=mine["_id"]).status == 200
    assert api.call(ME, jwt=person.jwt).error_id == "security.token.invalid"


def test_a_session_ends_whatever_token_it_has_by_now(closed: Any, api: Api) -> None:
    person = closed.person("member")
    (first,) = sessions(api, person.jwt)
    new = api.call("auth:refreshToken", jwt=person.jwt).result["jwt"]
    (same,) = sessions(api, new)
    assert (same["_id"], same["createdAt"], same["current"]) == (
        first["_id"], first["createdAt"], True
    )  # fmt: skip
    api.call("auth:revokeMySession", jwt=new, _id=first["_id"])
    assert [api.call(ME, jwt=jwt).status for jwt in (person.jwt, new)] == [401, 401]


def test_nobody_ends_a_session_of_somebody_else(closed: Any, api: Api, member: Any) -> None:
    other = closed.person("member")
    (theirs,) = sessions(api, other.jwt)
    for body in (None, {"userId": other.kuid}):
        outcome = api.call(
            "auth:revokeMySession", body, jwt=member.jwt, _id=theirs["_id"], userId=other.kuid
        )
        assert (outcome.status, outcome.error_id) == (404, "ostiary.session.not_found")
    wrong = {"userId": member.kuid, "_id": theirs["_id"]}
    outcome = api.call("security:revokeSession", jwt=closed.admin.jwt, **wrong)
    assert (outcome.status, outcome.error_id) == (404, "ostiary.session.not_found")
    assert api.call(ME, jwt=other.jwt).status == 200


def test_an_administrator_sees_and_ends_sessions_of_others(closed: Any, api: Api) -> None:
    person, admin = closed.person("member"), closed.admin.jwt
    answer = api.call("security:getSessions", jwt=admin, _id=person.kuid).result
    assert answer["total"] == 1
    (one,) = answer["hits"]
    assert one.keys() == MEMBERS
    assert one["current"] is False
    ended = api.call("security:revokeSession", jwt=admin, userId=person.kuid, _id=one["_id"])
    assert ended.result == {"_id": one["_id"]}
    assert api.call(ME, jwt=person.jwt).status == 401
    answer = api.call("security:getSessions", jwt=admin, _id=person.kuid).result
    assert answer == {"hits": [], "total": 0}
    assert any(
        one["current"]
        for one in api.call("security:getSessions", jwt=admin, _id="root").result["hits"]
    )


@pytest.mark.parametrize("kuid", ["nobody-at-all", "-1"])
def test_who_does_not_exist_has_no_sessions(closed: Any, api: Api, kuid: str) -> None:
    outcome = api.call("security:getSessions", jwt=closed.admin.jwt, _id=kuid)
    assert (outcome.status, outcome.error_id) == (404, "security.user.not_found")


def test_the_id_of_a_session_is_no_token(closed: Any, api: Api, member: Any) -> None:
    """TOK-24"""
    id = sessions(api, member.jwt)[0]["_id"]
    for text in (id, f"kauth-{id}", f"kapikey-{id}"):
        assert api.call(ME, jwt=text).error_id == "security.token.invalid"


def test_a_key_sees_the_sessions_of_its_owner(closed: Any, api: Api) -> None:
    person = closed.person("member")
    made = api.call("auth:createApiKey", {"description": "a robot"}, jwt=person.jwt).result
    (one,) = sessions(api, made["_source"]["token"])
    assert one["current"] is False
