"""What somebody may do, listed and tested without being run (contract, 6.5)."""

from __future__ import annotations

from typing import Any

import pytest

from ostiary.testing.wire import Api

ASKING = {"actions": {"getMyRights": True}}


@pytest.fixture
def admin(closed: Any) -> str:
    return str(closed.admin.jwt)


@pytest.fixture(scope="module")
def editor(closed: Any) -> Any:
    """Somebody with rights in some places only, and with some that are denied."""
    http, jwt = closed.http, closed.admin.jwt
    for id, controllers in (
        ("editors", {"document": {"actions": {"*": True, "delete": False}}}),
        ("killers", {"document": {"actions": {"delete": True}}}),
        ("askers", {"auth": {"actions": {"checkRights": True, "getMyRights": True}}}),
    ):
        http.call("security:createRole", {"controllers": controllers}, jwt=jwt, _id=id)
    place = {"index": "i", "collections": ["a", "b"]}
    policies = [
        {"roleId": "editors", "restrictedTo": [place, {"index": "j"}]},
        {"roleId": "killers", "restrictedTo": [{"index": "j"}]},
        {"roleId": "askers"},
    ]
    http.call("security:createProfile", {"policies": policies}, jwt=jwt, _id="editors")
    return closed.person("editors")


def rows(answer: Any) -> dict[tuple[str, ...], str]:
    assert answer["total"] == len(answer["hits"])
    places = ("controller", "action", "index", "collection")
    found = {tuple(hit[key] for key in places): hit["value"] for hit in answer["hits"]}
    assert len(found) == answer["total"]
    assert all(set(hit) == {*places, "value"} for hit in answer["hits"])
    return found


def test_rights_are_listed_once_for_each_place(api: Api, admin: str, editor: Any) -> None:
    mine = rows(api.call("auth:getMyRights", jwt=editor.jwt).result)
    assert mine == {
        ("document", "*", "i", "a"): "allowed",
        ("document", "*", "i", "b"): "allowed",
        ("document", "*", "j", "*"): "allowed",
        ("document", "delete", "i", "a"): "denied",
        ("document", "delete", "i", "b"): "denied",
        ("document", "delete", "j", "*"): "allowed",
        ("auth", "checkRights", "*", "*"): "allowed",
        ("auth", "getMyRights", "*", "*"): "allowed",
    }
    for action, id in (("getUserRights", editor.kuid), ("getProfileRights", "editors")):
        assert rows(api.call(f"security:{action}", jwt=admin, _id=id).result) == mine
    everything = api.call("security:getUserRights", jwt=admin, _id="root").result
    assert rows(everything) == {("*", "*", "*", "*"): "allowed"}


def test_the_rights_of_anonymous_have_two_names(api: Api, admin: str) -> None:
    found = [
        api.call("security:getUserRights", jwt=admin, _id=id).result for id in ("-1", "anonymous")
    ]
    assert found[0] == found[1] == api.call("auth:getMyRights").result


def test_rights_of_nobody_are_not_found(api: Api, admin: str) -> None:
    for action, id in (
        ("getUserRights", "security.user.not_found"),
        ("getUserStrategies", "security.user.not_found"),
        ("getProfileRights", "security.profile.not_found"),
    ):
        missing = api.call(f"security:{action}", jwt=admin, _id="ghost")
        assert (missing.status, missing.error_id, missing.error["props"]) == (404, id, ["ghost"])


def test_rights_without_end_are_not_listed(api: Api, closed: Any, admin: str) -> None:
    """INP-09: a line for each action and place would fill the memory."""
    id = f"many-{api.protocol}"
    actions = {f"blink{number}": True for number in range(300)}
    body: dict[str, Any] = {"controllers": {"iot": {"actions": actions}, "auth": ASKING}}
    assert api.call("security:createRole", body, jwt=admin, _id=id, force=True).status == 200
    places = [{"index": f"i{number}"} for number in range(100)]
    body = {"policies": [{"roleId": id, "restrictedTo": places}]}
    assert api.call("security:createProfile", body, jwt=admin, _id=id).status == 200
    person = closed.person(id)
    for name, jwt, args in (
        ("auth:getMyRights", person.jwt, {}),
        ("security:getUserRights", admin, {"_id": person.kuid}),
        ("security:getProfileRights", admin, {"_id": id}),
    ):
        refused = api.call(name, jwt=jwt, **args)
        assert (refused.status, refused.error_id) == (413, "ostiary.rights.too_many")


def test_strategies_are_those_that_a_user_can_sign_in_with(
    api: Api, closed: Any, admin: str
) -> None:
    user = {"content": {"profileIds": ["default"]}}
    without = api.call("security:createUser", user, jwt=admin).result["_id"]
    for kuid, strategies in (("root", ["local"]), (without, []), ("-1", []), ("anonymous", [])):
        found = api.call("security:getUserStrategies", jwt=admin, _id=kuid).result
        assert found == {"strategies": strategies, "total": len(strategies)}


TESTED: list[tuple[dict[str, Any], bool]] = [
    ({"controller": "auth", "action": "checkRights"}, True),
    ({"controller": "auth", "action": "login"}, False),
    ({"controller": "nothing", "action": "nothing"}, False),
    ({"controller": "document", "action": "get"}, True),
    ({"controller": "document", "action": "get", "index": "i", "collection": "a"}, True),
    ({"controller": "document", "action": "get", "index": "i", "collection": "c"}, False),
    ({"controller": "document", "action": "get", "index": "k"}, False),
    ({"controller": "document", "action": "delete", "index": "i", "collection": "a"}, False),
    ({"controller": "document", "action": "delete", "index": "j", "body": {"index": "i"}}, True),
    ({"controller": "document", "action": "get", "targets": [{"index": "i"}]}, False),
    ({"controller": "document", "action": "get", "index": ["i"], "collection": {}}, False),
]


@pytest.mark.parametrize("body, allowed", TESTED, ids=lambda value: str(value)[:60])
def test_a_request_is_tested_without_being_run(
    api: Api, admin: str, editor: Any, body: dict[str, Any], *, allowed: bool
) -> None:
    """AZ-14"""
    mine = api.call("auth:checkRights", body, jwt=editor.jwt)
    assert mine.result == {"allowed": allowed}
    theirs = api.call("security:checkRights", body, jwt=admin, userId=editor.kuid)
    assert theirs.result == {"allowed": allowed}


def test_one_tests_only_ones_own_rights(api: Api, editor: Any) -> None:
    """AZ-14"""
    body = {"controller": "security", "action": "deleteUser", "jwt": "x", "userId": "root"}
    assert api.call("auth:checkRights", body, jwt=editor.jwt).result == {"allowed": False}
    refused = api.call("security:checkRights", body, jwt=editor.jwt, userId="root")
    assert refused.status == 403


def test_whose_rights_and_which_request_are_needed(api: Api, admin: str) -> None:
    known = {"controller": "auth", "action": "login"}
    missing = api.call("security:checkRights", known, jwt=admin, userId="ghost")
    assert (missing.status, missing.error_id) == (404, "security.user.not_found")
    for name, args in (("auth:checkRights", {}), ("security:checkRights", {"userId": "root"})):
        for member in known:
            body = {key: value for key, value in known.items() if key != member}
            refused = api.call(name, body, jwt=admin, **args)
            assert (refused.status, refused.error_id) == (400, "api.assert.missing_argument")
            assert refused.error["props"] == [f"body.{member}"]
