"""Users over the wire once they exist: read, changed, replaced, upserted, deleted."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import count
from typing import Any

import pytest

from ostiary.composition import make_registry
from ostiary.testing.wire import Api, HttpApi, Outcome, differences

NUMBERS = count(1)
INFO = {"author": "root", "createdAt": "<ms>", "updatedAt": None, "updater": None}
CHANGED = {**INFO, "updatedAt": "<ms>", "updater": "root"}
PASSWORD = "a password long enough"


@pytest.fixture
def new() -> str:
    """The kuid of a user who does not exist."""
    return f"somebody-{next(NUMBERS)}"


@pytest.fixture
def admin(closed: Any) -> str:
    return str(closed.admin.jwt)


@pytest.fixture
def ann(api: Api, admin: str, new: str) -> str:
    """The kuid of a user with a name."""
    body = {"content": {"profileIds": ["default"], "name": "Ann", "a": 1}}
    assert api.call("security:createUser", body, jwt=admin, _id=new).status == 200
    return new


def test_every_action_that_writes_who_may_what_refuses_doubled_keys() -> None:
    """AZ-03"""
    writes = ("create", "replace", "update", "upsert")
    named = {
        action.name: action.strict
        for action in make_registry()
        if action.controller == "security"
        and action.name.startswith(writes)
        and not action.name.endswith("Mapping")
    }
    assert {"createUser", "upsertUser", "createOrReplaceRole", "updateProfile"} <= named.keys()
    assert set(named.values()) == {True}


def test_a_user_is_replaced_as_a_whole_and_can_still_sign_in(api: Api, closed: Any) -> None:
    admin, person = closed.admin.jwt, closed.person("default", name="Ann", a=1)
    body = {"profileIds": ["member", "default", "member"], "only": True, "_id": "x"}
    new = api.call("security:replaceUser", body, jwt=admin, _id=person.kuid).result
    source = {"profileIds": ["member", "default"], "only": True, "_kuzzle_info": INFO}
    assert differences({"_id": person.kuid, "_source": source}, new) == []
    assert api.call("security:getUser", jwt=admin, _id=person.kuid).result == new
    assert api.call("auth:getCurrentUser", jwt=person.jwt).result["_source"] == new["_source"]
    assert closed.login(person.username).kuid == person.kuid


REPLACING: list[tuple[Any, int, str, list[str]]] = [
    ({"a": 1}, 400, "api.assert.missing_argument", ["body.profileIds"]),
    ({"profileIds": "x"}, 400, "api.assert.invalid_type", ["body.profileIds", "array"]),
    ({"profileIds": [1]}, 400, "api.assert.invalid_type", ["body.profileIds", "array of strings"]),
    ({"profileIds": []}, 400, "security.user.no_profile", ["ID"]),
    ({"profileIds": ["default", "ghost"]}, 404, "security.profile.not_found", ["ghost"]),
]


@pytest.mark.parametrize("body, status, id, props", REPLACING, ids=lambda value: str(value)[:40])
def test_a_user_is_replaced_by_a_whole_one_or_not_at_all(
    api: Api, admin: str, ann: str, body: Any, status: int, id: str, props: list[str]
) -> None:
    """AZ-09"""
    before = api.call("security:getUser", jwt=admin, _id=ann).result
    refused = api.call("security:replaceUser", body, jwt=admin, _id=ann)
    assert (refused.status, refused.error_id) == (status, id)
    assert refused.error["props"] == [one.replace("ID", ann) for one in props]
    assert api.call("security:getUser", jwt=admin, _id=ann).result == before


def test_who_is_not_there_is_neither_replaced_nor_updated(api: Api, admin: str, new: str) -> None:
    for action in ("replaceUser", "updateUser"):
        missing = api.call(f"security:{action}", {"profileIds": ["default"]}, jwt=admin, _id=new)
        assert (missing.status, missing.error_id) == (404, "security.user.not_found")
        assert missing.error["props"] == [new]


def test_nulls_for_profiles_leave_them_as_they_are(api: Api, admin: str, ann: str) -> None:
    body = {"profileIds": None, "a": 2}
    updated = api.call("security:updateUser", body, jwt=admin, _id=ann).result["_source"]
    expected = {"profileIds": ["default"], "name": "Ann", "a": 2, "_kuzzle_info": CHANGED}
    assert differences(expected, updated) == []


def test_properties_are_taken_away_in_one_step_with_others_being_changed(
    api: Api, admin: str, ann: str
) -> None:
    updated = api.call("security:updateUser", {"b": 2}, jwt=admin, _id=ann, remove="a,gone")
    expected = {"profileIds": ["default"], "name": "Ann", "b": 2, "_kuzzle_info": CHANGED}
    assert differences(expected, updated.result["_source"]) == []
    found = {"bool": {"filter": [{"ids": {"values": [ann]}}, {"exists": {"field": "a"}}]}}
    assert api.call("security:searchUsers", {"query": found}, jwt=admin).result["total"] == 0


def test_who_was_changed_since_they_were_read_is_not_changed_again(
    api: Api, admin: str, ann: str
) -> None:
    read = api.call("security:getUser", jwt=admin, _id=ann).result["_source"]["_kuzzle_info"]
    since = read["createdAt"]
    time.sleep(0.002)  # The first change is not made in the instant of the creation.
    first = api.call("security:updateUser", {"a": 2}, jwt=admin, _id=ann, ifUnchangedSince=since)
    assert first.status == 200
    second = api.call("security:updateUser", {"a": 3}, jwt=admin, _id=ann, ifUnchangedSince=since)
    assert (second.status, second.error_id) == (412, "ostiary.rights.changed_meanwhile")
    now = api.call("security:getUser", jwt=admin, _id=ann).result["_source"]
    assert now["a"] == 2


def test_anonymous_stays_as_it_is(api: Api, admin: str) -> None:
    """AZ-07"""
    before = api.call("security:getUser", jwt=admin, _id="-1").result
    for action in ("replaceUser", "updateUser"):
        for profile, status, id in (
            ("default", 400, "security.user.anonymous_profile_required"),
            ("anonymous", 404, "security.user.not_found"),
        ):
            body = {"profileIds": [profile], "a": 1}
            refused = api.call(f"security:{action}", body, jwt=admin, _id="-1")
            assert (refused.status, refused.error_id) == (status, id)
    content = {"content": {"profileIds": ["anonymous"]}}
    refused = api.call("security:upsertUser", content, jwt=admin, _id="-1")
    assert (refused.status, refused.error_id) == (412, "security.user.already_exists")
    assert api.call("security:getUser", jwt=admin, _id="-1").result == before


def test_an_upsert_creates_and_then_changes(api: Api, closed: Any, admin: str, new: str) -> None:
    fields = {"username": new, "password": PASSWORD}
    body = {
        "content": {"profileIds": ["default"], "color": "red"},
        "default": {"name": "d", "color": "blue", "profileIds": ["admin"]},
        "credentials": {"local": fields},
    }
    made = api.call("security:upsertUser", body, jwt=admin, _id=new).result
    source = {"profileIds": ["default"], "name": "d", "color": "red"}
    assert differences({"_id": new, "_source": {**source, "_kuzzle_info": INFO}}, made) == []
    assert closed.login(new).kuid == new
    other = {"username": f"{new}-other", "password": PASSWORD}
    body |= {"content": {"profileIds": ["member"], "name": "n"}, "credentials": {"local": other}}
    changed = api.call("security:upsertUser", body, jwt=admin, _id=new).result["_source"]
    source = {"profileIds": ["member"], "name": "n", "color": "red"}
    assert differences({**source, "_kuzzle_info": CHANGED}, changed) == []
    refused = api.call("auth:login", other, strategy="local")
    assert refused.status == 401
    assert closed.login(new).kuid == new


UPSERTING: list[tuple[Any, int, str, list[str]]] = [
    ({}, 400, "api.assert.missing_argument", ["body.content"]),
    ({"content": {}}, 400, "api.assert.missing_argument", ["body.content.profileIds"]),
    ({"content": {"profileIds": []}}, 400, "security.user.no_profile", ["ID"]),
    ({"content": {"profileIds": ["ghost"]}}, 404, "security.profile.not_found", ["ghost"]),
    (
        {"content": {"profileIds": ["default"]}, "default": []},
        400,
        "api.assert.invalid_type",
        ["body.default", "object"],
    ),
    (
        {"content": {"profileIds": ["default"]}, "credentials": {"pigeon": {}}},
        400,
        "security.credentials.unknown_strategy",
        ["pigeon"],
    ),
    (
        {"content": {"profileIds": ["default"]}, "credentials": {"local": 1}},
        400,
        "api.assert.invalid_type",
        ["body.credentials.local", "object"],
    ),
]


@pytest.mark.parametrize("body, status, id, props", UPSERTING, ids=lambda value: str(value)[:40])
def test_a_wrong_upsert_leaves_nothing(
    api: Api, admin: str, new: str, body: Any, status: int, id: str, props: list[str]
) -> None:
    """AZ-09"""
    refused = api.call("security:upsertUser", body, jwt=admin, _id=new)
    assert (refused.status, refused.error_id) == (status, id)
    assert refused.error["props"] == [one.replace("ID", new) for one in props]
    assert api.call("security:getUser", jwt=admin, _id=new).status == 404


def test_of_upserts_at_once_one_creates_and_all_change(closed: Any, admin: str, new: str) -> None:
    """RACE-01, RACE-14: nobody is told that the user exists already."""

    def send(number: int) -> Outcome:
        body = {
            "content": {"profileIds": ["default"], f"p{number}": number},
            "credentials": {"local": {"username": new, "password": PASSWORD}},
        }
        with closing(HttpApi(closed.port)) as api:
            return api.call("security:upsertUser", body, jwt=admin, _id=new)

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(send, range(8)))
    assert {outcome.status for outcome in outcomes} == {200}
    with closing(HttpApi(closed.port)) as api:
        user = api.call("security:getUser", jwt=admin, _id=new).result["_source"]
    assert {f"p{number}" for number in range(8)} <= user.keys()
    assert closed.login(new).kuid == new


def test_several_users_are_read_and_who_is_not_there_is_left_out(
    api: Api, admin: str, ann: str
) -> None:
    body = {"ids": [ann, "ghost", "root", "-1", ann]}
    hits = api.call("security:mGetUsers", body, jwt=admin).result["hits"]
    assert hits == [api.call("security:getUser", jwt=admin, _id=id).result for id in (ann, "root")]
    for ids in (f"{ann},ghost,root", json.dumps([ann, "ghost", "root"]), [ann, "root"]):
        if api.protocol == "http" and isinstance(ids, list):
            continue
        assert api.call("security:mGetUsers", jwt=admin, ids=ids).result["hits"] == hits


def test_over_http_the_ids_may_be_repeated(http: HttpApi, admin: str) -> None:
    answer = http.send("GET", "/users/_mGet?ids=root&ids=ghost", jwt=admin)
    assert [hit["_id"] for hit in answer.result["hits"]] == ["root"]


def test_ids_are_needed_and_texts(api: Api, admin: str) -> None:
    missing = api.call("security:mGetUsers", jwt=admin)
    assert (missing.status, missing.error["props"]) == (400, ["ids"])
    assert missing.error_id == "api.assert.missing_argument"
    wrong = api.call("security:mGetUsers", {"ids": "root"}, jwt=admin)
    assert (wrong.error_id, wrong.error["props"]) == (
        "api.assert.invalid_type",
        ["body.ids", "array"],
    )
    wrong = api.call("security:mGetUsers", jwt=admin, ids="[1]")
    assert (wrong.error_id, wrong.error["props"]) == (
        "api.assert.invalid_type",
        ["ids", "array of strings"],
    )


def test_of_several_users_those_are_deleted_who_can_be(api: Api, closed: Any, admin: str) -> None:
    """ADM-10"""
    person = closed.person("default")
    ids = [person.kuid, "ghost", "-1", "root", person.kuid]
    partial = api.call("security:mDeleteUsers", {"ids": ids}, jwt=admin)
    assert (partial.status, partial.error_id) == (206, "services.storage.incomplete_delete")
    assert partial.body["result"] == [person.kuid]
    assert partial.error["count"] == 3
    assert [(one["id"], one["status"], one["props"]) for one in partial.error["errors"]] == [
        ("security.user.not_found", 404, ["ghost"]),
        ("services.storage.not_found", 404, ["-1", "kuzzle", "users"]),
        ("ostiary.user.last_administrator", 412, ["root"]),
    ]
    assert api.call("auth:getCurrentUser", jwt=person.jwt).status == 401
    assert api.call("auth:login", person.credentials, strategy="local").status == 401
    kuids = [closed.person("default").kuid for _ in range(2)]
    assert api.call("security:mDeleteUsers", {"ids": kuids}, jwt=admin).result == kuids


@pytest.fixture
def clerk(closed: Any, admin: str) -> Any:
    """Somebody who may do everything with users, and little else."""
    http, name = closed.http, f"clerks-{next(NUMBERS)}"
    actions = [
        "createUser", "updateUser", "replaceUser", "upsertUser", "getUser",
        "createCredentials", "updateCredentials",
    ]  # fmt: skip
    role = {"controllers": {"security": {"actions": dict.fromkeys(actions, True)}}}
    http.call("security:createRole", role, jwt=admin, _id=name)
    profile = {"policies": [{"roleId": name}]}
    http.call("security:createProfile", profile, jwt=admin, _id=name)
    return closed.person(name, "default")


@pytest.fixture
def chief(api: Api, admin: str, new: str) -> Iterator[str]:
    """The kuid of another administrator, whom later tests do not count on."""
    content = {"content": {"profileIds": ["admin"]}}
    assert api.call("security:createUser", content, jwt=admin, _id=new).status == 200
    yield new
    assert api.call("security:deleteUser", jwt=admin, _id=new).status == 200


def test_nobody_takes_over_who_may_do_more(
    api: Api, closed: Any, admin: str, clerk: Any, chief: str
) -> None:
    """AZ-20: neither by demoting them nor by giving them other credentials."""
    target, fields = closed.person("member"), {"username": chief, "password": PASSWORD}
    local = {"strategy": "local"}
    for kuid, refused in (
        (target.kuid, api.call("security:updateCredentials", fields, jwt=clerk.jwt,
                               _id=target.kuid, **local)),
        (chief, api.call("security:createCredentials", fields, jwt=clerk.jwt, _id=chief, **local)),
        *(
            (chief, api.call(f"security:{action}", body, jwt=clerk.jwt, _id=chief))
            for action, body in (
                ("updateUser", {"profileIds": ["default"]}),
                ("replaceUser", {"profileIds": ["default"]}),
                ("upsertUser", {"content": {"profileIds": ["default"]}}),
            )
        ),
    ):  # fmt: skip
        assert (refused.status, refused.error_id) == (403, "ostiary.rights.target")
        assert refused.error["props"] == [kuid]
    assert closed.login(target.username).kuid == target.kuid
    user = api.call("security:getUser", jwt=admin, _id=chief).result["_source"]
    assert user["profileIds"] == ["admin"]
    named = api.call("security:updateUser", {"name": "Ann"}, jwt=clerk.jwt, _id=chief)
    assert named.result["_source"]["profileIds"] == ["admin"]


def test_who_may_do_no_more_is_managed_by_who_may(
    api: Api, closed: Any, clerk: Any, new: str
) -> None:
    """AZ-20"""
    person, args = closed.person("default"), {"strategy": "local"}
    own = api.call("security:getUser", jwt=clerk.jwt, _id=clerk.kuid).result["_source"]
    fields = {"username": new, "password": PASSWORD}
    for action, body, more in (
        ("updateCredentials", fields, args),
        ("updateUser", {"profileIds": ["default"]}, {}),
        ("replaceUser", {"profileIds": own["profileIds"]}, {}),
        ("upsertUser", {"content": {"profileIds": ["default"]}}, {}),
    ):
        answer = api.call(f"security:{action}", body, jwt=clerk.jwt, _id=person.kuid, **more)
        assert answer.status == 200
    assert closed.login(new).kuid == person.kuid
    demoted = api.call(
        "security:updateUser", {"profileIds": ["default"]}, jwt=clerk.jwt, _id=clerk.kuid
    )
    assert demoted.status == 200
