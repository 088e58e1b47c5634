"""What any plugin may do before and after each login."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest

from ostiary.settings import Settings
from ostiary.testing.packages import Package, badge, installed, steps
from ostiary.testing.wire import Api, Outcome

FAULT = "plugin.runtime.unexpected_error"
WATCH = """
from ostiary import errors, hookimpl

asked, refusing = [], {{}}

def _meet(when, call, kuid=None):
    asked.append(("{name}", when, kuid, dict(call.args), dict(call.headers), call.state))
    if when in refusing:
        raise refusing[when]

@hookimpl
async def ostiary_before_login(strategy_name, call):
    _meet("before " + strategy_name, call)

@hookimpl
async def ostiary_after_login(kuid, strategy_name, call):
    _meet("after " + strategy_name, call, kuid)
"""
FIRST, SECOND = (Package(name=name, source=WATCH.format(name=name)) for name in ("alpha", "beta"))


@pytest.fixture(scope="module")
def house(
    settings_here: Callable[..., Settings],
    new_site: Callable[..., Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Any]:
    """A server on which two plugins watch the logins of all others."""
    packages = (SECOND, FIRST, steps(), badge())
    with installed(tmp_path_factory.mktemp("packages"), *packages), ExitStack() as stack:
        allowed = ["local", *(package.name for package in packages)]
        yield stack.enter_context(new_site(settings_here("hooks", plugins__allow=allowed)))


@pytest.fixture
def over(house: Any, protocol: str) -> Iterator[Api]:
    with closing(house.open(protocol)) as api:
        yield api


@pytest.fixture
def ann(house: Any) -> str:
    args = {"jwt": house.jwt, "_id": "ann"}
    if house.http.call("security:getUser", **args).status == 404:
        credentials = {"steps": {"badge": "1"}, "badge": {"badge": "1"}}
        body = {"content": {"profileIds": ["member"]}, "credentials": credentials}
        assert house.http.call("security:createUser", body, **args).status == 200
    return "ann"


@pytest.fixture
def watch(house: Any) -> Iterator[Any]:
    """The plugins that watch; what they were asked is told by ``told``."""
    modules: list[Any] = [sys.modules[one.module] for one in (FIRST, SECOND)]
    shared: list[Any] = []
    for module in modules:
        module.asked = shared
    yield modules
    for module in modules:
        module.refusing.clear()


def login(api: Api, strategy: str, **fields: Any) -> Outcome:
    return api.call("auth:login", fields, strategy=strategy)


def test_each_is_asked_in_order_and_told_no_field_of_the_strategy(
    over: Api, ann: str, watch: Any
) -> None:
    """ISO-15"""
    assert login(over, "badge", badge="1").status == 200
    nothing: tuple[Any, ...] = ({}, {}, None)
    assert watch[0].asked == [
        ("alpha", "before badge", None, *nothing),
        ("beta", "before badge", None, *nothing),
        ("alpha", "after badge", "ann", *nothing),
        ("beta", "after badge", "ann", *nothing),
    ]


def test_a_login_of_several_steps_is_asked_about_once(over: Api, ann: str, watch: Any) -> None:
    handle = login(over, "steps", badge="1").result["challenge"]
    asked = login(over, "steps", challenge=handle, pin="again").result["challenge"]
    assert login(over, "steps", challenge=asked, pin="2468").status == 200
    assert [one[:3] for one in watch[0].asked] == [
        ("alpha", "before steps", None),
        ("beta", "before steps", None),
        ("alpha", "after steps", "ann"),
        ("beta", "after steps", "ann"),
    ]


def test_one_that_refuses_at_first_lets_no_credentials_be_seen(
    over: Api, ann: str, watch: Any
) -> None:
    from ostiary import errors

    watch[0].refusing["before badge"] = errors.LoginRefused("Not at night.", reason="night")
    outcome = login(over, "badge", badge="1")
    assert (outcome.status, outcome.error["message"]) == (401, "Not at night.")
    assert [one[:2] for one in watch[0].asked] == [("alpha", "before badge")]
    assert login(over, "steps", badge="1").status == 202


@pytest.mark.parametrize("strategy", ["badge", "steps"])
def test_one_that_refuses_at_last_leaves_no_session(
    over: Api, house: Any, ann: str, watch: Any, strategy: str
) -> None:
    from ostiary import errors

    args = {"jwt": house.jwt, "_id": "ann"}
    before = house.http.call("security:getSessions", **args).result["total"]
    watch[1].refusing[f"after {strategy}"] = errors.LoginRefused("Not you.")
    outcome = login(over, strategy, badge="1")
    if strategy == "steps":
        outcome = login(over, "steps", challenge=outcome.result["challenge"], pin="2468")
    assert (outcome.status, outcome.error["message"]) == (401, "Not you.")
    assert house.http.call("security:getSessions", **args).result["total"] == before


@pytest.mark.parametrize("error", [ValueError("1"), SystemExit("1"), RecursionError("1")])
@pytest.mark.parametrize("when", ["before badge", "after badge"])
def test_one_that_fails_lets_nobody_in(
    over: Api, ann: str, watch: Any, when: str, error: BaseException
) -> None:
    """ISO-10"""
    watch[0].refusing[when] = error
    outcome = login(over, "badge", badge="1")
    assert (outcome.status, outcome.error_id) == (500, FAULT)
    watch[0].refusing.clear()
    assert login(over, "badge", badge="1").status == 200
