"""Fixtures: many roles, profiles and users at once, by the same paths as single ones."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from ostiary.testing.wire import Api, HttpApi

PASSWORD = "a password long enough"
READ = {"controllers": {"auth": {"actions": {"*": True}}}}


def user(name: str, *profile_ids: str, **content: Any) -> dict[str, Any]:
    credentials = {"local": {"username": name, "password": PASSWORD}}
    return {"content": {"profileIds": list(profile_ids), **content}, "credentials": credentials}


def securities(name: str) -> dict[str, Any]:
    """Return a role, a profile of it and a user of that; each may only be written in this order."""
    return {
        "users": {name: user(name, name, colour="red")},
        "profiles": {name: {"policies": [{"roleId": name}], "rateLimit": 7, "tags": ["x"]}},
        "roles": {name: READ},
    }


def login(api: Api, name: str) -> Any:
    return api.call("auth:login", {"username": name, "password": PASSWORD}, strategy="local")


@pytest.fixture
def name(protocol: str, request: pytest.FixtureRequest) -> str:
    """An id that no other test has."""
    return f"{request.node.originalname}-{protocol}".replace("_", "-")[-60:]


@pytest.fixture
def load(api: Api, closed: Any) -> Callable[..., Any]:
    return lambda body, **args: api.call(
        "admin:loadSecurities", body, jwt=args.pop("jwt", closed.admin.jwt), **args
    )


@pytest.fixture
def get(api: Api, closed: Any) -> Callable[..., Any]:
    return lambda kind, name: api.call(f"security:get{kind}", jwt=closed.admin.jwt, _id=name)


def test_what_is_loaded_is_there_when_it_is_acknowledged(
    api: Api, load: Any, get: Any, name: str
) -> None:
    assert load(securities(name)).result == {"acknowledge": True}
    assert get("Role", name).result["_source"]["controllers"] == READ["controllers"]
    profile = get("Profile", name).result["_source"]
    assert (profile["policies"], profile["rateLimit"]) == ([{"roleId": name}], 7)
    assert profile["tags"] == ["x"]
    stored = get("User", name).result["_source"]
    assert (stored["profileIds"], stored["colour"]) == ([name], "red")
    assert stored["_kuzzle_info"]["author"] == "root"
    assert login(api, name).result["_id"] == name


def test_nothing_to_load_is_loaded(load: Any) -> None:
    assert load({}).result == {"acknowledge": True}


def test_existing_users_are_refused_before_anything_is_written(
    load: Any, get: Any, name: str
) -> None:
    load(securities(name))
    again = securities(name)
    again["roles"][f"{name}-other"] = READ
    answer = load(again)
    assert (answer.status, answer.error_id) == (400, "security.user.prevent_overwrite")
    assert load(again, onExistingUsers="fail").status == 400
    assert get("Role", f"{name}-other").status == 404


def test_existing_users_are_skipped(api: Api, load: Any, get: Any, name: str) -> None:
    load(securities(name))
    again = securities(name)
    again["users"][name]["content"]["colour"] = "blue"
    again["users"][f"{name}-new"] = user(f"{name}-new", name)
    assert load(again, onExistingUsers="skip").status == 200
    assert get("User", name).result["_source"]["colour"] == "red"
    assert login(api, f"{name}-new").status == 200


def test_existing_users_are_overwritten(api: Api, load: Any, get: Any, name: str) -> None:
    load(securities(name))
    token = login(api, name).result["jwt"]
    again = {"users": {name: user(f"{name}-renamed", "default", shape="round")}}
    assert load(again, onExistingUsers="overwrite").status == 200
    source = get("User", name).result["_source"]
    assert source["profileIds"] == ["default"]
    assert {"colour", "shape"} & source.keys() == {"shape"}
    assert api.call("auth:checkToken", {"token": token}).result["valid"] is False
    assert login(api, name).status == 401
    assert login(api, f"{name}-renamed").result["_id"] == name


def test_credentials_that_are_overwritten_may_leave_fields_out(
    api: Api, load: Any, name: str
) -> None:
    load(securities(name))
    fields = {"local": {"password": PASSWORD + " anew"}}
    again = {"users": {name: {"content": {"profileIds": [name]}, "credentials": fields}}}
    assert load(again, onExistingUsers="overwrite").status == 200
    assert login(api, name).status == 401
    changed = api.call(
        "auth:login", {"username": name, "password": PASSWORD + " anew"}, strategy="local"
    )
    assert changed.result["_id"] == name


def test_who_is_overwritten_keeps_credentials_that_are_not_named(
    api: Api, load: Any, name: str
) -> None:
    load(securities(name))
    again = {"users": {name: {"content": {"profileIds": [name]}}}}
    assert load(again, onExistingUsers="overwrite").status == 200
    assert login(api, name).status == 200


def test_the_last_administrator_is_overwritten_without_being_deleted(load: Any, get: Any) -> None:
    """ADM-10: there is an administrator all the time, and never one without the profile."""
    root = {"users": {"root": {"content": {"profileIds": ["default"]}}}}
    answer = load(root, onExistingUsers="overwrite")
    assert (answer.status, answer.error_id) == (412, "ostiary.user.last_administrator")
    assert get("User", "root").result["_source"]["profileIds"] == ["admin"]


def test_a_user_who_cannot_be_overwritten_stays_as_they_were(
    api: Api, load: Any, get: Any, name: str
) -> None:
    load(securities(name))
    load({"users": {f"{name}-2": user(f"{name}-2", name)}})
    taken = {"users": {name: user(f"{name}-2", "default", colour="blue")}}
    assert load(taken, onExistingUsers="overwrite").status >= 400
    assert get("User", name).result["_source"]["colour"] == "red"
    assert login(api, name).status == 200


def test_a_loader_who_asks_not_to_wait_is_answered_at_once(api: Api, load: Any, name: str) -> None:
    assert load(securities(name), refresh="false").result == {"acknowledge": True}
    end = time.monotonic() + 10
    while login(api, name).status != 200:
        assert time.monotonic() < end


def test_what_is_wrong_in_form_is_refused_also_when_nobody_waits(load: Any, name: str) -> None:
    answer = load({"users": {name: {"content": {}}}}, refresh="false")
    assert answer.error_id == "api.assert.missing_argument"


def test_controllers_that_do_not_exist_need_force(load: Any, get: Any, name: str) -> None:
    body = {"roles": {name: {"controllers": {"teapot": {"actions": {"*": True}}}}}}
    assert load(body).error_id == "security.role.unknown_controller"
    assert load(body, force=True).status == 200
    assert get("Role", name).status == 200


@pytest.mark.parametrize(
    "body, id, prop",
    [
        ({"roles": []}, "invalid_type", "body.roles"),
        ({"roles": {"x": []}}, "invalid_type", "body.roles.x"),
        ({"profiles": {"x": 1}}, "invalid_type", "body.profiles.x"),
        ({"users": {"x": "y"}}, "invalid_type", "body.users.x"),
        ({"users": {"x": {}}}, "missing_argument", "body.users.x.content.profileIds"),
        ({"users": {"x": {"content": []}}}, "invalid_type", "body.users.x.content"),
        (
            {"users": {"x": {"content": {"profileIds": "admin"}}}},
            "invalid_type",
            "body.users.x.content.profileIds",
        ),
        (
            {"users": {"x": {"content": {"profileIds": ["admin"]}, "credentials": 1}}},
            "invalid_type",
            "body.users.x.credentials",
        ),
        (
            {"users": {"x": {"content": {"profileIds": ["admin"]}, "credentials": {"local": 1}}}},
            "invalid_type",
            "body.users.x.credentials.local",
        ),
    ],
)
def test_a_wrong_form_is_refused_by_its_place(
    load: Any, body: dict[str, Any], id: str, prop: str
) -> None:
    answer = load(body)
    assert (answer.status, answer.error_id) == (400, f"api.assert.{id}")
    assert answer.error["props"][0] == prop


@pytest.mark.parametrize(
    "body, status, id",
    [
        ({"roles": {"x": {}}}, 400, "api.assert.missing_argument"),
        ({"roles": {"x": {"controllers": {}}}}, 400, "api.assert.empty_argument"),
        (
            {"roles": {"anonymous": {"controllers": {"server": {"actions": {"now": True}}}}}},
            400,
            "security.role.login_required",
        ),
        ({"profiles": {"x": {"policies": [{"roleId": "ghost"}]}}}, 404, "security.role.not_found"),
        (
            {"profiles": {"x": {"policies": [{"roleId": "admin", "teapot": 1}]}}},
            400,
            "api.assert.unexpected_argument",
        ),
        (
            {"profiles": {"x": {"policies": [], "rateLimit": -1}}},
            400,
            "api.assert.invalid_argument",
        ),
        (
            {"profiles": {"anonymous": {"policies": []}}},
            400,
            "security.profile.missing_anonymous_role",
        ),
        ({"roles": {"admin": READ}}, 412, "ostiary.rights.administrators"),
        (
            {"users": {"x": {"content": {"profileIds": ["ghost"]}}}},
            404,
            "security.profile.not_found",
        ),
        ({"users": {"x": {"content": {"profileIds": []}}}}, 400, "security.user.no_profile"),
        (
            {"users": {"_search": {"content": {"profileIds": ["default"]}}}},
            400,
            "services.storage.search_as_an_id",
        ),
        (
            {"users": {"-1": {"content": {"profileIds": ["default"]}}}},
            412,
            "security.user.already_exists",
        ),
        (
            {
                "users": {
                    "x": {"content": {"profileIds": ["default"]}, "credentials": {"pigeon": {}}}
                }
            },
            400,
            "security.credentials.unknown_strategy",
        ),
    ],
)
def test_loading_ends_with_the_error_of_the_single_action(
    load: Any, get: Any, body: dict[str, Any], status: int, id: str
) -> None:
    answer = load(body)
    assert (answer.status, answer.error_id) == (status, id)
    assert get("User", "x").status == 404


def test_another_way_with_existing_users_is_refused(load: Any) -> None:
    answer = load({}, onExistingUsers="delete")
    assert (answer.status, answer.error_id) == (400, "api.assert.unexpected_argument")
    assert answer.error["props"] == ["delete", "fail, skip, overwrite"]


def test_a_key_that_stands_twice_is_refused(http: HttpApi, closed: Any) -> None:
    """AZ-03: which of the two would be loaded?"""
    text = b'{"users": {"x": {"content": {"profileIds": ["default"], "profileIds": ["admin"]}}}}'
    head = {"Content-Type": "application/json"}
    answer = http.send("POST", "/admin/_loadSecurities", text, head, jwt=closed.admin.jwt)
    assert answer.error_id == "ostiary.request.duplicate_key"


@pytest.fixture(scope="module")
def loader(closed: Any) -> Any:
    """Somebody who may load fixtures, and little else."""
    body = {
        "roles": {
            "loader": {
                "controllers": {
                    "admin": {"actions": {"loadSecurities": True}},
                    "auth": {"actions": {"*": True}},
                }
            }
        },
        "profiles": {"loader": {"policies": [{"roleId": "loader"}]}},
    }
    made = closed.http.call("admin:loadSecurities", body, jwt=closed.admin.jwt)
    assert made.status == 200, made.body
    return closed.person("loader")


@pytest.mark.parametrize("existing", ["skip", "overwrite"])
def test_nobody_loads_more_than_they_hold(
    load: Any, loader: Any, closed: Any, name: str, existing: str
) -> None:
    """AZ-20: neither by a role, nor by a profile, nor by a user, new or not."""
    everything = {"controllers": {"*": {"actions": {"*": True}}}}
    attempts: list[tuple[dict[str, Any], str]] = [
        ({"roles": {name: everything}}, "ostiary.rights.escalation"),
        ({"roles": {"loader": everything}}, "ostiary.rights.escalation"),
        ({"profiles": {name: {"policies": [{"roleId": "admin"}]}}}, "ostiary.rights.escalation"),
        ({"users": {name: user(name, "admin")}}, "ostiary.rights.escalation"),
        ({"users": {loader.kuid: user(loader.username, "admin")}}, "ostiary.rights.escalation"),
    ]
    for body, id in attempts:
        answer = load(body, jwt=loader.jwt, onExistingUsers=existing)
        if existing == "skip" and loader.kuid in body.get("users", {}):
            assert answer.status == 200
        else:
            assert (answer.status, answer.error_id) == (403, id)


def test_nobody_takes_over_who_may_do_more(load: Any, loader: Any, api: Api) -> None:
    """AZ-20: overwriting the administrator would be the way to their password."""
    body = {"users": {"root": user("root", "loader")}}
    answer = load(body, jwt=loader.jwt, onExistingUsers="overwrite")
    assert (answer.status, answer.error_id) == (403, "ostiary.rights.target")
    assert login(api, "root").result["_id"] == "root"


def test_who_holds_enough_loads_as_much(load: Any, loader: Any, api: Api, name: str) -> None:
    assert load(securities(name), jwt=loader.jwt).status == 200
    assert login(api, name).status == 200


def test_indexes_and_collections_are_declared(api: Api, closed: Any, name: str) -> None:
    jwt = closed.admin.jwt
    mappings: dict[str, Any] = {
        name: {"seals": {"mappings": {"properties": {}}}},
        f"{name}-bare": {},
    }
    assert api.call("admin:loadMappings", mappings, jwt=jwt).result == {"acknowledge": True}
    fixtures: dict[str, Any] = {name: {"whales": []}}
    assert api.call("admin:loadFixtures", fixtures, jwt=jwt).result == {"acknowledge": True}
    for collection in ("seals", "whales"):
        exists = api.call("collection:exists", jwt=jwt, index=name, collection=collection)
        assert exists.result is True
    assert api.call("index:exists", jwt=jwt, index=f"{name}-bare").result is True


def test_documents_are_refused_before_anything_is_declared(
    api: Api, closed: Any, name: str
) -> None:
    documents = [{"create": {"_id": "1"}}, {"name": "Nellie"}]
    body = {name: {"empty": [], "seals": documents}}
    answer = api.call("admin:loadFixtures", body, jwt=closed.admin.jwt)
    assert (answer.status, answer.error_id) == (400, "ostiary.admin.no_documents")
    assert answer.error["props"] == [f"{name}:seals"]
    assert api.call("index:exists", jwt=closed.admin.jwt, index=name).result is False


@pytest.mark.parametrize(
    "action, body, prop",
    [
        ("loadMappings", {"sea": []}, "body.sea"),
        ("loadMappings", {"sea": {"seals": []}}, "body.sea.seals"),
        ("loadFixtures", {"sea": 1}, "body.sea"),
        ("loadFixtures", {"sea": {"seals": {}}}, "body.sea.seals"),
    ],
)
def test_names_of_the_wrong_form_are_refused(
    api: Api, closed: Any, action: str, body: dict[str, Any], prop: str
) -> None:
    answer = api.call(f"admin:{action}", body, jwt=closed.admin.jwt)
    assert (answer.status, answer.error_id) == (400, "api.assert.invalid_type")
    assert answer.error["props"][0] == prop


@pytest.mark.parametrize("action", ["loadMappings", "loadFixtures"])
@pytest.mark.parametrize(
    "index, id",
    [("_search", "services.storage.search_as_an_id"), ("..", "api.assert.invalid_argument")],
)
def test_names_that_no_url_could_hold_are_refused(
    api: Api, closed: Any, action: str, index: str, id: str
) -> None:
    assert api.call(f"admin:{action}", {index: {}}, jwt=closed.admin.jwt).error_id == id


def test_fixtures_open_a_server_of_dev_as_they_do_with_kuzzle(dev: Any, protocol: str) -> None:
    """Functional features load them as nobody, before anything else (contract, 11)."""
    with closing(dev.open(protocol)) as api:
        body = securities(f"feature-{protocol}")
        for _ in range(2):
            answer = api.call("admin:loadSecurities", body, onExistingUsers="overwrite", force=True)
            assert answer.result == {"acknowledge": True}
