"""The current password that the local strategy asks for; ``test_reauthentication.py`` has the rest."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from ostiary.testing.wire import Api, HttpApi, Outcome

ERROR = "plugin.kuzzle-plugin-auth-passport-local."
UPDATE, DELETE = "auth:updateMyCredentials", "auth:deleteMyCredentials"
NEW = "the new one, long enough"


@pytest.fixture
def ann(closed: Any) -> Any:
    return closed.person("member")


def call(api: Api, name: str, person: Any, body: Any = None, **args: Any) -> Outcome:
    return api.call(name, body, jwt=person.jwt, strategy="local", **args)


def signs_in(site: Any, person: Any, password: str) -> bool:
    fields = {"username": person.username, "password": password}
    return bool(site.http.call("auth:login", fields, strategy="local").status == 200)


def test_who_changes_a_password_knows_the_one_before(api: Api, closed: Any, ann: Any) -> None:
    """PWD-08. Contract, 9: absent 400, wrong 403."""
    for proof, status, error in (
        ({}, 400, "missing_current_password"),
        ({"currentPassword": None}, 400, "missing_current_password"),
        ({"currentPassword": "wrong"}, 403, "wrong_current_password"),
        ({"currentPassword": NEW}, 403, "wrong_current_password"),
    ):
        refused = call(api, UPDATE, ann, {"password": NEW, **proof})
        assert (refused.status, refused.error_id) == (status, ERROR + error)
        assert NEW not in str(refused.body)
    assert signs_in(closed, ann, ann.password)
    changed = call(api, UPDATE, ann, {"password": NEW, "currentPassword": ann.password})
    assert changed.result == {"username": ann.username, "kuid": ann.kuid}
    assert signs_in(closed, ann, NEW)
    assert not signs_in(closed, ann, ann.password)


def test_who_is_renamed_or_gives_up_an_account_knows_the_password(
    api: Api, closed: Any, ann: Any
) -> None:
    """PWD-08"""
    name = f"renamed-{ann.username}"
    assert call(api, UPDATE, ann, {"username": name}).status == 400
    proof = {"currentPassword": ann.password}
    assert call(api, UPDATE, ann, {"username": name, **proof}).result["username"] == name
    assert call(api, DELETE, ann).status == 400
    assert call(api, DELETE, ann, {"currentPassword": "wrong"}).status == 403
    assert call(api, DELETE, ann, proof).result == {"acknowledged": True}


def test_an_old_client_sends_it_as_an_argument_which_is_no_part_of_a_url(
    api: Api, closed: Any, ann: Any
) -> None:
    """Contract, 9. AUTH-13: it is refused there, and accepted in a message."""
    message: dict[str, Any] = {
        "controller": "auth",
        "action": "updateMyCredentials",
        "strategy": "local",
    }
    message |= {"body": {"password": NEW}, "password": ann.password}
    if isinstance(api, HttpApi):
        refused = call(api, UPDATE, ann, {"password": NEW}, password=ann.password)
        assert refused.error_id == "ostiary.request.secret_in_url"
        assert api.send("POST", "/_query", message, jwt=ann.jwt).status == 200
    else:
        given = call(api, UPDATE, ann, {"password": NEW}, password=ann.password)
        assert given.status == 200
    assert signs_in(closed, ann, NEW)


def test_it_is_in_no_log(api: Api, closed: Any, ann: Any, caplog: pytest.LogCaptureFixture) -> None:
    """LEAK-05"""
    wrong = "a password of another site"
    with caplog.at_level(logging.DEBUG):
        call(api, UPDATE, ann, {"password": NEW, "currentPassword": wrong})
        call(api, UPDATE, ann, {"password": NEW, "currentPassword": ann.password})
        call(api, DELETE, ann, None, currentPassword=wrong)
    found = closed.http.call("security:searchAuditLog", {}, jwt=closed.admin.jwt, size=50).result
    for secret in (wrong, NEW, ann.password):
        assert secret not in caplog.text + str(found)


def test_an_administrator_needs_none(api: Api, closed: Any, ann: Any) -> None:
    """Contract, 9: through ``security``."""
    args = {"jwt": closed.admin.jwt, "_id": ann.kuid, "strategy": "local"}
    assert api.call("security:updateCredentials", {"password": NEW}, **args).status == 200
    assert signs_in(closed, ann, NEW)


def test_nobody_is_asked_in_dev(dev: Any) -> None:
    """Decision 2: short examples work there."""
    ann = dev.person("member")
    changed = dev.http.call(UPDATE, {"password": NEW}, jwt=ann.jwt, strategy="local")
    assert changed.status == 200
    assert signs_in(dev, ann, NEW)
