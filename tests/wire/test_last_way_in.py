"""The last way in: not given up, nor taken, by mistake, where the strategy keeps it."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from typing import Any

import pytest

from ostiary.settings import Settings
from ostiary.testing.linked import passes
from ostiary.testing.packages import badge, installed
from ostiary.testing.wire import Api, HttpApi, Outcome

LAST = "ostiary.credentials.last_way_in"
numbers = itertools.count(1)


@pytest.fixture(scope="module")
def house(
    settings_here: Callable[..., Settings],
    new_site: Callable[..., Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Any]:
    toys = passes(), passes("single", several=False), badge()
    with installed(tmp_path_factory.mktemp("toys"), *toys), ExitStack() as stack:
        allowed = ["local", "pass", "single", "badge"]
        yield stack.enter_context(new_site(settings_here("last", plugins__allow=allowed)))


@pytest.fixture
def api(house: Any, protocol: str) -> Iterator[Api]:
    with closing(house.open(protocol)) as api:
        yield api


class Owner:
    """Somebody who holds credentials of some strategies, and a token."""

    def __init__(self, house: Any, *strategies: str) -> None:
        self.house, self.kuid = house, f"owner-{next(numbers)}"
        credentials = {one: {"badge": f"{self.kuid}-{one}"} for one in strategies}
        body = {"content": {"profileIds": ["member"]}, "credentials": credentials}
        as_root = {"jwt": house.jwt, "_id": self.kuid}
        assert house.http.call("security:createUser", body, **as_root).status == 200
        # It stays when credentials go.
        key = {"description": "a robot"}
        given = house.http.call("security:createApiKey", key, jwt=house.jwt, userId=self.kuid)
        self.jwt = given.result["_source"]["token"]

    def delete(self, api: Api, strategy: str, body: Any = None, *, by: str, **args: Any) -> Outcome:
        if by == "user":
            args |= {"jwt": self.jwt}
        else:
            args |= {"jwt": self.house.jwt, "_id": self.kuid}
        action = "auth:deleteMyCredentials" if by == "user" else "security:deleteCredentials"
        return api.call(action, body, strategy=strategy, **args)

    @property
    def held(self) -> list[str]:
        seen = self.house.http.call("auth:getCurrentUser", jwt=self.jwt)
        return list(seen.result["strategies"])


BY = pytest.mark.parametrize("by", ["user", "administrator"])


@BY
def test_the_last_way_in_is_kept(house: Any, api: Api, by: str) -> None:
    """Issue 6: unlinking the last way in is refused."""
    owner = Owner(house, "pass", "badge")
    assert owner.delete(api, "badge", by=by).status == 200
    refused = owner.delete(api, "pass", by=by)
    assert (refused.status, refused.error_id) == (412, LAST)
    assert refused.error["props"] == [owner.kuid, "pass"]
    assert owner.held == ["pass"]


@pytest.mark.parametrize(
    "by, body, args",
    [
        ("user", None, {"force": True}),
        ("user", {"force": True}, {}),
        ("administrator", None, {"force": True}),
    ],
)
def test_unless_it_is_forced(
    house: Any, api: Api, by: str, body: Any, args: dict[str, bool]
) -> None:
    """Issue 6"""
    owner = Owner(house, "pass")
    done = owner.delete(api, "pass", body, by=by, **args)
    assert done.result == {"acknowledged": True}
    assert owner.held == []


def test_a_body_that_forces_says_yes_or_no(house: Any, api: Api) -> None:
    owner = Owner(house, "pass")
    assert owner.delete(api, "pass", {"force": False}, by="user").error_id == LAST
    odd = owner.delete(api, "pass", {"force": "no"}, by="user")
    assert (odd.status, odd.error_id) == (400, "api.assert.invalid_type")
    assert owner.held == ["pass"]


@BY
def test_with_another_way_in_it_goes(house: Any, api: Api, by: str) -> None:
    owner = Owner(house, "pass", "badge")
    assert owner.delete(api, "pass", by=by).status == 200
    assert owner.held == ["badge"]


@BY
def test_other_strategies_let_their_last_ones_go(house: Any, api: Api, by: str) -> None:
    """Contract, strategies 9"""
    owner = Owner(house, "badge")
    assert owner.delete(api, "badge", by=by).status == 200
    assert owner.held == []


@BY
def test_what_nobody_holds_is_not_the_last(house: Any, api: Api, by: str) -> None:
    owner = Owner(house)
    refused = owner.delete(api, "pass", by=by)
    assert (refused.status, refused.error_id) == (412, "ostiary.credentials.missing")


def test_of_two_ways_in_that_go_at_once_one_stays(house: Any) -> None:
    """Both would be the last but one."""
    for _ in range(10):
        owner = Owner(house, "pass", "single")

        def delete(strategy: str, owner: Owner = owner) -> int:
            with closing(HttpApi(house.port)) as api:
                return owner.delete(api, strategy, by="user").status

        with ThreadPoolExecutor(2) as pool:
            assert sorted(pool.map(delete, ("pass", "single"))) == [200, 412]
        assert len(owner.held) == 1


def test_what_is_kept_is_not_erased_either(house: Any, api: Api) -> None:
    module: Any = sys.modules["toy_pass"]
    owner = Owner(house, "pass")
    module.erased.clear()
    assert owner.delete(api, "pass", by="user").error_id == LAST
    assert module.erased == []
    seen = house.http.call("auth:getMyCredentials", jwt=owner.jwt, strategy="pass")
    assert seen.result["badges"] == [f"{owner.kuid}-pass"]


def test_a_user_who_is_deleted_keeps_nothing(house: Any, api: Api) -> None:
    owner = Owner(house, "pass")
    as_root = {"jwt": house.jwt, "_id": owner.kuid}
    assert api.call("security:deleteUser", **as_root).status == 200
