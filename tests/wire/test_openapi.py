"""The OpenAPI document: valid, of every route and of no other, and true of the answers."""

from __future__ import annotations

import re
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from ostiary.actions import Action, Route
from ostiary.composition import make_registry
from ostiary.testing.wire import HttpApi, Outcome, url_of

ACTIONS = {f"{action.controller}:{action.name}": action for action in make_registry()}
ROUTES = [(action, route) for action in ACTIONS.values() for route in action.routes]
NEW = "a password that is new"


@pytest.fixture(scope="module")
def document(closed: Any) -> dict[str, Any]:
    body: dict[str, Any] = closed.http.send("GET", "/_openapi").body
    return body


def test_the_document_is_valid(document: dict[str, Any]) -> None:
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []


def test_it_lists_every_route_and_no_other(document: dict[str, Any]) -> None:
    listed = {(verb.upper(), path) for path, item in document["paths"].items() for verb in item}
    assert listed == {(route.verb, route.path) for _, route in ROUTES}


def test_an_operation_says_what_its_action_needs(document: dict[str, Any]) -> None:
    for action, route in ROUTES:
        operation = document["paths"][route.path][route.verb.lower()]
        found = {(one["name"], one["in"]): one["required"] for one in operation["parameters"]}
        assert found == {
            (one.name, "path" if one.name in route.names else "query"): one.required
            or one.name in route.names
            for one in action.arguments
        } | {(name, "query"): False for name in action.ignored}
        assert operation["tags"] == [action.controller]
        assert operation.get("deprecated", False) == (route.deprecated is not None)
        assert operation["summary"].endswith(".")
        wanted = action.body is not None and route.verb != "GET"
        assert ("requestBody" in operation) == wanted
        if wanted and action.body is not None:
            assert operation["requestBody"]["required"] == action.body.required


def test_ids_of_operations_are_unique(document: dict[str, Any]) -> None:
    ids = [one["operationId"] for item in document["paths"].values() for one in item.values()]
    assert len(set(ids)) == len(ids) == len(ROUTES)


ROLE = {"controllers": {"auth": {"actions": {"*": True}}}}
PROFILE = {"policies": [{"roleId": "default"}]}
MAPPING = {"properties": {"colour": {"type": "keyword"}}}


def body_for(action: str, username: str, password: str) -> Any:
    """Return a body with which an action succeeds, once for a user.

    A role and a profile have the user's name too.
    """
    fresh = {"username": f"{username}-new", "password": NEW}
    ids = {"ids": [username]}
    return {
        "admin:loadFixtures": {"sea": {"seals": []}},
        "admin:loadMappings": {"sea": {"seals": {}}},
        "admin:loadSecurities": {},
        "auth:checkRights": {"controller": "auth", "action": "login"},
        "auth:checkToken": {"token": "kauth-x"},
        "auth:createApiKey": {"description": "for a test"},
        "auth:updateSelf": {"colour": "red"},
        "auth:createMyCredentials": fresh,
        "auth:updateMyCredentials": {"password": NEW, "currentPassword": password},
        "auth:deleteMyCredentials": {"currentPassword": password},
        "auth:validateMyCredentials": fresh,
        "security:checkRights": {"controller": "auth", "action": "login"},
        "security:createApiKey": {"description": "for a test"},
        "security:createUser": {"content": {"profileIds": ["default"]}},
        "security:createRestrictedUser": {"credentials": {}},
        "security:updateUser": {"colour": "red"},
        "security:replaceUser": {"profileIds": ["default"]},
        "security:upsertUser": {"content": {"profileIds": ["default"]}},
        "security:createCredentials": fresh,
        "security:updateCredentials": {"password": NEW},
        "security:validateCredentials": fresh,
        **{f"security:{verb}Role": ROLE for verb in VERBS},
        **{f"security:{verb}Profile": PROFILE for verb in VERBS},
        **{f"security:update{kind}Mapping": MAPPING for kind in ("User", "Profile", "Role")},
        **{
            f"security:{verb}{kind}": ids
            for verb in ("mGet", "mDelete")
            for kind in ("Users", "Profiles", "Roles")
        },
    }.get(action)


def succeed(closed: Any, http: HttpApi, action: Action, route: Route) -> Outcome:
    """Call an action by one of its routes so that it succeeds."""
    name = f"{action.controller}:{action.name}"
    person = closed.person("member")
    body = None if route.verb == "GET" else body_for(name, person.username, person.password)
    jwt = person.jwt if action.controller == "auth" else closed.admin.jwt
    if name.endswith(("createMyCredentials", "createCredentials")):
        proof = {"currentPassword": person.password}
        http.call("auth:deleteMyCredentials", proof, jwt=person.jwt, strategy="local")
    if name.endswith(("Role", "Roles", "Profile", "Profiles", "ProfileRights")):
        rights = {"roles": {person.kuid: ROLE}, "profiles": {person.kuid: PROFILE}}
        http.call("admin:loadSecurities", rights, jwt=closed.admin.jwt)
    if name == "auth:login":
        body, jwt = person.credentials, None
    values = {
        "strategy": "local",
        "_id": f"{person.kuid}-new" if "/{_id}/_create" in route.path else person.kuid,
        "userId": person.kuid,
        "index": person.kuid,
        "collection": "users",
        "ids": person.kuid,
    }
    if "credentials" in route.path:
        values["_id"] = person.kuid
    if name.endswith("deleteApiKey"):
        key = http.call("auth:createApiKey", {"description": "for a robot"}, jwt=person.jwt)
        values["_id"] = key.result["_id"]
    if "sessions/" in route.path:
        open_ones = http.call("auth:getMySessions", jwt=person.jwt).result["hits"]
        values["_id"] = open_ones[0]["_id"]
    if "_scroll" in route.path:
        search = name.replace("scroll", "search")
        begun = http.call(search, {}, jwt=closed.admin.jwt, size=1, scroll="1m")
        values["scrollId"] = begun.result["scrollId"]
    wanted = [one.name for one in action.arguments if one.required or one.name in route.names]
    wanted += ["ids"] if name == "security:mGetUsers" and route.verb == "GET" else []
    url = url_of(route, {one: values[one] for one in wanted})
    return http.send(route.verb, url, body, jwt=jwt)


VERBS = ("create", "createOrReplace", "update", "preview")
WITHOUT_SUCCESS = {
    ("GET", "/_login/{strategy}"): "credentials are not accepted in a URL",
    ("POST", "/_createFirstAdmin"): "there is an administrator",
    ("POST", "/_createFirstAdmin/{_id}"): "there is an administrator",
    ("GET", "/_openapi"): "the answer is the document",
    ("DELETE", "/held-back/{_id}"): "nobody is held back",
    ("POST", "/admin/_shutdown/"): "the server would stop",
    ("POST", "/admin/_resetCache"): "it would end the sessions of other tests",
    ("POST", "/admin/_resetSecurity"): "the server does not run with --dev",
    ("POST", "/admin/_resetDatabase"): "the server does not run with --dev",
}


@pytest.mark.parametrize(
    "action, route",
    [pair for pair in ROUTES if (pair[1].verb, pair[1].path) not in WITHOUT_SUCCESS],
    ids=lambda one: f"{one.verb} {one.path}" if isinstance(one, Route) else one.name,
)
def test_an_answer_is_what_the_document_says(
    document: dict[str, Any], closed: Any, http: HttpApi, action: Action, route: Route
) -> None:
    outcome = succeed(closed, http, action, route)
    assert outcome.status == 200, outcome.body
    responses = document["paths"][route.path][route.verb.lower()]["responses"]
    schema = responses["200"]["content"]["application/json"]["schema"]
    whole = {**schema, "components": document["components"]}
    assert list(OAS31Validator(whole).iter_errors(outcome.body)) == []
    nothing = {**outcome.body, "status": "200"}
    assert list(OAS31Validator(whole).iter_errors(nothing)) != []


@pytest.mark.parametrize("url", ["/nowhere", "/_login/carrier-pigeon", "/users/x"])
def test_an_error_is_what_the_document_says(
    document: dict[str, Any], http: HttpApi, url: str
) -> None:
    schema = {"$ref": "#/components/schemas/Failure", "components": document["components"]}
    outcome = http.send("GET", url)
    assert outcome.status >= 400
    assert list(OAS31Validator(schema).iter_errors(outcome.body)) == []


def test_a_body_that_the_document_forbids_is_refused(
    document: dict[str, Any], http: HttpApi, closed: Any
) -> None:
    operation = document["paths"]["/users/_create"]["post"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    wrong: list[Any] = [{}, {"content": 1}, {"content": {}, "credentials": []}]
    for body in wrong:
        assert list(OAS31Validator(schema).iter_errors(body)) != []
        assert http.send("POST", "/users/_create", body, jwt=closed.admin.jwt).status == 400


def test_no_placeholder_is_left_undeclared(document: dict[str, Any]) -> None:
    for path, item in document["paths"].items():
        for operation in item.values():
            declared = {one["name"] for one in operation["parameters"] if one["in"] == "path"}
            assert declared == set(re.findall(r"\{(\w+)\}", path))
