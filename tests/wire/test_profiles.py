"""Profiles over the wire: written, read and deleted, each with its errors (contract, 6.3)."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from ostiary.testing.wire import Api, differences

NUMBERS = count(1)
INFO = {"author": "root", "createdAt": "<ms>", "updatedAt": None, "updater": None}
CHANGED = {**INFO, "updatedAt": "<ms>", "updater": "root"}
DEFAULT = {"roleId": "default"}


@pytest.fixture
def new() -> str:
    """The id of a profile that does not exist."""
    return f"profile-{next(NUMBERS)}"


@pytest.fixture
def admin(closed: Any) -> str:
    return str(closed.admin.jwt)


def test_a_profile_is_created_with_whatever_else_is_sent(api: Api, admin: str, new: str) -> None:
    place = {"index": "i", "collections": ["c"]}
    policies = [DEFAULT, {"roleId": "anonymous", "restrictedTo": [place]}]
    body = {"policies": policies, "rateLimit": 7, "tags": ["a"], "color": "red"}
    made = api.call("security:createProfile", {**body, "_id": "x"}, jwt=admin, _id=new).result
    assert differences({"_id": new, "_source": {**body, "_kuzzle_info": INFO}}, made) == []
    assert api.call("security:getProfile", jwt=admin, _id=new).result == made
    again = api.call("security:createProfile", body, jwt=admin, _id=new)
    assert (again.status, again.error_id) == (400, "services.storage.document_already_exists")


@pytest.mark.parametrize("action", ["createProfile", "createOrReplaceProfile"])
def test_a_profile_without_policies_has_the_default_role(
    api: Api, admin: str, new: str, action: str
) -> None:
    made = api.call(f"security:{action}", {"policies": []}, jwt=admin, _id=new).result
    source = {"policies": [DEFAULT], "rateLimit": 0, "_kuzzle_info": INFO}
    assert differences(source, made["_source"]) == []


def test_replacing_forgets_and_updating_merges(api: Api, admin: str, new: str) -> None:
    first = {"policies": [DEFAULT], "rateLimit": 7, "tags": ["a"]}
    api.call("security:createOrReplaceProfile", first, jwt=admin, _id=new, force=True)
    updated = api.call("security:updateProfile", {"color": "red"}, jwt=admin, _id=new).result
    source = {**first, "color": "red", "_kuzzle_info": CHANGED}
    assert differences({"_id": new, "_source": source}, updated) == []
    other = {"policies": [{"roleId": "anonymous"}]}
    replaced = api.call("security:createOrReplaceProfile", other, jwt=admin, _id=new).result
    source = {**other, "rateLimit": 0, "_kuzzle_info": INFO}
    assert differences(source, replaced["_source"]) == []
    missing = api.call("security:updateProfile", {}, jwt=admin, _id=f"{new}-not")
    assert (missing.status, missing.error_id) == (404, "security.profile.not_found")


WRITING = ["createProfile", "createOrReplaceProfile", "updateProfile"]
WRONG: list[tuple[Any, int, str, list[str]]] = [
    ({"policies": "x"}, 400, "api.assert.invalid_type", ["body.policies", "array"]),
    ({"policies": [{}]}, 400, "api.assert.missing_argument", ["ID.policies[0].roleId"]),
    (
        {"policies": [{**DEFAULT, "x": 1}]},
        400,
        "api.assert.unexpected_argument",
        ["ID.policies[0].x", "roleId, restrictedTo"],
    ),
    (
        {"policies": [{**DEFAULT, "restrictedTo": [{}]}]},
        400,
        "api.assert.missing_argument",
        ["ID.policies[0].restrictedTo[0].index"],
    ),
    ({"policies": [{"roleId": "ghost"}]}, 404, "security.role.not_found", ["ghost"]),
    (
        {"policies": [DEFAULT], "rateLimit": "7"},
        400,
        "api.assert.invalid_type",
        ["ID.rateLimit", "integer"],
    ),
    (
        {"policies": [DEFAULT], "rateLimit": -1},
        400,
        "api.assert.invalid_argument",
        ["ID.rateLimit", "a positive integer, or 0 for no limit"],
    ),
]


@pytest.mark.parametrize("action", WRITING)
@pytest.mark.parametrize("body, status, id, props", WRONG, ids=lambda value: str(value)[:40])
def test_a_wrong_profile_is_refused(
    api: Api, admin: str, new: str, action: str, body: Any, status: int, id: str, props: list[str]
) -> None:
    target = new
    if action == "updateProfile":
        target = f"{new}-there"
        api.call("security:createProfile", {"policies": []}, jwt=admin, _id=target)
    refused = api.call(f"security:{action}", body, jwt=admin, _id=target)
    assert (refused.status, refused.error_id) == (status, id)
    assert refused.error["props"] == [one.replace("ID", target) for one in props]
    assert api.call("security:getProfile", jwt=admin, _id=new).status == 404


@pytest.mark.parametrize("action", WRITING)
def test_the_anonymous_profile_keeps_the_anonymous_role(api: Api, admin: str, action: str) -> None:
    """AZ-08"""
    refused = api.call(f"security:{action}", {"policies": [DEFAULT]}, jwt=admin, _id="anonymous")
    assert (refused.status, refused.error_id) == (400, "security.profile.missing_anonymous_role")


@pytest.mark.parametrize("action", ["createOrReplaceProfile", "updateProfile"])
def test_administrators_keep_all_rights(api: Api, admin: str, action: str) -> None:
    refused = api.call(f"security:{action}", {"policies": [DEFAULT]}, jwt=admin, _id="admin")
    assert (refused.status, refused.error_id) == (412, "ostiary.rights.administrators")


@pytest.mark.parametrize("action", WRITING)
def test_nobody_writes_a_profile_that_grants_more_than_they_hold(
    api: Api, closed: Any, admin: str, new: str, action: str
) -> None:
    """AZ-20"""
    api.call("security:createProfile", {"policies": []}, jwt=admin, _id=f"{new}-theirs")
    granted = {"controllers": {"security": {"actions": {action: True}}}}
    api.call("security:createRole", granted, jwt=admin, _id=new)
    api.call("security:createProfile", {"policies": [{"roleId": new}]}, jwt=admin, _id=new)
    jwt = closed.person(new, "default").jwt
    id = f"{new}-more" if action == "createProfile" else f"{new}-theirs"
    refused = api.call(f"security:{action}", {"policies": [{"roleId": "admin"}]}, jwt=jwt, _id=id)
    assert (refused.status, refused.error_id) == (403, "ostiary.rights.escalation")
    assert refused.error["props"] == [id]
    within = api.call(f"security:{action}", {"policies": [{"roleId": new}]}, jwt=jwt, _id=id)
    assert within.status == 200


@pytest.mark.parametrize("action", WRITING)
def test_strict_wants_indexes_and_collections_that_were_declared(
    api: Api, admin: str, new: str, action: str
) -> None:
    index = f"index-{new}"
    target = f"{new}-{action}"
    if action == "updateProfile":
        api.call("security:createProfile", {"policies": []}, jwt=admin, _id=target)

    def write(*collections: str, strict: bool = True) -> Any:
        place = {"index": index, "collections": list(collections)}
        body = {"policies": [{**DEFAULT, "restrictedTo": [place]}]}
        return api.call(f"security:{action}", body, jwt=admin, _id=target, strict=strict)

    unknown = write("red")
    assert (unknown.status, unknown.error_id) == (412, "services.storage.unknown_index")
    assert unknown.error["props"] == [index]
    assert api.call("index:exists", jwt=admin, index=index).result is False
    assert api.call("index:create", jwt=admin, index=index).result is None
    assert api.call("index:exists", jwt=admin, index=index).result is True
    unknown = write("red", "blue")
    assert (unknown.status, unknown.error_id) == (412, "services.storage.unknown_collection")
    assert unknown.error["props"] == [index, "red, blue"]
    place = {"index": index, "collection": "red"}
    assert api.call("collection:exists", jwt=admin, **place).result is False
    made = api.call("collection:create", {"mappings": {}}, jwt=admin, **place)
    assert made.result == {"acknowledged": True}
    assert api.call("collection:exists", jwt=admin, **place).result is True
    assert write("red").status == 200
    if action != "createProfile":
        assert write("blue", strict=False).status == 200


@pytest.mark.parametrize("name", ["a\x01b", "x" * 513, ".."])
def test_a_name_of_an_index_can_be_asked_for(api: Api, admin: str, name: str) -> None:
    """INP-03"""
    for action, args in (
        ("index:create", {"index": name}),
        ("collection:create", {"index": "i", "collection": name}),
    ):
        refused = api.call(action, jwt=admin, **args)
        assert (refused.status, refused.error_id) == (400, "api.assert.invalid_argument")


@pytest.mark.parametrize("id", ["a\x01b", "..", "x" * 513])
def test_what_could_not_be_read_by_its_url_is_not_created(api: Api, admin: str, id: str) -> None:
    """INP-03"""
    bodies = {
        "createRole": {"controllers": {"index": {"actions": {"list": True}}}},
        "createProfile": {"policies": []},
        "upsertUser": {"content": {"profileIds": ["default"]}},
    }
    for action, body in bodies.items():
        refused = api.call(f"security:{action}", body, jwt=admin, _id=id)
        assert (refused.status, refused.error_id) == (400, "api.assert.invalid_argument")


def test_several_profiles_are_read_or_none(api: Api, admin: str, new: str) -> None:
    ids = ["default", "admin"]
    hits = api.call("security:mGetProfiles", {"ids": ids}, jwt=admin).result["hits"]
    assert hits == [api.call("security:getProfile", jwt=admin, _id=id).result for id in ids]
    missing = api.call("security:mGetProfiles", {"ids": ["default", new]}, jwt=admin)
    assert (missing.status, missing.error_id) == (404, "security.profile.not_found")
    assert missing.error["props"] == [new]


def test_a_profile_is_deleted_unless_somebody_holds_it(
    api: Api, closed: Any, admin: str, new: str
) -> None:
    """AZ-08, AZ-15"""
    api.call("security:createProfile", {"policies": []}, jwt=admin, _id=new)
    both, only = closed.person(new, "default"), closed.person(new)
    for args in ({}, {"onAssignedUsers": "fail"}):
        refused = api.call("security:deleteProfile", jwt=admin, _id=new, **args)
        assert (refused.status, refused.error_id) == (412, "security.profile.in_use")
        assert refused.error["props"] == [new]
    partial = api.call("security:mDeleteProfiles", {"ids": [new, "default", "ghost"]}, jwt=admin)
    assert (partial.status, partial.body["result"], partial.error["count"]) == (206, [], 3)
    assert [one["id"] for one in partial.error["errors"]] == [
        "security.profile.in_use",
        "security.profile.cannot_delete",
        "security.profile.not_found",
    ]
    gone = api.call("security:deleteProfile", jwt=admin, _id=new, onAssignedUsers="remove")
    assert gone.result == {"_id": new}
    left = {
        person.kuid: api.call("security:getUser", jwt=admin, _id=person.kuid).result["_source"]
        for person in (both, only)
    }
    assert left[both.kuid]["profileIds"] == ["default"]
    assert left[only.kuid]["profileIds"] == ["anonymous"]
    assert left[only.kuid]["_kuzzle_info"]["updater"] == "root"
    # The token of who is left as anonymous may do what anonymous may.
    mine = api.call("auth:getMyRights", jwt=only.jwt).result
    assert mine == api.call("auth:getMyRights").result
    missing = api.call("security:deleteProfile", jwt=admin, _id=new)
    assert (missing.status, missing.error_id) == (404, "security.profile.not_found")
    for id in ("admin", "default", "anonymous"):
        refused = api.call("security:deleteProfile", jwt=admin, _id=id, onAssignedUsers="remove")
        assert (refused.status, refused.error_id) == (400, "security.profile.cannot_delete")


def test_profiles_that_nobody_holds_are_deleted(api: Api, admin: str, new: str) -> None:
    ids = [f"{new}-a", f"{new}-b"]
    for id in ids:
        api.call("security:createProfile", {"policies": []}, jwt=admin, _id=id)
    assert api.call("security:mDeleteProfiles", {"ids": ids}, jwt=admin).result == ids


def test_a_change_of_a_role_or_a_profile_reaches_live_tokens_at_once(
    api: Api, closed: Any, admin: str, new: str
) -> None:
    """TOK-29"""
    one = {"controllers": {"auth": {"actions": {"getStrategies": True}}}}
    api.call("security:createRole", one, jwt=admin, _id=new)
    api.call("security:createProfile", {"policies": [{"roleId": new}]}, jwt=admin, _id=new)
    jwt = closed.person(new).jwt
    assert api.call("auth:getStrategies", jwt=jwt).status == 200
    no = {"controllers": {"auth": {"actions": {"getStrategies": False}}}}
    api.call("security:updateRole", no, jwt=admin, _id=new)
    assert api.call("auth:getStrategies", jwt=jwt).status == 403
    policies = {"policies": [{"roleId": new}, {"roleId": "admin"}]}
    api.call("security:updateProfile", policies, jwt=admin, _id=new)
    assert api.call("auth:getStrategies", jwt=jwt).status == 200
    api.call("security:createOrReplaceProfile", {"policies": []}, jwt=admin, _id=new)
    assert api.call("auth:getStrategies", jwt=jwt).status == 403
