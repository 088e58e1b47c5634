"""E-mail addresses and telephone numbers as names of local, over both protocols."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from ostiary.testing.wire import Api, Outcome

LOCAL = "kuzzle-plugin-auth-passport-local"
PASSWORD = "a password long enough"
numbers = itertools.count()


@pytest.fixture
def email() -> str:
    return f"ann{next(numbers)}@names.example"


def create(api: Api, closed: Any, action: str = "createUser", **fields: Any) -> Outcome:
    content = {"profileIds": ["member"]} if action == "createUser" else {}
    credentials = {"local": {"password": PASSWORD, **fields}}
    body = {"content": content, "credentials": credentials}
    return api.call(f"security:{action}", body, jwt=closed.admin.jwt, _id=f"n{next(numbers)}")


def login(api: Api, username: str) -> Outcome:
    fields = {"username": username, "password": PASSWORD}
    return api.call("auth:login", fields, strategy="local")


def test_a_user_signs_in_with_an_address(api: Api, closed: Any, email: str) -> None:
    kuid = create(api, closed, email=email).result["_id"]
    answer = login(api, email.upper()).result
    assert answer["_id"] == kuid
    seen = api.call("auth:getMyCredentials", jwt=answer["jwt"], strategy="local").result
    assert seen == {
        "username": email,
        "identifiers": [{"kind": "email", "value": email, "verified": False}],
        "kuid": kuid,
    }
    query = {"query": {"term": {"email": email}}}
    search = "security:searchUsersByCredentials"
    found = api.call(search, query, jwt=closed.admin.jwt, strategy="local").result
    assert found == {"hits": [seen], "total": 1}


def test_an_address_is_verified_by_whoever_holds_its_token(
    api: Api, closed: Any, email: str
) -> None:
    kuid = create(api, closed, email=email).result["_id"]
    name = f"{LOCAL}/identifier"
    ask = {"value": email}
    member = login(api, email).result["jwt"]
    refused = api.call(f"{name}:getVerificationToken", ask, jwt=member, _id=kuid)
    assert refused.error_id == "security.rights.forbidden"
    given = api.call(f"{name}:getVerificationToken", ask, jwt=closed.admin.jwt, _id=kuid)
    token = given.result["token"]
    verified = api.call(f"{name}:verify", {"token": token}, jwt=closed.admin.jwt).result
    assert verified == {"kind": "email", "value": email, "verified": True}
    again = api.call(f"{name}:verify", {"token": token}, jwt=closed.admin.jwt)
    assert (again.status, again.error_id) == (400, f"plugin.{LOCAL}.invalid_verification_token")
    mine = api.call("auth:getMyCredentials", jwt=member, strategy="local").result
    assert mine["identifiers"][0]["verified"] is True
    # It is no token of a session (TOK-24).
    assert api.call("auth:getCurrentUser", jwt=token).error_id == "security.token.invalid"


def test_only_administrators_say_what_is_verified(api: Api, closed: Any, email: str) -> None:
    refused = create(api, closed, "createRestrictedUser", email=email, verified=[email])
    assert refused.error_id == f"plugin.{LOCAL}.verified_forbidden"
    create(api, closed, email=email, verified=[email]).result  # noqa: B018 - it has succeeded
    jwt = login(api, email).result["jwt"]
    mine = {"strategy": "local", "jwt": jwt}
    assert api.call("auth:getMyCredentials", **mine).result["identifiers"][0]["verified"] is True
    body = {"verified": [email], "currentPassword": PASSWORD}
    answer = api.call("auth:updateMyCredentials", body, **mine)
    assert answer.error_id == f"plugin.{LOCAL}.verified_forbidden"
