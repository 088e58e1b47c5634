"""Policies for passwords: whom they bind, what a new password has to be, who is let in."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import insert, update

from ostiary import errors
from ostiary_local.errors import (
    ExpiredPassword,
    InvalidUsername,
    LoginInPassword,
    MustChangePassword,
    NoSuchName,
    ReusedPassword,
    UsernameTaken,
    WeakPassword,
)
from ostiary_local.tables import accounts, identifiers

if TYPE_CHECKING:
    from .conftest import Local

pytestmark = pytest.mark.anyio

LENIENT = {"minLength": 1, "minStrength": 0, "blocklists": []}
"""Settings under which a short password is only what policies make of it."""

DAY = 86_400_000
EVERYBODY = {"appliesTo": "*"}
DIGIT = {"passwordRegex": "[0-9]"}


@pytest.fixture(autouse=True)
def people(local: Local) -> None:
    local.people.profiles.update(ann=("staff",), bob=("guests", "staff"), root=("admin",))
    local.people.role_ids.update(staff={"read", "write"}, guests={"read"}, admin={"admin"})


def bound(local: Local, *rules: dict[str, Any], **settings: Any) -> Local:
    """Return the plugin with policies; one that names nobody is for everybody."""
    return local.configured(passwordPolicies=[{**EVERYBODY, **one} for one in rules], **settings)


async def set_at(local: Local, kuid: str, age: int) -> None:
    """Make a password as old as that, in ms."""
    async with local.store.begin() as db:
        older = accounts.c.password_set_at - age
        mine = update(accounts).where(accounts.c.kuid == kuid)
        await db.execute(mine.values(password_set_at=older))


async def test_nothing_is_asked_that_is_not_configured(local: Local) -> None:
    """PWD-13: no mixture of characters, no change from time to time, in or out of ``--dev``."""
    for dev in (True, False):
        plain = local.configured(dev=dev)
        for password in ("orbitvelvetcactuslantern", "83027419552736148", "LANTERN ORBIT CACTUS"):
            await plain.delete("ann")
            await plain.create("ann", by="root", username="ann", password=password)
            await plain.update("ann", password=password)
            await set_at(plain, "ann", 3650 * DAY)
            assert await plain.login("ann", password) == "ann"


# Whom a policy binds


@pytest.mark.parametrize(
    "whom, ann, bob, root",
    [
        ("*", True, True, True),
        ({"users": ["ann"]}, True, False, False),
        ({"users": ["ann", "root"]}, True, False, True),
        ({"profiles": ["guests"]}, False, True, False),
        ({"profiles": ["staff"], "users": []}, True, True, False),
        ({"roles": ["write"]}, True, True, False),
        ({"roles": ["admin"], "profiles": ["guests"]}, False, True, True),
        ({"users": ["ann"], "profiles": ["admin"], "roles": ["nothing"]}, True, False, True),
        ({"roles": ["staff"], "profiles": ["read"], "users": ["staff"]}, False, False, False),
    ],
    ids=str,
)
async def test_any_list_binds_who_stands_in_it(
    local: Local, whom: Any, ann: bool, bob: bool, root: bool
) -> None:
    local = bound(local, {"appliesTo": whom, **DIGIT})
    for kuid, is_bound in (("ann", ann), ("bob", bob), ("root", root)):
        if is_bound:
            with pytest.raises(WeakPassword):
                await local.create(kuid, username=kuid, password="secret")
            await local.create(kuid, username=kuid, password="secret 1")
            with pytest.raises(WeakPassword):
                await local.update(kuid, password="secret")
        else:
            await local.create(kuid, username=kuid, password="secret")
            await local.update(kuid, password="terces")


async def test_who_is_not_known_is_bound_by_what_binds_everybody(local: Local) -> None:
    """An unknown kuid fails no validation by itself, and no kuid is bound by nothing."""
    everybody = bound(local, DIGIT)
    with pytest.raises(WeakPassword):
        await everybody.validate("nobody", {"username": "nobody", "password": "secret"})
    await everybody.validate("nobody", {"username": "nobody", "password": "secret 1"})
    await everybody.validate("", {"username": "nobody", "password": "secret"})
    some = bound(local, {**DIGIT, "appliesTo": {"profiles": ["staff"], "roles": ["read"]}})
    await some.validate("nobody", {"username": "nobody", "password": "secret"})


async def test_who_gets_other_profiles_is_bound_by_other_policies(local: Local) -> None:
    local = bound(local, {**DIGIT, "appliesTo": {"roles": ["admin"]}})
    await local.create("ann", username="ann", password="secret")
    local.people.profiles["ann"] = ("admin",)
    with pytest.raises(WeakPassword):
        await local.update("ann", password="terces")
    local.people.role_ids["admin"].clear()
    await local.update("ann", password="terces")


async def test_only_a_new_password_is_judged(local: Local) -> None:
    await local.create("ann", username="ann", password="secret")
    strict = bound(local, {**DIGIT, "forbidLoginInPassword": True, "forbidReusedPasswordCount": 3})
    await strict.update("ann", username="secret")
    assert await strict.login("secret", "secret") == "ann"


# What a new password has to be


async def test_an_expression_is_searched(local: Local) -> None:
    local = bound(local, {"passwordRegex": "/^(?=.*[a-z])(?=.*[0-9])/i"})
    await local.create("ann", username="ann", password="ANN OF 1999")
    for password in ("only letters", "1234567890"):
        with pytest.raises(WeakPassword) as refusal:
            await local.update("ann", password=password)
        assert (refusal.value.status, refusal.value.code) == (400, 0x04_00_0007)


async def test_an_expression_sees_what_is_hashed(local: Local) -> None:
    local = bound(local, {"passwordRegex": "^caf\u00e9$"})
    await local.create("ann", username="ann", password="cafe\u0301")


async def test_an_expression_that_searches_for_ages_refuses_and_tells_the_operator(
    local: Local, caplog: pytest.LogCaptureFixture
) -> None:
    """AUTH-16: what cannot be told is refused."""
    local = bound(local, {"passwordRegex": "(?=(a+)+$)"})
    with caplog.at_level(logging.WARNING), pytest.raises(WeakPassword):
        await local.create("ann", username="ann", password="a" * 4000 + "!")
    assert "took too long" in caplog.text
    assert "aaaa" not in caplog.text
    await local.create("ann", username="ann", password="a" * 20)


@pytest.mark.parametrize(
    "username, password, refused",
    [
        ("ann", "I am Ann, and proud", True),
        ("Ann", "channel", True),
        ("ANN", "an n", False),
        ("Straße", "in der STRASSE", True),
        ("ann", "I am \uff21\uff2e\uff2e", True),
        ("ann.lee@example.org", "ann.lee@example.org!", True),
        ("ann.lee@example.org", "Ann.Lee 1999", True),
        ("ann.lee@example.org", "example.org 1999", False),
        ("bo@example.org", "a bottle of rum", False),
        ("@example.org", "anything", False),
        ("+491512345678", "call 491512345678", True),
        ("+491512345678", "call 4915123456", False),
    ],
)
async def test_no_name_stands_in_the_password(
    local: Local, username: str, password: str, refused: bool
) -> None:
    local = bound(local, {"forbidLoginInPassword": True})
    if not refused:
        await local.create("ann", username=username, password=password)
        return
    with pytest.raises(LoginInPassword) as refusal:
        await local.create("ann", username=username, password=password)
    assert (refusal.value.status, refusal.value.code) == (400, 0x04_00_0004)
    assert username not in str(refusal.value)


async def test_the_new_name_counts_else_the_stored_one(local: Local) -> None:
    local = bound(local, {"forbidLoginInPassword": True})
    await local.create("ann", username="ann", password="secret")
    with pytest.raises(LoginInPassword):
        await local.update("ann", password="my name is ann")
    with pytest.raises(LoginInPassword):
        await local.update("ann", username="lee", password="my name is lee")
    await local.update("ann", username="lee", password="my name is ann")


async def test_every_name_of_a_user_counts(local: Local) -> None:
    local = bound(local, {"forbidLoginInPassword": True})
    await local.create("ann", username="ann", password="secret")
    row = {
        "key": "lee.old@x.example",
        "value": "Lee.Old@x.example",
        "kind": "email",
        "kuid": "ann",
        "created_at": 1,
    }
    async with local.store.begin() as db:
        await db.execute(insert(identifiers).values(row))
    for password in ("for lee.old@X.example", "lee.old 1999"):
        with pytest.raises(LoginInPassword):
            await local.update("ann", password=password)
        with pytest.raises(LoginInPassword):
            await local.update("ann", username="other", password=password)
    for given in ("bob.lee@x.example", ["bob.lee@x.example", "lee.bob@x.example"]):
        with pytest.raises(LoginInPassword):
            await local.update("ann", email=given, password="bob.lee 1999")
        await local.validate("ann", {"email": given, "password": "lee.old"}, partial=True)
    await local.validate("ann", {"email": None, "password": "lee.old"}, partial=True)


async def test_the_first_violation_of_the_first_policy_is_told(local: Local) -> None:
    name, regex = {"forbidLoginInPassword": True}, {"passwordRegex": "[0-9]"}
    reuse = {"forbidReusedPasswordCount": 1}
    await local.create("ann", username="ann", password="ann")
    orders: list[tuple[list[dict[str, Any]], type[errors.OstiaryError]]] = [
        ([{**reuse, **regex, **name}], LoginInPassword),
        ([{**reuse, **regex}], WeakPassword),
        ([reuse], ReusedPassword),
        ([reuse, regex, name], WeakPassword),
        ([reuse, name], LoginInPassword),
        ([regex, reuse, name], WeakPassword),
        ([{**reuse, **regex}, name], WeakPassword),
        ([{"appliesTo": {"users": ["bob"]}, **reuse}, regex, name], WeakPassword),
    ]
    for rules, wanted in orders:
        with pytest.raises(wanted):
            await bound(local, *rules).update("ann", password="ann")


async def test_who_tries_out_is_not_told_of_reuse_unless_a_token_may_change_the_password(
    local: Local,
) -> None:
    rule = {"forbidReusedPasswordCount": 2}
    await local.create("ann", username="ann", password="secret")
    fields = {"username": "ann", "password": "secret"}
    for action in ("validateMyCredentials", "validateCredentials"):
        for settings, told in (
            ({}, True),
            ({"requirePassword": True}, False),
            ({"dev": False, **LENIENT}, False),
            ({"dev": False, **LENIENT, "requirePassword": False}, True),
        ):
            strict = bound(local, rule, **settings)
            if told:
                with pytest.raises(ReusedPassword):
                    await strict.validate("ann", fields, action=action)
            else:
                await strict.validate("ann", fields, action=action)
            with pytest.raises(ReusedPassword):
                await strict.update("ann", password="secret")


@pytest.mark.parametrize(
    "more, refusal",
    [
        ({"verified": ["nobody@nowhere.example"]}, NoSuchName),
        ({"username": "bob"}, UsernameTaken),
        ({"username": None}, InvalidUsername),
    ],
    ids=["verified", "taken", "none"],
)
@pytest.mark.parametrize("guess", ["secret", "terces"])
async def test_a_change_that_fails_anyway_does_not_tell_whether_a_password_is_the_present_one(
    local: Local, more: dict[str, Any], refusal: type[Exception], guess: str
) -> None:
    """No limit counts what administrators change."""
    await local.create("ann", username="ann", password="secret")
    await local.create("bob", username="bob", password="secret")
    strict = bound(local, {"forbidReusedPasswordCount": 2})
    with pytest.raises(refusal):
        await strict.validate("ann", {"password": guess, **more}, partial=True, by="root")
    assert await local.login("ann", "secret") == "ann"


async def test_a_refusal_says_what_the_policy_asks_for(local: Local) -> None:
    hint = "It needs a digit {or two}."
    await local.create("ann", username="ann", password="secret 1")
    local = bound(local, {**DIGIT, "hint": hint, "forbidReusedPasswordCount": 1})
    with pytest.raises(WeakPassword) as weak:
        await local.update("ann", password="secret")
    assert weak.value.to_json()["message"] == f"{WeakPassword.message} {hint}"
    with pytest.raises(ReusedPassword) as reused:
        await local.update("ann", password="secret 1")
    assert reused.value.to_json()["message"].endswith(" It must not be the present one.")
    with pytest.raises(ReusedPassword) as reused:
        five = bound(local, {"forbidReusedPasswordCount": 2}, {"forbidReusedPasswordCount": 5})
        await five.update("ann", password="secret 1")
    assert reused.value.to_json()["message"].endswith(" It must not be one of the last 5.")


@pytest.mark.parametrize(
    "rule", [{"expiresAfter": "30d"}, {"mustChangePasswordIfSetByAdmin": True}]
)
async def test_the_present_password_is_no_answer_to_the_demand_to_change_it(
    local: Local, rule: dict[str, Any]
) -> None:
    await local.create("ann", by="root", username="ann", password="secret")
    await set_at(local, "ann", 31 * DAY)
    local = bound(local, rule)
    with pytest.raises(ReusedPassword):
        await local.update("ann", by="ann", password="secret")
    # Administrators set what they like.
    await local.update("ann", by="root", password="secret")
    await set_at(local, "ann", 31 * DAY)
    await local.update("ann", by="ann", password="terces")
    # Nothing is demanded any more.
    await local.update("ann", by="ann", password="terces")
    assert await local.login("ann", "terces") == "ann"


# Who is let in


async def test_an_old_password_opens_nothing(local: Local) -> None:
    await local.create("ann", by="ann", username="ann", password="secret")
    local = bound(local, {"expiresAfter": "30d"})
    await set_at(local, "ann", 29 * DAY)
    assert await local.login("ann", "secret") == "ann"
    await set_at(local, "ann", 2 * DAY)
    with pytest.raises(ExpiredPassword) as refusal:
        await local.login("ann", "secret")
    assert (refusal.value.status, refusal.value.code) == (401, 0x04_00_0001)
    assert (refusal.value.kuid, refusal.value.proved) == ("ann", True)
    with pytest.raises(errors.LoginRefused):
        await local.login("ann", "wrong")
    await local.update("ann", by="ann", password="terces")
    assert await local.login("ann", "terces") == "ann"


async def test_only_a_change_of_the_password_makes_it_young(local: Local) -> None:
    await local.create("ann", by="ann", username="ann", password="secret")
    local = bound(local, {"expiresAfter": 1000})
    await set_at(local, "ann", DAY)
    await local.update("ann", by="ann", username="lee")
    with pytest.raises(ExpiredPassword):
        await local.login("lee", "secret")


async def test_the_shortest_lifetime_that_binds_a_user_counts(local: Local) -> None:
    for kuid in ("ann", "root"):
        await local.create(kuid, by=kuid, username=kuid, password="secret")
        await set_at(local, kuid, 10 * DAY)
    local = bound(
        local,
        {"expiresAfter": "1y"},
        {"appliesTo": {"profiles": ["staff"]}, "expiresAfter": "1w"},
    )
    assert await local.login("root", "secret") == "root"
    with pytest.raises(ExpiredPassword):
        await local.login("ann", "secret")


async def test_a_password_of_somebody_else_is_changed_first(local: Local) -> None:
    await local.create("ann", by="root", username="ann", password="secret")
    await local.create("bob", by="bob", username="bob", password="secret")
    local = bound(local, {"mustChangePasswordIfSetByAdmin": True})
    with pytest.raises(MustChangePassword) as refusal:
        await local.login("ann", "secret")
    assert (refusal.value.status, refusal.value.code) == (401, 0x04_00_0005)
    assert (refusal.value.kuid, refusal.value.proved) == ("ann", True)
    with pytest.raises(errors.LoginRefused):
        await local.login("ann", "wrong")
    assert await local.login("bob", "secret") == "bob"
    await local.update("ann", by="ann", password="terces")
    assert await local.login("ann", "terces") == "ann"
    # A new name, whoever gives it, is no new password.
    await local.update("ann", by="root", username="lee")
    assert await local.login("lee", "terces") == "ann"


async def test_who_has_the_role_admin_need_not_change_the_password_of_another(
    local: Local,
) -> None:
    await local.create("root", by="other", username="root", password="secret")
    local = bound(local, {"mustChangePasswordIfSetByAdmin": True})
    assert await local.login("root", "secret") == "root"
    local.people.role_ids["admin"].clear()
    with pytest.raises(MustChangePassword):
        await local.login("root", "secret")


@pytest.mark.parametrize("action", ["createRestrictedUser", "createFirstAdmin"])
async def test_who_makes_an_account_for_oneself_has_set_its_password(
    local: Local, action: str
) -> None:
    local = bound(local, {"mustChangePasswordIfSetByAdmin": True})
    await local.create("ann", by="-1", action=action, username="ann", password="secret")
    assert await local.login("ann", "secret") == "ann"
    await local.create("bob", by="root", action=action, username="bob", password="secret")
    await local.create("lee", by="-1", action="createUser", username="lee", password="secret")
    for kuid in ("bob", "lee"):
        with pytest.raises(MustChangePassword):
            await local.login(kuid, "secret")


async def test_that_it_has_expired_is_told_before_who_has_set_it(local: Local) -> None:
    await local.create("ann", by="root", username="ann", password="secret")
    await set_at(local, "ann", DAY)
    must, expires = {"mustChangePasswordIfSetByAdmin": True}, {"expiresAfter": "1h"}
    with pytest.raises(ExpiredPassword):
        await bound(local, must, expires).login("ann", "secret")


async def test_a_policy_for_others_lets_everybody_else_in(local: Local) -> None:
    await local.create("ann", by="root", username="ann", password="secret")
    await set_at(local, "ann", DAY)
    rules = {"mustChangePasswordIfSetByAdmin": True, "expiresAfter": "1h"}
    others = {"users": ["bob"], "profiles": ["admin"]}
    assert await bound(local, {**rules, "appliesTo": others}).login("ann", "secret") == "ann"


async def test_whose_user_is_gone_is_bound_by_what_binds_everybody(local: Local) -> None:
    await local.create("ann", by="root", username="ann", password="secret")
    local.people.profiles.clear()
    with pytest.raises(MustChangePassword):
        await bound(local, {"mustChangePasswordIfSetByAdmin": True}).login("ann", "secret")


async def test_nobody_is_looked_up_where_no_policy_asks(local: Local) -> None:
    """A directory that fails is not asked."""
    await local.create("ann", username="ann", password="secret")
    blind = replace(bound(local, DIGIT, {"forbidReusedPasswordCount": 3}), people=None)  # type: ignore[arg-type]
    assert await blind.login("ann", "secret") == "ann"
