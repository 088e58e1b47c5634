"""Roles over the wire: written, read and deleted, each action with its errors (contract, 6.2)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from ostiary.testing.wire import Api, differences

NUMBERS = count(1)
READ = {"document": {"actions": {"get": True, "search": False}}}
INFO = {"author": "root", "createdAt": "<ms>", "updatedAt": None, "updater": None}
CHANGED = {**INFO, "updatedAt": "<ms>", "updater": "root"}


@pytest.fixture
def new() -> str:
    """The id of a role that does not exist."""
    return f"role-{next(NUMBERS)}"


@pytest.fixture
def admin(closed: Any) -> str:
    return str(closed.admin.jwt)


@pytest.fixture
def used(api: Api, admin: str, new: str) -> Iterator[str]:
    """The id of a role that a profile names."""
    api.call("security:createRole", {"controllers": READ}, jwt=admin, _id=new)
    policies = [{"roleId": new}]
    api.call("security:createProfile", {"policies": policies}, jwt=admin, _id=f"of-{new}")
    yield new
    api.call("security:deleteProfile", jwt=admin, _id=f"of-{new}")


def test_a_role_is_created_with_whatever_else_is_sent(api: Api, admin: str, new: str) -> None:
    body = {"controllers": READ, "tags": ["a"], "_id": "x", "_kuzzle_info": {"author": "me"}}
    made = api.call("security:createRole", body, jwt=admin, _id=new, refresh="wait_for").result
    source = {"controllers": READ, "tags": ["a"], "_kuzzle_info": INFO}
    assert differences({"_id": new, "_source": source}, made) == []
    assert api.call("security:getRole", jwt=admin, _id=new).result == made
    again = api.call("security:createRole", body, jwt=admin, _id=new)
    assert (again.status, again.error_id) == (400, "services.storage.document_already_exists")
    assert again.error["props"] == []


def test_a_role_is_replaced_as_a_whole(api: Api, admin: str, new: str) -> None:
    first = {"controllers": READ, "tags": ["a"]}
    api.call("security:createOrReplaceRole", first, jwt=admin, _id=new)
    other = {"controllers": {"index": {"actions": {"list": True}}}}
    replaced = api.call("security:createOrReplaceRole", other, jwt=admin, _id=new).result
    assert differences({**other, "_kuzzle_info": INFO}, replaced["_source"]) == []
    updated = api.call("security:updateRole", first, jwt=admin, _id=new, retryOnConflict=3).result
    assert differences({**first, "_kuzzle_info": CHANGED}, updated["_source"]) == []
    assert (
        updated["_source"]["_kuzzle_info"]["createdAt"]
        == (replaced["_source"]["_kuzzle_info"]["createdAt"])
    )
    assert api.call("security:getRole", jwt=admin, _id=new).result == updated


def test_only_a_role_that_exists_is_updated(api: Api, admin: str, new: str) -> None:
    missing = api.call("security:updateRole", {"controllers": READ}, jwt=admin, _id=new)
    assert (missing.status, missing.error_id) == (404, "services.storage.not_found")
    assert missing.error["props"] == [new, "kuzzle", "roles"]


WRONG: list[tuple[Any, str, list[str]]] = [
    ({}, "api.assert.missing_argument", ["ID.controllers"]),
    ({"controllers": []}, "api.assert.invalid_type", ["ID.controllers", "object"]),
    ({"controllers": {}}, "api.assert.empty_argument", ["ID.controllers"]),
    (
        {"controllers": {"document": {"actions": {"get": "true"}}}},
        "api.assert.invalid_type",
        ["document.actions.get", "boolean"],
    ),
    (
        {"controllers": {"document": {"actions": {"fly": True}}}},
        "security.role.unknown_action",
        ["ID", "fly", "document", ""],
    ),
    (
        {"controllers": {"*": {"actions": {"login": True}}}},
        "security.role.unknown_action",
        ["ID", "login", "*", ""],
    ),
    (
        {"controllers": {**READ, "iot": {"actions": {"*": True}}}},
        "security.role.unknown_controller",
        ["ID", "iot", ""],
    ),
]
WRITING = ["createRole", "createOrReplaceRole", "updateRole"]


@pytest.mark.parametrize("action", WRITING)
@pytest.mark.parametrize("body, id, props", WRONG, ids=lambda value: str(value)[:40])
def test_a_wrong_role_is_refused(
    api: Api, admin: str, new: str, action: str, body: Any, id: str, props: list[str]
) -> None:
    """AZ-13"""
    refused = api.call(f"security:{action}", body, jwt=admin, _id=new)
    assert (refused.status, refused.error_id) == (400, id)
    assert refused.error["props"] == [one.replace("ID", new) for one in props]
    assert api.call("security:getRole", jwt=admin, _id=new).status == 404


@pytest.mark.parametrize("action", WRITING)
def test_the_anonymous_role_keeps_the_login(api: Api, admin: str, action: str) -> None:
    """AZ-08"""
    refused = api.call(f"security:{action}", {"controllers": READ}, jwt=admin, _id="anonymous")
    assert (refused.status, refused.error_id) == (400, "security.role.login_required")


@pytest.mark.parametrize("action", ["createOrReplaceRole", "updateRole"])
def test_administrators_keep_all_rights(api: Api, admin: str, action: str) -> None:
    refused = api.call(f"security:{action}", {"controllers": READ}, jwt=admin, _id="admin")
    assert (refused.status, refused.error_id) == (412, "ostiary.rights.administrators")


def test_the_role_of_a_plugin_to_come_is_written_by_force(api: Api, admin: str, new: str) -> None:
    body = {"controllers": {"iot": {"actions": {"blink": True}}}}
    for action in ("createRole", "createOrReplaceRole", "updateRole"):
        assert api.call(f"security:{action}", body, jwt=admin, _id=new).status == 400
        assert api.call(f"security:{action}", body, jwt=admin, _id=new, force=True).status == 200


def test_nobody_writes_a_role_that_grants_more_than_they_hold(
    api: Api, closed: Any, admin: str, new: str
) -> None:
    """AZ-20"""
    writes = {"security": {"actions": {"*": True}}}
    for kind, body in (
        ("Role", {"controllers": writes}),
        ("Profile", {"policies": [{"roleId": new}]}),
    ):
        assert api.call(f"security:create{kind}", body, jwt=admin, _id=new).status == 200
    jwt = closed.person(new).jwt
    mine, more = f"{new}-mine", {"controllers": {**writes, **READ}}
    assert api.call("security:createRole", {"controllers": writes}, jwt=jwt, _id=mine).status == 200
    for action, id in (
        ("createRole", f"{new}-more"),
        ("createOrReplaceRole", mine),
        ("updateRole", mine),
        ("updateRole", new),
    ):
        refused = api.call(f"security:{action}", more, jwt=jwt, _id=id)
        assert (refused.status, refused.error_id) == (403, "ostiary.rights.escalation")
        assert refused.error["props"] == [id]


def test_a_role_that_is_not_there_is_not_found(api: Api, admin: str, new: str) -> None:
    for action in ("getRole", "deleteRole"):
        missing = api.call(f"security:{action}", jwt=admin, _id=new)
        assert (missing.status, missing.error_id) == (404, "security.role.not_found")
        assert missing.error["props"] == [new]


def test_several_roles_are_read_or_none(api: Api, admin: str, new: str) -> None:
    ids = ["default", "admin"]
    hits = api.call("security:mGetRoles", {"ids": ids}, jwt=admin).result["hits"]
    assert hits == [api.call("security:getRole", jwt=admin, _id=id).result for id in ids]
    missing = api.call("security:mGetRoles", {"ids": ["default", new]}, jwt=admin)
    assert (missing.status, missing.error_id) == (404, "security.role.not_found")
    assert missing.error["props"] == [new]
    assert api.call("security:mGetRoles", {"ids": []}, jwt=admin).result == {"hits": []}


def test_a_role_is_deleted_unless_it_is_needed(api: Api, admin: str, used: str) -> None:
    """AZ-08, AZ-15"""
    refused = api.call("security:deleteRole", jwt=admin, _id=used)
    assert (refused.status, refused.error_id) == (412, "security.role.in_use")
    assert refused.error["props"] == [used]
    refused = api.call("security:deleteRole", jwt=admin, _id="default")
    assert (refused.status, refused.error_id) == (400, "security.role.cannot_delete")
    api.call("security:deleteProfile", jwt=admin, _id=f"of-{used}")
    assert api.call("security:deleteRole", jwt=admin, _id=used).result == {"_id": used}
    assert api.call("security:getRole", jwt=admin, _id=used).status == 404


def test_of_several_roles_those_are_deleted_that_can_be(api: Api, admin: str, used: str) -> None:
    free = [f"{used}-a", f"{used}-b"]
    for id in free:
        api.call("security:createRole", {"controllers": READ}, jwt=admin, _id=id)
    ids = [free[0], used, "nothing-at-all", "admin", free[1], free[0]]
    partial = api.call("security:mDeleteRoles", {"ids": ids}, jwt=admin)
    assert (partial.status, partial.error_id) == (206, "services.storage.incomplete_delete")
    assert partial.body["result"] == free
    assert partial.error["count"] == len(partial.error["errors"]) == 3
    assert [(one["id"], one["props"]) for one in partial.error["errors"]] == [
        ("security.role.in_use", [used]),
        ("security.role.not_found", ["nothing-at-all"]),
        ("security.role.cannot_delete", []),
    ]
    api.call("security:createRole", {"controllers": READ}, jwt=admin, _id=free[0])
    assert api.call("security:mDeleteRoles", {"ids": free[:1]}, jwt=admin).result == free[:1]


@pytest.mark.parametrize("kind", ["Roles", "Profiles", "Users"])
def test_the_ids_of_many_are_a_bounded_list_of_texts(api: Api, admin: str, kind: str) -> None:
    """INP-09"""
    action = f"security:mDelete{kind}"
    many = api.call(action, {"ids": [f"none-{n}" for n in range(201)]}, jwt=admin)
    assert (many.status, many.error_id) == (413, "services.storage.write_limit_exceeded")
    for body, id, props in (
        ({}, "api.assert.missing_argument", ["body.ids"]),
        ({"ids": "a,b"}, "api.assert.invalid_type", ["body.ids", "array"]),
        ({"ids": [1]}, "api.assert.invalid_type", ["body.ids", "array of strings"]),
    ):
        wrong = api.call(action, body, jwt=admin)
        assert (wrong.status, wrong.error_id, wrong.error["props"]) == (400, id, props)
    many = api.call(f"security:mGet{kind}", {"ids": [f"n{n}" for n in range(10_001)]}, jwt=admin)
    assert (many.status, many.error_id) == (413, "services.storage.get_limit_exceeded")
