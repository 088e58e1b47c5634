"""Administrators see who is held back after failed logins, by name as far as it can be known."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator
from contextlib import closing
from http.cookies import SimpleCookie
from typing import Any

import pytest
from sqlalchemy import update

from ostiary.settings import Settings
from ostiary.startup import opened
from ostiary.storage.store import CORE
from ostiary.storage.tables import login_counters
from ostiary.testing.wire import Api, HttpApi, Outcome

FREE, OF_ADDRESS = 2, 6
SEARCH, RELEASE = "security:searchHeldBack", "security:releaseHeldBack"

numbers = itertools.count(1)


@pytest.fixture(scope="module")
def guarded(settings_here: Callable[..., Settings], new_site: Callable[..., Any]) -> Iterator[Any]:
    """A server of these tests alone, behind a proxy."""
    changes = {
        "limits__loginFailuresPerAccount": FREE,
        "limits__loginFailuresPerAddress": OF_ADDRESS,
        "server__trustedProxies": ["127.0.0.0/8"],
        "security__standard__profiles__default__rateLimit": 2,
    }
    with new_site(settings_here("guarded", **changes)) as running:
        yield running


@pytest.fixture
def over(guarded: Any, protocol: str) -> Iterator[Api]:
    with closing(guarded.open(protocol)) as api:
        yield api


@pytest.fixture
def sign_in(guarded: Any) -> Callable[..., Outcome]:
    """Try to sign in, by default wrongly, and from an address that nobody has used."""

    def sign_in(
        name: str, password: str = "wrong", address: str | None = None, cookie: str = ""
    ) -> Outcome:
        headers = {"X-Forwarded-For": address or stranger()}
        if cookie:
            headers["Cookie"] = f"ostiaryDevice={cookie}"
        body = {"username": name, "password": password}
        http: HttpApi = guarded.http
        return http.send("POST", "/_login/local", body, headers)

    return sign_in


@pytest.fixture
def hold(guarded: Any) -> Callable[[], None]:
    """Have every lock last for a minute, so that no test has to hurry."""
    longer = {
        login_counters.c.locked_until: login_counters.c.locked_until + 60_000,
        login_counters.c.expires_at: login_counters.c.expires_at + 60_000,
    }
    locked = update(login_counters).where(login_counters.c.locked_until > 0).values(longer)

    async def write() -> None:
        async with opened(guarded.settings) as core, core.stores[CORE].begin() as db:
            await db.execute(locked)

    return lambda: asyncio.run(write())


def stranger() -> str:
    return f"198.18.0.{next(numbers)}"


def held(api: Api, guarded: Any, **body: Any) -> list[dict[str, Any]]:
    answer = api.call(SEARCH, body, jwt=guarded.jwt, size=100)
    assert answer.status == 200, answer.body
    assert answer.result["total"] == len(answer.result["hits"])
    hits: list[dict[str, Any]] = answer.result["hits"]
    return hits


def test_accounts_of_users_are_told_by_their_kuid_and_released(
    over: Api, guarded: Any, sign_in: Callable[..., Outcome], hold: Callable[[], None]
) -> None:
    person = guarded.person("member")
    for _ in range(FREE):
        sign_in(person.username)
    hold()
    (one,) = held(over, guarded, user=person.kuid)
    assert (one["kind"], one["kuid"], one["strategy"]) == ("account", person.kuid, "local")
    assert one["failures"] == FREE
    assert one in held(over, guarded)
    assert sign_in(person.username, person.password).status == 429
    released = over.call(RELEASE, jwt=guarded.jwt, _id=one["_id"])
    assert released.result == {"_id": one["_id"]}
    assert sign_in(person.username, person.password).status == 200
    assert held(over, guarded, user=person.kuid) == []
    again = over.call(RELEASE, jwt=guarded.jwt, _id=one["_id"])
    assert (again.status, again.error_id) == (404, "ostiary.login.not_held_back")
    asked = {"event": "LoginsReleased"}
    found = over.call("security:searchAuditLog", asked, jwt=guarded.jwt, size=1).result
    entry = found["hits"][0]["_source"]
    assert (entry["about"], entry["author"]) == (person.kuid, "root")
    assert entry["details"] == {"kind": "account", "fingerprint": one["_id"][:12]}


def test_of_a_name_that_nobody_has_only_a_hash_is_told(
    over: Api, guarded: Any, sign_in: Callable[..., Outcome], hold: Callable[[], None]
) -> None:
    """LEAK-05: what was typed as a name may be a password."""
    name = f"nobody-{next(numbers)}"
    before = {one["_id"] for one in held(over, guarded)}
    for _ in range(FREE):
        sign_in(name)
    hold()
    (one,) = [one for one in held(over, guarded) if one["_id"] not in before]
    assert (one["kind"], one["kuid"], one["strategy"]) == ("account", None, "local")
    assert name not in str(one)
    manager = guarded.person("manager")
    refused = over.call(RELEASE, jwt=manager.jwt, _id=one["_id"])
    assert (refused.status, refused.error_id) == (403, "ostiary.rights.escalation")


def test_addresses_are_told_and_released_by_whoever_may(
    over: Api, guarded: Any, sign_in: Callable[..., Outcome], hold: Callable[[], None]
) -> None:
    place = f"2001:db8:{next(numbers):x}:1"
    for number in range(OF_ADDRESS):
        sign_in(f"nobody-{next(numbers)}", address=f"{place}::{number + 1}")
    hold()
    network = f"{place}::/64"
    (one,) = [one for one in held(over, guarded) if one["address"] == network]
    assert (one["kind"], one["failures"], one["kuid"]) == ("address", OF_ADDRESS, None)
    manager = guarded.person("manager")
    assert over.call(RELEASE, jwt=manager.jwt, _id=one["_id"]).status == 200


@pytest.mark.parametrize("by_cookie", [True, False])
def test_a_device_of_an_account_is_told_as_far_as_it_is_known(
    over: Api,
    guarded: Any,
    sign_in: Callable[..., Outcome],
    hold: Callable[[], None],
    *,
    by_cookie: bool,
) -> None:
    """What a cookie holds nobody else has: such a device stays a hash."""
    person, home = guarded.person("member"), stranger()
    signed_in = sign_in(person.username, person.password, address=home)
    cookie = SimpleCookie(signed_in.headers["set-cookie"])["ostiaryDevice"].value
    before = {one["_id"] for one in held(over, guarded)}
    for _ in range(FREE):
        sign_in(person.username, address=home, cookie=cookie if by_cookie else "")
    hold()
    (one,) = [one for one in held(over, guarded) if one["_id"] not in before]
    if by_cookie:
        assert (one["kind"], one["failures"]) == (None, None)
    else:
        assert (one["kind"], one["kuid"], one["address"]) == ("device", person.kuid, home)
        assert one in held(over, guarded, user=person.kuid)


def test_a_user_is_found_by_every_name_that_was_tried(
    over: Api, guarded: Any, sign_in: Callable[..., Outcome], hold: Callable[[], None]
) -> None:
    """Each name of an account is counted for itself."""
    person, mail = guarded.person("member"), f"of-{next(numbers)}@names.example"
    body = {"email": [mail], "verified": [mail]}
    args = {"_id": person.kuid, "strategy": "local"}
    given = guarded.http.call("security:updateCredentials", body, jwt=guarded.jwt, **args)
    assert given.status == 200, given.body
    for _ in range(FREE):
        sign_in(mail)
    hold()
    (one,) = held(over, guarded, user=person.kuid)
    assert (one["kind"], one["kuid"]) == ("account", person.kuid)


def test_guesses_at_a_proof_are_told_by_the_account(
    over: Api, guarded: Any, hold: Callable[[], None]
) -> None:
    person = guarded.person("member")
    body = {"password": "another long password", "currentPassword": "a guess"}
    headers = {"X-Forwarded-For": stranger(), "Authorization": f"Bearer {person.jwt}"}
    before = {one["_id"] for one in held(over, guarded)}
    for _ in range(FREE):
        guarded.http.send("PUT", "/credentials/local/_me/_update", body, headers)
    hold()
    (one,) = [one for one in held(over, guarded) if one["_id"] not in before]
    assert (one["kind"], one["kuid"]) == ("account", person.kuid)


def test_nobody_gives_guesses_at_who_may_do_more(
    over: Api, guarded: Any, sign_in: Callable[..., Outcome], hold: Callable[[], None]
) -> None:
    """AZ-20"""
    manager = guarded.person("manager")
    for _ in range(FREE):
        sign_in("root")
    hold()
    (one,) = held(over, guarded, user="root")
    refused = over.call(RELEASE, jwt=manager.jwt, _id=one["_id"])
    assert (refused.status, refused.error_id) == (403, "ostiary.rights.target")
    assert over.call(RELEASE, jwt=guarded.jwt, _id=one["_id"]).status == 200


def test_who_asks_too_much_within_a_second_is_told(over: Api, guarded: Any) -> None:
    person = guarded.person("default")
    statuses = [over.call("auth:getCurrentUser", jwt=person.jwt).status for _ in range(8)]
    assert 429 in statuses
    found = over.call(SEARCH, {}, jwt=guarded.jwt).result["requests"]
    (one,) = [one for one in found if one["kuid"] == person.kuid]
    assert (one["address"], one["limit"], one["count"]) == (None, 2, statuses.count(429))


def test_the_allowances_are_told(over: Api, guarded: Any, dev: Any) -> None:
    told = over.call(SEARCH, {}, jwt=guarded.jwt).result["allowances"]
    assert told == {"perAccount": FREE, "perAddress": OF_ADDRESS, "window": 900_000}
    assert dev.http.call(SEARCH, {}).result["allowances"] is None


def test_nobody_but_administrators_is_told(over: Api, guarded: Any) -> None:
    assert over.call(SEARCH, {}).status == 401
    assert over.call(RELEASE, _id="00").status == 401
