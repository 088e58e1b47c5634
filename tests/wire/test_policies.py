"""Policies for passwords over both protocols: the errors that clients know, and what is not told."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from ostiary.settings import Settings
from ostiary.testing.wire import Api

LOCAL = "plugin.kuzzle-plugin-auth-passport-local."
GOOD, OTHER = "a password long enough", "another password, long enough"
SHOUTED = "SEVEN WALRUSES UNDER VIOLET ICE"
"""What nothing but a policy minds."""

POLICIES: list[dict[str, Any]] = [
    {
        "appliesTo": {"profiles": ["member"]},
        "passwordRegex": "/^(?=.*[a-z]).{15,}$/g",
        "forbidLoginInPassword": True,
        "forbidReusedPasswordCount": 2,
    },
    {"appliesTo": {"roles": ["clerk", "admin"]}, "mustChangePasswordIfSetByAdmin": True},
    {"appliesTo": {"profiles": ["warden"]}, "expiresAfter": "1ms"},
]
numbers = itertools.count(1)


def with_policies(policies: list[dict[str, Any]]) -> dict[str, Any]:
    return {"plugins__<name>": {"local": {"passwordPolicies": policies}}}


@pytest.fixture(scope="module")
def strict(settings_here: Callable[..., Settings], new_site: Callable[..., Any]) -> Iterator[Any]:
    """A closed server with policies for some."""
    with new_site(settings_here("strict", **with_policies(POLICIES))) as site:
        yield site


@pytest.fixture
def api(strict: Any, protocol: str) -> Iterator[Api]:
    with closing(strict.open(protocol)) as api:
        yield api


def create(api: Api, jwt: str | None, profile: str, password: str = GOOD) -> Any:
    name = f"user-{next(numbers)}"
    credentials = {"local": {"username": name, "password": password.replace("<name>", name)}}
    body = {"content": {"profileIds": [profile]}, "credentials": credentials}
    return name, api.call("security:createUser", body, jwt=jwt, _id=name)


def login(api: Api, name: str, password: str = GOOD) -> Any:
    return api.call("auth:login", {"username": name, "password": password}, strategy="local")


def told(outcome: Any) -> tuple[int, str, int]:
    return outcome.status, outcome.error_id.removeprefix(LOCAL), outcome.error["code"]


LOGIN_IN_PASSWORD = (400, "login_in_password", 67108868)
WEAK = (400, "weak_password", 67108871)
REUSED = (400, "reused_password", 67108870)
EXPIRED = (401, "expired_password", 67108865)
MUST_CHANGE = (401, "must_change_password", 67108869)


def test_a_new_password_is_refused_as_clients_know_it(strict: Any, api: Api) -> None:
    for password, wanted in (("my name is <name>, you know", LOGIN_IN_PASSWORD), (SHOUTED, WEAK)):
        assert told(create(api, strict.jwt, "member", password)[1]) == wanted
    name, made = create(api, strict.jwt, "member")
    assert made.status == 200
    args = {"jwt": strict.jwt, "_id": name, "strategy": "local"}
    for password, wanted in (
        (f"violet ice under {name}".upper(), LOGIN_IN_PASSWORD),
        (SHOUTED, WEAK),
    ):
        body = {"password": password}
        assert told(api.call("security:updateCredentials", body, **args)) == wanted
        whole = {"username": name, **body}
        assert told(api.call("security:validateCredentials", whole, **args)) == wanted
    assert told(api.call("security:updateCredentials", {"password": GOOD}, **args)) == REUSED
    for password in (OTHER, GOOD + "!"):
        assert api.call("security:updateCredentials", {"password": password}, **args).result
        assert told(api.call("security:updateCredentials", {"password": OTHER}, **args)) == REUSED
    assert api.call("security:updateCredentials", {"password": GOOD}, **args).result


def test_a_policy_for_others_asks_nothing(strict: Any, api: Api) -> None:
    name, made = create(api, strict.jwt, "manager", SHOUTED)
    assert made.status == 200
    args = {"jwt": strict.jwt, "_id": name, "strategy": "local"}
    assert api.call("security:updateCredentials", {"password": SHOUTED}, **args).result


def test_who_tries_passwords_out_does_not_learn_which_one_it_is(strict: Any, api: Api) -> None:
    """AUTH-23, PWD-08: no door tells a stolen token the password without counting guesses."""
    person = strict.person("member")
    for password in (GOOD, OTHER):
        whole = {"username": person.username, "password": password}
        for name, jwt, args in (
            ("auth:validateMyCredentials", person.jwt, {}),
            ("security:validateCredentials", strict.jwt, {"_id": person.kuid}),
        ):
            assert api.call(name, whole, jwt=jwt, strategy="local", **args).result is True


def test_credentials_for_a_user_who_is_not_there_are_judged_without_policies(
    strict: Any, api: Api
) -> None:
    whole = {"username": "nobody-yet", "password": "VIOLET ICE UNDER NOBODY-YET"}
    for args in ({}, {"_id": "nobody-yet"}):
        assert api.call(
            "security:validateCredentials", whole, jwt=strict.jwt, strategy="local", **args
        ).result


@pytest.mark.parametrize("profile, wanted", [("warden", EXPIRED), ("clerk", MUST_CHANGE)])
def test_a_right_password_that_has_to_be_changed_opens_nothing(
    strict: Any, api: Api, profile: str, wanted: tuple[int, str, int]
) -> None:
    """AUTH-01, AUTH-14: only who knows the password is told."""
    name, made = create(api, strict.jwt, profile)
    assert made.status == 200
    refused = login(api, name)
    assert told(refused) == wanted
    assert "jwt" not in (refused.body.get("result") or {})
    wrong, nobody = login(api, name, "a wrong password"), login(api, "nobody", GOOD)
    assert wrong.error == nobody.error
    assert wrong.error_id == "plugin.strategy.missing_user"


def test_a_refusal_that_holds_a_reset_token_is_not_compressed(strict: Any) -> None:
    """LEAK-03"""
    name, _ = create(strict.http, strict.jwt, "clerk")
    body = {"username": name, "password": GOOD}
    refused = strict.http.send("POST", "/_login/local", body, {"Accept-Encoding": "gzip"})
    assert refused.error["resetToken"]
    assert refused.headers["content-encoding"] == "identity"


@pytest.mark.parametrize("profile", ["warden", "clerk"])
def test_who_is_disabled_is_not_told_that_the_password_has_to_be_changed(
    strict: Any, api: Api, profile: str
) -> None:
    """AUTH-03, AUTH-10"""
    name, _ = create(api, strict.jwt, profile)
    assert api.call("security:disableUser", jwt=strict.jwt, _id=name).status == 200
    assert login(api, name).error == login(api, name, "a wrong password").error
    assert login(api, name).error_id == "plugin.strategy.missing_user"


def test_right_passwords_that_have_to_be_changed_lock_nobody_out(
    settings_here: Callable[..., Settings], new_site: Callable[..., Any], protocol: str
) -> None:
    """AUTH-20: they are no failed attempts."""
    changes: dict[str, Any] = {
        **with_policies(POLICIES),
        "limits__loginFailuresPerAccount": 3,
    }
    with (
        new_site(settings_here("limited", **changes)) as site,
        closing(site.open(protocol)) as api,
    ):
        name, _ = create(api, site.jwt, "clerk")
        assert {told(login(api, name)) for _ in range(6)} == {MUST_CHANGE}


def test_an_administrator_need_not_change_what_another_has_set(strict: Any, api: Api) -> None:
    name, _ = create(api, strict.jwt, "admin")
    assert login(api, name).result["jwt"]


def test_who_signs_up_has_set_the_password_and_nobody_else(
    settings_here: Callable[..., Settings], new_site: Callable[..., Any], protocol: str
) -> None:
    everybody = [{"appliesTo": "*", "mustChangePasswordIfSetByAdmin": True}]
    changes: dict[str, Any] = {"dev": True, **with_policies(everybody)}
    with (
        new_site(settings_here("registering", **changes)) as site,
        closing(site.open(protocol)) as api,
    ):
        body = {"credentials": {"local": {"username": "ann", "password": GOOD}}}
        api.call("security:createRestrictedUser", body, _id="ann")
        ann = login(api, "ann").result
        # In ``--dev`` anybody may create users; who has created others has set their passwords.
        name, _ = create(api, None, "member")
        assert told(login(api, name)) == MUST_CHANGE
        other = {"password": OTHER}
        api.call("security:updateCredentials", other, _id="ann", strategy="local", jwt=site.jwt)
        assert told(login(api, "ann", OTHER)) == MUST_CHANGE
        assert ann["_id"] == "ann"
