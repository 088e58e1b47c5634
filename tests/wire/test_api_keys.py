"""API keys over both protocols: made, shown once, used, deleted; and by whom."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from ostiary.settings import Settings
from ostiary.startup import opened
from ostiary.storage.store import CORE
from ostiary.storage.tables import api_keys as table
from ostiary.testing.wire import Api, HttpApi, Outcome

HOUR = 3_600_000
ME = "auth:getCurrentUser"
ROBOT = {"description": "a robot"}
SHOWN = {"userId", "description", "expiresAt", "ttl", "fingerprint"}


def make(api: Api, jwt: str | None, **args: Any) -> Outcome:
    return api.call("auth:createApiKey", ROBOT, jwt=jwt, **args)


def make_for(api: Api, jwt: str | None, kuid: str, **args: Any) -> Outcome:
    return api.call("security:createApiKey", ROBOT, jwt=jwt, userId=kuid, **args)


def both(api: Api, closed: Any, person: Any, **args: Any) -> list[Outcome]:
    """Make a key for somebody in both ways."""
    return [make(api, person.jwt, **args), make_for(api, closed.admin.jwt, person.kuid, **args)]


def test_a_key_is_shown_once(closed: Any, api: Api, member: Any) -> None:
    """KEY-03: with its digest, which is all that is kept."""
    for outcome in both(api, closed, member):
        made = outcome.result
        assert made.keys() == {"_id", "_source"}
        source = made["_source"]
        assert source.keys() == SHOWN | {"token"}
        assert str(UUID(made["_id"])) == made["_id"]
        assert (source["userId"], source["description"]) == (member.kuid, "a robot")
        assert (source["expiresAt"], source["ttl"]) == (-1, -1)
        token = source["token"]
        assert token.startswith("kapikey-")
        assert source["fingerprint"] == sha256(token.encode()).hexdigest()
        _, middle, _ = token.split(".")
        claims = json.loads(base64.b64decode(middle + "=" * (-len(middle) % 4), validate=True))
        assert claims["_id"] == member.kuid
        assert "exp" not in claims


def test_a_key_signs_in_whoever_holds_it(closed: Any, api: Api, member: Any) -> None:
    key = make(api, member.jwt, expiresIn="1h").result["_source"]
    assert key["ttl"] == HOUR
    assert api.call(ME, jwt=key["token"]).result["_id"] == member.kuid
    checked = api.call("auth:checkToken", {"token": key["token"]}).result
    assert checked == {"valid": True, "kuid": member.kuid, "expiresAt": key["expiresAt"]}
    assert api.call("auth:createToken", jwt=key["token"]).result["singleUse"] is False


def test_a_key_may_be_named_and_then_no_other_is(closed: Any, api: Api, member: Any) -> None:
    """KEY-07: not even one of somebody else."""
    other = closed.person("member")
    for first, make_again in enumerate(both(api, closed, member, _id=f"robot-{api.protocol}")):
        assert make_again.status == (400 if first else 200)
    for outcome in both(api, closed, other, _id=f"robot-{api.protocol}"):
        assert outcome.error_id == "services.storage.document_already_exists"
        assert outcome.status == 400
    assert api.call(ME, jwt=member.jwt).status == 200


def test_of_many_keys_with_one_name_one_is_made(closed: Any, protocol: str) -> None:
    """KEY-07: under a race."""
    person = closed.person("member")

    def race(_: int) -> int:
        with closing(closed.open(protocol)) as api:
            return make(api, person.jwt, _id=f"race-{protocol}").status

    with ThreadPoolExecutor(10) as threads:
        assert sorted(threads.map(race, range(30))) == [200, *[400] * 29]


def test_without_a_session_there_is_no_key(dev: Any, closed: Any, protocol: str) -> None:
    """KEY-01: whatever the request says (CVE-2025-61928), even where all is allowed."""
    body = {**ROBOT, "userId": "root", "user": {"id": "root"}, "_id": "root"}
    for site in (dev, closed):
        with closing(site.open(protocol)) as api:
            for name in ("auth:createApiKey", "security:createApiKey"):
                outcome = api.call(name, body, userId="root", kuid="root")
                assert (outcome.status, outcome.error_id) == (401, "security.rights.unauthorized")


def test_nobody_makes_a_key_for_anonymous(closed: Any, api: Api) -> None:
    """KEY-01"""
    for kuid in ("-1", "anonymous", "nobody-at-all"):
        outcome = make_for(api, closed.admin.jwt, kuid)
        assert (outcome.status, outcome.error_id) == (404, "security.user.not_found")


def test_a_key_is_for_who_asks_whatever_the_body_says(closed: Any, api: Api, member: Any) -> None:
    """KEY-02"""
    body = {**ROBOT, "userId": "root", "kuid": "root"}
    made = api.call("auth:createApiKey", body, jwt=member.jwt, userId="root").result
    assert made["_source"]["userId"] == member.kuid


def test_nobody_deletes_a_key_of_somebody_else(closed: Any, api: Api, member: Any) -> None:
    """KEY-04"""
    other = closed.person("member")
    key = make(api, other.jwt).result
    mine = api.call("auth:deleteApiKey", jwt=member.jwt, _id=key["_id"])
    assert (mine.status, mine.error_id) == (404, "services.storage.not_found")
    wrong = {"userId": member.kuid, "_id": key["_id"]}
    outcome = api.call("security:deleteApiKey", jwt=closed.admin.jwt, **wrong)
    assert (outcome.status, outcome.error_id) == (404, "services.storage.not_found")
    assert api.call(ME, jwt=key["_source"]["token"]).status == 200


def test_a_deleted_key_ends_at_once(closed: Any, api: Api, member: Any, http: HttpApi) -> None:
    """KEY-05: everywhere."""
    for name, jwt, args in (
        ("auth:deleteApiKey", member.jwt, {}),
        ("security:deleteApiKey", closed.admin.jwt, {"userId": member.kuid}),
    ):
        key = make(api, member.jwt).result
        token = key["_source"]["token"]
        assert [one.call(ME, jwt=token).status for one in (api, http)] == [200, 200]
        deleted = api.call(name, jwt=jwt, _id=key["_id"], **args)
        assert deleted.result == {"_id": key["_id"]}
        outcomes = [one.call(ME, jwt=token) for one in (http, api)]
        assert {one.error_id for one in outcomes} == {"security.token.invalid"}
        assert api.call(name, jwt=jwt, _id=key["_id"], **args).status == 404


def test_signing_out_does_not_end_a_key(closed: Any, api: Api) -> None:
    person = closed.person("member")
    token = make(api, person.jwt).result["_source"]["token"]
    for args in ({}, {"global": True}):
        assert api.call("auth:logout", jwt=token, **args).result == {"acknowledged": True}
    assert api.call(ME, jwt=person.jwt).status == 401
    api.call("security:revokeTokens", jwt=closed.admin.jwt, _id=person.kuid)
    assert api.call(ME, jwt=token).status == 200


def test_a_key_is_not_refreshed(api: Api, member: Any) -> None:
    """TOK-24"""
    token = make(api, member.jwt, expiresIn="1h").result["_source"]["token"]
    outcome = api.call("auth:refreshToken", jwt=token)
    assert (outcome.status, outcome.error_id) == (401, "security.token.refresh_forbidden")
    assert outcome.error["props"] == ["API Key"]
    assert api.call("auth:checkToken", {"token": token}).result["valid"] is True


def test_signing_in_with_a_key_in_hand_gives_a_token(closed: Any, api: Api) -> None:
    """Contract, 13: a new one, not the key."""
    person = closed.person("member")
    key = make(api, person.jwt).result["_source"]["token"]
    assert api.call(ME, jwt=key).status == 200
    login = api.call("auth:login", person.credentials, jwt=key, strategy="local").result
    assert login["jwt"].startswith("kauth-")
    assert login["ttl"] == 2 * HOUR


def test_a_key_may_what_its_owner_may(closed: Any, api: Api) -> None:
    """KEY-06: now, not when it was made."""
    person = closed.person("member")
    token = make(api, person.jwt).result["_source"]["token"]
    for profile, status in (("default", 403), ("member", 200)):
        body = {"profileIds": [profile]}
        api.call("security:updateUser", body, jwt=closed.admin.jwt, _id=person.kuid)
        assert api.call("auth:getStrategies", jwt=token).status == status
    assert api.call("security:deleteUser", jwt=closed.admin.jwt, _id=person.kuid).status == 200
    assert api.call(ME, jwt=token).error_id == "security.token.invalid"


def test_nobody_makes_a_key_that_may_more_than_they(closed: Any, api: Api, member: Any) -> None:
    """AZ-20: a key for an administrator would make one of whoever holds it."""
    warden = closed.person("warden")
    outcome = make_for(api, warden.jwt, "root")
    assert (outcome.status, outcome.error_id) == (403, "ostiary.rights.target")
    assert make_for(api, warden.jwt, member.kuid).status == 200
    assert make_for(api, warden.jwt, warden.kuid).status == 200


@pytest.mark.parametrize(
    "body", [{}, {"description": None}, {"description": 1}, {"description": "x" * 1025}]
)
def test_a_key_says_what_it_is_for(closed: Any, api: Api, member: Any, body: Any) -> None:
    for name, jwt, args in (
        ("auth:createApiKey", member.jwt, {}),
        ("security:createApiKey", closed.admin.jwt, {"userId": member.kuid}),
    ):
        outcome = api.call(name, body, jwt=jwt, **args)
        assert outcome.status == 400
        assert outcome.error["props"][0] == "body.description"


@pytest.mark.parametrize("wanted", [0, "foo", -2, "-2", "1e999", "NaN"], ids=repr)
def test_an_unreadable_lifetime_makes_no_key(
    closed: Any, api: Api, member: Any, wanted: Any
) -> None:
    """TOK-19"""
    for outcome in both(api, closed, member, expiresIn=wanted):
        assert (outcome.status, outcome.error_id) == (400, "api.assert.invalid_argument")


def test_the_last_use_of_a_key_is_written_at_the_end_of_the_server_at_the_latest(
    tmp_path: Path, settings: Callable[..., Settings], new_site: Callable[[Settings], Any]
) -> None:
    """KEY-09"""
    given = settings(tmp_path)
    with new_site(given) as site:
        key = make(site.http, site.admin.jwt).result["_source"]["token"]
        assert site.http.call(ME, jwt=key).status == 200

    async def read() -> list[int | None]:
        async with opened(given) as core, core.stores[CORE].read() as db:
            return list((await db.execute(select(table.c.last_seen))).scalars())

    (minute,) = asyncio.run(read())
    assert minute is not None
    assert minute % 60_000 == 0


@pytest.fixture(scope="module")
def bounded(
    tmp_path_factory: pytest.TempPathFactory,
    settings: Callable[..., Settings],
    new_site: Callable[[Settings], Any],
) -> Iterator[Any]:
    """A server on which no key lives longer than an hour, and nobody has more than two."""
    limits = {"security__apiKey__maxTTL": "1h", "security__apiKey__maxPerUser": 2}
    with new_site(settings(tmp_path_factory.mktemp("bounded"), **limits)) as site:
        yield site


@pytest.mark.parametrize("wanted", [None, -1, "-1", HOUR + 1, "61m"], ids=repr)
def test_no_key_breaks_the_longest_lifetime(bounded: Any, protocol: str, wanted: Any) -> None:
    """TOK-19, KEY-08: administrators neither, unless they say so."""
    person = bounded.person("member")
    with closing(bounded.open(protocol)) as api:
        for outcome in both(api, bounded, person, expiresIn=wanted):
            assert (outcome.status, outcome.error_id) == (400, "security.token.ttl_exceeded")
        assert make(api, person.jwt, expiresIn=wanted, force=True).status == 400
        forced = make_for(api, bounded.admin.jwt, person.kuid, expiresIn=wanted, force=True)
        assert forced.status == 200
        assert make(api, person.jwt, expiresIn="1h").result["_source"]["ttl"] == HOUR


def test_a_user_has_so_many_keys_and_no_more(bounded: Any, protocol: str) -> None:
    """KEY-09"""
    person = bounded.person("member")
    with closing(bounded.open(protocol)) as api:
        keys = [make(api, person.jwt, expiresIn="1h").result["_id"] for _ in range(2)]
        for outcome in both(api, bounded, person, expiresIn="1h"):
            assert (outcome.status, outcome.error_id) == (412, "ostiary.keys.too_many")
        api.call("auth:deleteApiKey", jwt=person.jwt, _id=keys[0])
        assert make(api, person.jwt, expiresIn="1h").status == 200
