"""Nothing ever names a role or a profile that is gone, whichever workers write at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from threading import Barrier
from typing import TYPE_CHECKING, Any

import pytest

from ostiary.testing.wire import HttpApi, Outcome

if TYPE_CHECKING:
    from .conftest import Database, Serve

ROUNDS = 10
AT_ONCE = 6
READ = {"controllers": {"document": {"actions": {"get": True}}}}


@dataclass(frozen=True)
class Crowd:
    """An administrator who sends several requests at once, each on its own connection."""

    connections: list[HttpApi]
    jwt: str

    def ask(self, name: str, body: Any = None, **args: Any) -> Outcome:
        return self.connections[0].call(name, body, jwt=self.jwt, **args)

    def at_once(self, *calls: tuple[str, Any, dict[str, Any]]) -> list[Outcome]:
        start = Barrier(len(calls))

        def send(api: HttpApi, call: tuple[str, Any, dict[str, Any]]) -> Outcome:
            name, body, args = call
            start.wait(30)
            return api.call(name, body, jwt=self.jwt, **args)

        with ThreadPoolExecutor(len(calls)) as threads:
            return list(threads.map(send, self.connections, calls))


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def crowd(
    request: pytest.FixtureRequest, start_server: Serve, administer: Callable[[HttpApi], str]
) -> Iterator[Crowd]:
    if request.param == "sqlite":
        server = start_server(workers=2)
    else:
        ready: Database = request.getfixturevalue("make_ready")()
        server = start_server(workers=2, database=ready.url, environment=ready.environment)
    with ExitStack() as stack:
        apis = [stack.enter_context(closing(HttpApi(server.port))) for _ in range(AT_ONCE)]
        yield Crowd(apis, administer(apis[0]))


def test_references_hold_whatever_is_written_at_once(crowd: Crowd) -> None:
    """RACE-07, RACE-08, AZ-15."""
    for number in range(ROUNDS):
        check_roles(crowd, f"r{number}")
        check_profiles(crowd, f"p{number}")


def check_roles(crowd: Crowd, id: str) -> None:
    """Delete a role while profiles that name it are written."""
    assert crowd.ask("security:createRole", READ, _id=id).status == 200
    body = {"policies": [{"roleId": id}]}
    assert crowd.ask("security:createProfile", {"policies": []}, _id=f"{id}-old").status == 200
    deleted, *written = crowd.at_once(
        ("security:deleteRole", None, {"_id": id}),
        ("security:createProfile", body, {"_id": f"{id}-a"}),
        ("security:createOrReplaceProfile", body, {"_id": f"{id}-b"}),
        ("security:updateProfile", body, {"_id": f"{id}-old"}),
    )
    gone = crowd.ask("security:getRole", _id=id).status == 404
    assert (deleted.status == 200) == gone
    if gone:
        assert statuses(written) == {404}
    else:
        assert deleted.error_id == "security.role.in_use"
        assert 200 in statuses(written)


def check_profiles(crowd: Crowd, id: str) -> None:
    """Delete a profile while users who hold it are written."""
    assert crowd.ask("security:createProfile", {"policies": []}, _id=id).status == 200
    default, body = {"profileIds": ["default"]}, {"profileIds": [id]}
    assert crowd.ask("security:createUser", {"content": default}, _id=f"{id}-old").status == 200
    deleted, *written = crowd.at_once(
        ("security:deleteProfile", None, {"_id": id}),
        ("security:createUser", {"content": body}, {"_id": f"{id}-a"}),
        ("security:upsertUser", {"content": body}, {"_id": f"{id}-b"}),
        ("security:updateUser", body, {"_id": f"{id}-old"}),
        ("security:replaceUser", body, {"_id": f"{id}-old"}),
    )
    gone = crowd.ask("security:getProfile", _id=id).status == 404
    assert (deleted.status == 200) == gone
    if gone:
        assert statuses(written) == {404}
    else:
        assert deleted.error_id == "security.profile.in_use"
        assert 200 in statuses(written)
    kuids = [f"{id}-a", f"{id}-b", f"{id}-old"]
    users = crowd.ask("security:mGetUsers", {"ids": kuids}).result["hits"]
    held = {id for user in users for id in user["_source"]["profileIds"]}
    assert crowd.ask("security:mGetProfiles", {"ids": sorted(held)}).status == 200


def statuses(outcomes: list[Outcome]) -> set[int]:
    return {one.status for one in outcomes}


def test_administrators_cannot_demote_each_other_at_once(crowd: Crowd) -> None:
    """ADM-10: whoever is left, somebody is."""
    for number in range(ROUNDS):
        kuid = f"admin{number}"
        admin = {"content": {"profileIds": ["admin"]}}
        assert crowd.ask("security:createUser", admin, _id=kuid).status == 200
        outcomes = crowd.at_once(
            ("security:updateUser", {"profileIds": ["default"]}, {"_id": kuid}),
            ("security:replaceUser", {"profileIds": ["default", "anonymous"]}, {"_id": kuid}),
            ("security:mDeleteUsers", {"ids": [kuid]}, {}),
        )
        assert 200 in statuses(outcomes)
        assert crowd.ask("auth:getCurrentUser").result["_source"]["profileIds"] == ["admin"]
    refused = crowd.at_once(
        ("security:updateUser", {"profileIds": ["default"]}, {"_id": "root"}),
        ("security:replaceUser", {"profileIds": ["default"]}, {"_id": "root"}),
        ("security:deleteUser", None, {"_id": "root"}),
        ("security:upsertUser", {"content": {"profileIds": ["default"]}}, {"_id": "root"}),
    )
    assert {one.error_id for one in refused} == {"ostiary.user.last_administrator"}
