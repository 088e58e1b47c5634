"""Users see their own sign-ins, and who has tried to be them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ostiary.settings import Settings
from ostiary.testing.wire import Api

FREE = 3


@pytest.fixture(scope="module")
def watched(settings_here: Callable[..., Settings], new_site: Callable[..., Any]) -> Iterator[Any]:
    """A server of these tests alone: refusals of many a minute are told in one."""
    limits = {"limits__loginFailuresPerAccount": FREE}
    with new_site(settings_here("watched", **limits)) as running:
        yield running


@pytest.fixture
def over(watched: Any, protocol: str) -> Iterator[Api]:
    api = watched.open(protocol)
    yield api
    api.close()


def mine(api: Api, person: Any, **args: Any) -> list[dict[str, Any]]:
    answer = api.call("auth:getMySignIns", jwt=person.jwt, **args)
    assert answer.status == 200, answer.body
    hits: list[dict[str, Any]] = answer.result["hits"]
    return hits


def test_they_tell_when_from_where_and_how(over: Api, watched: Any) -> None:
    person = watched.person("member")
    (first,) = mine(over, person)
    session = over.call("auth:getMySessions", jwt=person.jwt).result["hits"][0]
    assert first["session"] == session["_id"]
    assert (first["outcome"], first["strategy"], first["address"]) == (
        "signedIn",
        "local",
        "127.0.0.1",
    )
    assert (first["count"], first["proved"]) == (1, False)
    assert first["at"] >= session["createdAt"]


def test_attempts_of_strangers_are_told_without_what_they_typed(over: Api, watched: Any) -> None:
    """LEAK-05"""
    person = watched.person("member")
    body = person.credentials | {"username": person.username.upper(), "password": "a guess"}
    for _ in range(FREE + 1):
        over.call("auth:login", body, strategy="local")
    found = mine(over, person)
    assert {one["outcome"] for one in found} == {"signedIn", "refused", "heldBack"}
    assert found == sorted(found, key=lambda one: -int(one["_id"]))
    told = str(found)
    assert "a guess" not in told
    assert person.username.upper() not in told
    assert "reason" not in told


def test_nobody_sees_those_of_others(over: Api, watched: Any) -> None:
    """AZ-05: nor of somebody who had the same kuid before."""
    person, other = watched.person("member"), watched.person("member")
    wrong = other.credentials | {"password": "a guess"}
    over.call("auth:login", wrong, strategy="local")
    assert [one["outcome"] for one in mine(over, person)] == ["signedIn"]
    watched.http.call("security:deleteUser", jwt=watched.jwt, _id=other.kuid)
    again = watched.person("member", kuid=other.kuid)
    assert [one["outcome"] for one in mine(over, again)] == ["signedIn"]
    assert over.call("auth:getMySignIns").status == 401


def test_pages_go_on_where_the_last_one_ended(over: Api, watched: Any) -> None:
    person = watched.person("member")
    for _ in range(2):
        over.call("auth:login", person.credentials, strategy="local")
    seen = mine(over, person, size="2")
    seen += mine(over, person, size="2", before=seen[-1]["_id"])
    assert seen == mine(over, person)
    assert len(seen) == 3


def test_guesses_at_a_proof_with_a_stolen_token_are_told(over: Api, watched: Any) -> None:
    person = watched.person("member")
    body = {"password": "another long password", "currentPassword": "a guess"}
    over.call("auth:updateMyCredentials", body, jwt=person.jwt, strategy="local")
    assert mine(over, person)[0]["outcome"] == "proofRefused"


def test_who_takes_a_name_does_not_see_who_has_tried_it_before(over: Api, watched: Any) -> None:
    """LEAK-05: others mistype names, and what they typed may be a secret."""
    person = watched.person("member")
    taken = f"taken-{person.kuid}"
    guess = {"username": taken, "password": "a guess"}
    over.call("auth:login", guess, strategy="local")
    change = {"username": taken, "currentPassword": person.credentials["password"]}
    answer = over.call("auth:updateMyCredentials", change, jwt=person.jwt, strategy="local")
    assert answer.status == 200, answer.body
    person = watched.login(taken)
    assert "refused" not in {one["outcome"] for one in mine(over, person)}
    for _ in range(FREE + 1):
        over.call("auth:login", guess, strategy="local")
    # The name stays theirs when they change their password; a key outlives that.
    as_admin: dict[str, Any] = {"jwt": watched.jwt}
    made = over.call("security:createApiKey", {"description": "x"}, userId=person.kuid, **as_admin)
    change = {"password": "another long password"}
    answer = over.call(
        "security:updateCredentials", change, strategy="local", _id=person.kuid, **as_admin
    )
    assert answer.status == 200, answer.body
    found = over.call("auth:getMySignIns", jwt=made.result["_source"]["token"]).result["hits"]
    assert {"refused", "heldBack"} <= {one["outcome"] for one in found}
