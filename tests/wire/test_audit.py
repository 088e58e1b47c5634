"""The audit log: each login, refusal and change, over both protocols."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from typing import Any

import pytest

from ostiary.events import RightsRestricted
from ostiary.services.changes import take_turn
from ostiary.settings import Settings
from ostiary.startup import opened
from ostiary.storage.store import CORE
from ostiary.testing.wire import Api

PATIENCE = 10
"""Seconds after which what has not come will not come."""

Found = Callable[..., list[dict[str, Any]]]


@pytest.fixture(scope="session")
def closed(settings_here: Callable[..., Settings], new_site: Callable[..., Any]) -> Iterator[Any]:
    """A server of these tests alone: refusals of many a minute are told in one."""
    with new_site(settings_here("audited")) as running:
        yield running


@pytest.fixture
def found(closed: Any) -> Found:
    """Ask the log, as an administrator; entries about this test alone, the oldest first."""

    def find(**wanted: Any) -> list[dict[str, Any]]:
        answer = closed.http.call("security:searchAuditLog", wanted, jwt=closed.admin.jwt, size=50)
        assert answer.status == 200, answer.body
        return [hit["_source"] for hit in reversed(answer.result["hits"])]

    return find


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Any:
    caplog.set_level(logging.INFO, "ostiary.audit")
    return lambda: [one.getMessage() for one in caplog.records if one.name == "ostiary.audit"]


def test_a_login_tells_who_from_where_and_how(api: Api, closed: Any, found: Found) -> None:
    """LEAK-07."""
    person = closed.person("member")
    api.call("auth:login", person.credentials, strategy="local")
    entry = found(event="SignedIn", about=person.kuid)[-1]
    assert entry["strategy"] == "local"
    assert (entry["address"], entry["protocol"]) == ("127.0.0.1", api.protocol)
    assert entry["request"]
    assert entry["details"]["session"]


@pytest.mark.parametrize(
    "username, reason", [("", "wrong password"), ("nobody-of-", "unknown account")]
)
def test_a_wrong_login_tells_why_and_no_secret(
    api: Api, closed: Any, found: Found, lines: Any, username: str, reason: str
) -> None:
    """LEAK-05, LEAK-07: what was typed as a name may be a password."""
    person = closed.person("member")
    name = f"{username}{person.username}"
    wrong = {"username": name, "password": "a-wrong-password"}
    assert api.call("auth:login", wrong, strategy="local").status == 401
    entry = found(event="SignInRefused")[-1]
    assert entry["reason"] == reason
    assert entry["about"] == (None if username else person.kuid)
    assert (entry["strategy"], entry["address"]) == ("local", "127.0.0.1")
    assert len(bytes.fromhex(entry["account"])) == 32
    told = f"{entry} {lines()}"
    assert "a-wrong-password" not in told
    assert name not in told or not username


def test_a_client_is_not_told_why_a_login_was_refused(api: Api, closed: Any) -> None:
    """AUTH-03: the reason stays with those who watch."""
    person = closed.person("member")
    wrong = {"username": person.username, "password": "a-wrong-password"}
    answer = api.call("auth:login", wrong, strategy="local").body
    assert "reason" not in answer["error"]
    assert person.kuid not in str(answer["error"])


def test_a_disabled_user_looks_wrong_and_is_told_as_disabled(
    api: Api, closed: Any, found: Found
) -> None:
    person = closed.person("member")
    closed.http.call("security:disableUser", jwt=closed.admin.jwt, _id=person.kuid)
    assert api.call("auth:login", person.credentials, strategy="local").status == 401
    mine = found(about=person.kuid)
    assert mine[-1]["reason"] == "the user is disabled"
    disabled = next(entry for entry in mine if entry["event"] == "UserDisabled")
    assert disabled["author"] == closed.admin.kuid


def test_changes_and_missing_rights_are_told(
    api: Api, closed: Any, found: Found, lines: Any
) -> None:
    """LEAK-06, LEAK-07."""
    body = {"content": {"profileIds": ["default"]}}
    member, kuid = closed.person("member"), f"of {api.protocol}\n2026 forged"
    before = len(lines())
    api.call("security:createUser", body, jwt=member.jwt, _id=kuid)
    (refused,) = lines()[before:]
    legible = f"of%20{api.protocol}%5Cx0a2026%20forged"
    assert refused.startswith(f"ActionRefused by {member.kuid} about {legible} from 127.0.0.1 ")
    assert "reason=security.rights.forbidden" in refused
    assert "\n" not in refused
    kuid = f"made over {api.protocol}"
    api.call("security:createUser", body, jwt=closed.admin.jwt, _id=kuid)
    api.call("security:getUser", jwt=closed.admin.jwt, _id=kuid)
    (made,) = found(about=kuid)
    assert (made["event"], made["author"]) == ("UserCreated", closed.admin.kuid)
    assert made["details"] == {"profiles": ["default"], "strategies": []}


def test_what_no_event_is_made_for_is_told_all_the_same(
    api: Api, closed: Any, found: Found
) -> None:
    """LEAK-07: no action that changes something is left out."""
    api.call("security:updateRoleMapping", {"properties": {}}, jwt=closed.admin.jwt)
    assert found(event="ActionRun")[-1]["about"] is None
    assert found(event="ActionRun")[-1]["details"] == {"action": "security:updateRoleMapping"}


def test_a_token_in_the_wrong_place_is_not_kept(api: Api, closed: Any, found: Found) -> None:
    """LEAK-05: a client may put a token where an id belongs."""
    api.call("security:deleteUser", jwt=closed.person("member").jwt, _id="kauth-a.b.c")
    assert found(event="ActionRefused")[-1]["about"] == "***"


def test_names_that_nobody_declared_are_not_told(api: Api, lines: Any) -> None:
    """LEAK-06: a stranger does not fill the log with words of their own."""
    message = {"controller": "forged", "action": "forged"}
    if api.protocol == "http":
        api.send("POST", "/_query", message)
    else:
        api.send(message)
    assert lines() == []


def test_nobody_but_administrators_reads_the_log(api: Api, closed: Any) -> None:
    plain = closed.person("default")
    assert api.call("security:searchAuditLog", {}).status == 401
    assert api.call("security:searchAuditLog", {}, jwt=plain.jwt).status == 403


def test_pages_go_on_where_the_last_one_ended(api: Api, closed: Any) -> None:
    person = closed.person("member")
    for _ in range(3):
        api.call("auth:login", person.credentials, strategy="local")
    wanted: dict[str, Any] = {"about": person.kuid, "event": "SignedIn"}
    seen: list[int] = []
    for _ in range(5):
        page = api.call("security:searchAuditLog", wanted, jwt=closed.admin.jwt, size=2).result
        assert page["total"] == 4
        seen += [int(hit["_id"]) for hit in page["hits"]]
        wanted["search_after"] = min(seen)
    assert len(seen) == 4
    assert seen == sorted(set(seen), reverse=True)


def test_what_is_newer_than_an_entry_comes_in_order_and_not_twice(api: Api, closed: Any) -> None:
    person = closed.person("member")
    wanted: dict[str, Any] = {"about": person.kuid}
    newest = api.call("security:searchAuditLog", wanted, jwt=closed.admin.jwt, size=1).result
    last = int(newest["hits"][0]["_id"])
    for _ in range(3):
        api.call("auth:login", person.credentials, strategy="local")
    seen = []
    for total in (3, 1, 0):
        asked = wanted | {"newerThan": last}
        page = api.call("security:searchAuditLog", asked, jwt=closed.admin.jwt, size=2).result
        assert page["total"] == total
        seen += [int(hit["_id"]) for hit in page["hits"]]
        last = int(page["position"])
        assert last >= seen[-1]
    assert len(seen) == 3
    assert seen == sorted(set(seen))


def test_numbers_may_be_written_as_texts(api: Api, closed: Any) -> None:
    asked = {"newerThan": "0", "since": "1e3", "until": "4000000000000.0"}
    page = api.call("security:searchAuditLog", asked, jwt=closed.admin.jwt, size=1).result
    assert page["hits"][0]["_id"] == "1"


def test_whoever_goes_on_from_the_last_entry_misses_none(closed: Any) -> None:
    """Of two that write at once, the one with the lower number may be the slower."""
    person = closed.person("member")
    start = closed.http.call("security:searchAuditLog", {}, jwt=closed.admin.jwt, size=1)
    first = int(start.result["hits"][0]["_id"])
    begun, enough = threading.Event(), threading.Event()
    seen: list[int] = []

    async def write_slowly() -> None:
        async with opened(closed.settings) as core, core.stores[CORE].begin() as db:
            await take_turn(db)
            await core.services.events.record(db, RightsRestricted())
            begun.set()
            enough.wait(PATIENCE)

    def write() -> None:
        with closing(closed.open("http")) as api:
            assert api.call("auth:updateSelf", {"number": 1}, jwt=person.jwt).status == 200

    def follow() -> None:
        asked = {"newerThan": max([first, *seen])}
        page = closed.http.call("security:searchAuditLog", asked, jwt=closed.admin.jwt, size=100)
        seen.extend(int(hit["_id"]) for hit in page.result["hits"])

    with ThreadPoolExecutor() as writers:
        slow = writers.submit(asyncio.run, write_slowly())
        assert begun.wait(PATIENCE)
        quick = writers.submit(write)
        wait([quick], timeout=0.5)
        follow()
        enough.set()
        slow.result()
        quick.result()
    follow()
    every = closed.http.call("security:searchAuditLog", {}, jwt=closed.admin.jwt, size=100).result
    there = sorted(int(hit["_id"]) for hit in every["hits"] if int(hit["_id"]) > first)
    assert seen == there
    assert len(seen) == 2
