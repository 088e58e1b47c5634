"""Nobody gets more than was meant for them, however they ask: routes, spellings, other people's ids."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from ostiary.actions import Route
from ostiary.composition import make_registry
from ostiary.settings import Settings
from ostiary.testing.wire import Api, HttpApi, Outcome, url_of

POWERS = ("security", "admin", "index", "collection", "realtime")
ROUTES = [
    route for action in make_registry() if action.controller in POWERS for route in action.routes
]
SPELLINGS: list[dict[str, Any]] = [
    {"content": {"profileIds": ["admin"]}},
    {"content": {"profileIds": "admin"}},
    {"content": {"profileIds": []}},
    {"content": {"profileIds": None}},
    {"content": {"ProfileIds": ["admin"]}},
    {"content": {"profileids": ["admin"]}},
    {"content": {"profileIds ": ["admin"]}},
    {"content": {"profile\u0049ds\u200b": ["admin"]}},
    {"content": {"profileId": "admin"}},
    {"content": {"_source": {"profileIds": ["admin"]}}},
    {"content": {"__proto__": {"profileIds": ["admin"]}}},
    {"content": {"content": {"profileIds": ["admin"]}}},
    {"content": {}, "profileIds": ["admin"]},
    {"content": {}, "profiles": ["admin"]},
    {"content": {}, "_source": {"profileIds": ["admin"]}},
]
"""Ways to name profiles, most of which name nothing."""


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.verb} {route.kuzzle_path}")
def test_no_route_to_power_is_open(closed: Any, plain: Any, http: HttpApi, route: Route) -> None:
    """AZ-02: to nobody who has not signed in, and to nobody with the default profile alone."""
    url = url_of(route, dict.fromkeys(route.names, "local"))
    body: Any = None if route.verb == "GET" else {}
    for jwt, status in ((None, 401), (plain.jwt, 403)):
        outcome = http.send(route.verb, url, body, jwt=jwt)
        assert (outcome.status, outcome.error["status"]) == (status, status), outcome.body
        assert outcome.error_id.startswith("security.rights.")


@pytest.mark.parametrize("body", SPELLINGS, ids=json.dumps)
def test_a_restricted_user_gets_the_restricted_profiles(
    api: Api, closed: Any, body: dict[str, Any]
) -> None:
    """AZ-04: however others are spelled."""
    for args in ({}, {"profileIds": '["admin"]'}, {"profiles": "admin"}):
        outcome = api.call("security:createRestrictedUser", body, jwt=closed.admin.jwt, **args)
        if outcome.status == 200:
            assert outcome.result["_source"]["profileIds"] == ["default"]
            assert rights_of(closed, outcome.result["_id"]) == rights_of_profile(closed)
        else:
            assert outcome.error_id in ("api.assert.forbidden_argument", "api.assert.invalid_type")


def test_a_key_that_stands_twice_names_no_profile(closed: Any, http: HttpApi) -> None:
    """AZ-04: whichever of the two would have been read."""
    for inner in ('"profileIds": ["admin"]', '"profileIds": ["admin"], "profileIds": ["default"]'):
        for text in (f'{{"content": {{}}, "content": {{{inner}}}}}', f'{{"content": {{{inner}}}}}'):
            headers = {"Content-Type": "application/json"}
            outcome = http.send(
                "POST", "/users/_createRestricted", text.encode(), headers, closed.admin.jwt
            )
            assert outcome.status == 400


@pytest.fixture
def couple(closed: Any) -> tuple[Any, Any]:
    """Somebody who asks, and somebody whose account it is about."""
    return closed.person("member"), closed.person("member")


@pytest.mark.parametrize("action", ["create", "update", "validate", "delete"])
def test_nobody_touches_the_credentials_of_others(
    api: Api, closed: Any, couple: tuple[Any, Any], action: str
) -> None:
    """AZ-05: an id beside the request means nothing, one among the credentials is refused."""
    caller, victim = couple
    fields = {"username": f"{caller.username}-new", "password": caller.password}
    name, given = f"auth:{action}MyCredentials", {"strategy": "local"}
    if action != "delete":
        for member in ("kuid", "_id"):
            inside = api.call(name, {**fields, member: victim.kuid}, jwt=caller.jwt, **given)
            assert inside.status in (400, 412), inside.body
    body = None if action == "delete" else fields
    beside = dict.fromkeys(("_id", "kuid", "userId"), victim.kuid)
    api.call(name, body, jwt=caller.jwt, **given, **beside)
    assert closed.login(victim.username).kuid == victim.kuid
    found = closed.http.call(
        "security:getCredentials", jwt=closed.admin.jwt, _id=victim.kuid, **given
    )
    assert found.result == {"username": victim.username, "kuid": victim.kuid}


@pytest.mark.parametrize("action", ["getMyCredentials", "credentialsExist"])
def test_nobody_reads_the_credentials_of_others(
    api: Api, couple: tuple[Any, Any], action: str
) -> None:
    """AZ-05."""
    caller, victim = couple
    outcome = api.call(
        f"auth:{action}", jwt=caller.jwt, strategy="local", _id=victim.kuid, kuid=victim.kuid
    )
    assert outcome.result in (True, {"username": caller.username, "kuid": caller.kuid})


@pytest.fixture(scope="module")
def unowned(settings_here: Callable[..., Settings], new_site: Callable[..., Any]) -> Iterator[Any]:
    """A server that has no administrator yet."""
    with new_site(settings_here("unowned", dev=True), administered=False) as running:
        yield running


def test_the_first_administrator_names_no_profiles(unowned: Any, protocol: str) -> None:
    """ADM-03: in no spelling, and who has tried has not become one."""
    credentials = {"local": {"username": "mallory", "password": "a password long enough"}}
    with closing(unowned.open(protocol)) as api:
        for body in SPELLINGS[:4]:
            refused = api.call("security:createFirstAdmin", {**body, "credentials": credentials})
            assert refused.error_id in ("api.assert.forbidden_argument", "api.assert.invalid_type")
        assert api.call("server:adminExists").result == {"exists": False}
        assert api.call("auth:login", credentials["local"], strategy="local").status == 401


def rights_of(closed: Any, kuid: str) -> Any:
    outcome: Outcome = closed.http.call("security:getUserRights", jwt=closed.admin.jwt, _id=kuid)
    return outcome.result["hits"]


def rights_of_profile(closed: Any) -> Any:
    outcome: Outcome = closed.http.call(
        "security:getProfileRights", jwt=closed.admin.jwt, _id="default"
    )
    return outcome.result["hits"]
