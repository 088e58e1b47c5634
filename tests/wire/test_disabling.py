"""Disabling users over both protocols: shut out at once, let in again as they were."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest

from ostiary.testing.wire import Api, WebSocketApi

ME = "auth:getCurrentUser"


def login(api: Api, person: Any, password: str | None = None) -> Any:
    fields = person.credentials | ({"password": password} if password else {})
    return api.call("auth:login", fields, strategy="local")


def test_who_is_disabled_is_shut_out_by_every_door(closed: Any, api: Api) -> None:
    """AUTH-10: sessions, API keys and credentials."""
    person, admin = closed.person("member"), closed.admin.jwt
    made = api.call("auth:createApiKey", {"description": "a robot"}, jwt=person.jwt).result
    key = made["_source"]["token"]
    with closing(WebSocketApi(closed.port)) as open_already:
        assert open_already.call(ME, jwt=person.jwt).status == 200
        disabled = api.call("security:disableUser", jwt=admin, _id=person.kuid).result
        assert disabled["_id"] == person.kuid
        assert disabled["_source"]["_kuzzle_info"]["status"] == "disabled"
        for one in (api, open_already):
            for jwt in (person.jwt, key):
                assert one.call(ME, jwt=jwt).error_id == "security.token.invalid"
                check = one.call("auth:checkToken", {"token": jwt}).result
                assert check["valid"] is False
    assert login(api, person).status == 401
    shown = api.call("security:getUser", jwt=admin, _id=person.kuid).result
    assert shown == disabled


def test_who_is_disabled_is_answered_as_who_does_not_exist(closed: Any, api: Api) -> None:
    """AUTH-03, AUTH-01"""
    person = closed.person("member")
    wrong = login(api, person, "a wrong password")
    closed.http.call("security:disableUser", jwt=closed.admin.jwt, _id=person.kuid)
    refused = [login(api, person), login(api, person, "a wrong password")]
    for outcome in refused:
        assert outcome.status == wrong.status == 401
        assert outcome.error == wrong.error


def test_who_is_enabled_again_is_as_before_but_signed_out(closed: Any, api: Api) -> None:
    person, admin = closed.person("member"), closed.admin.jwt
    made = api.call("auth:createApiKey", {"description": "a robot"}, jwt=person.jwt).result
    for _ in range(2):
        api.call("security:disableUser", jwt=admin, _id=person.kuid)
    enabled = api.call("security:enableUser", jwt=admin, _id=person.kuid).result
    assert "status" not in enabled["_source"]["_kuzzle_info"]
    assert enabled["_source"]["_kuzzle_info"]["updater"] == "root"
    assert api.call(ME, jwt=person.jwt).status == 401
    assert api.call(ME, jwt=made["_source"]["token"]).status == 200
    assert login(api, person).status == 200


def test_the_last_administrator_is_not_disabled(closed: Any, api: Api) -> None:
    """ADM-10"""
    outcome = api.call("security:disableUser", jwt=closed.admin.jwt, _id="root")
    assert (outcome.status, outcome.error_id) == (412, "ostiary.user.last_administrator")
    second = closed.person("admin")
    api.call("security:disableUser", jwt=closed.admin.jwt, _id=second.kuid)
    outcome = api.call("security:disableUser", jwt=closed.admin.jwt, _id="root")
    assert (outcome.status, outcome.error_id) == (412, "ostiary.user.last_administrator")
    assert api.call(ME, jwt=closed.admin.jwt).status == 200
    api.call("security:deleteUser", jwt=closed.admin.jwt, _id=second.kuid)


@pytest.mark.parametrize("name", ["security:disableUser", "security:enableUser"])
def test_nobody_disables_who_may_more(closed: Any, api: Api, member: Any, name: str) -> None:
    """AZ-20"""
    warden = closed.person("warden")
    outcome = api.call(name, jwt=warden.jwt, _id="root")
    assert (outcome.status, outcome.error_id) == (403, "ostiary.rights.target")
    person = closed.person("member")
    assert api.call(name, jwt=warden.jwt, _id=person.kuid).status == 200


@pytest.mark.parametrize("kuid", ["nobody-at-all", "-1", "anonymous"])
@pytest.mark.parametrize("name", ["security:disableUser", "security:enableUser"])
def test_who_does_not_exist_is_not_found(closed: Any, api: Api, name: str, kuid: str) -> None:
    outcome = api.call(name, jwt=closed.admin.jwt, _id=kuid)
    assert (outcome.status, outcome.error_id) == (404, "security.user.not_found")
