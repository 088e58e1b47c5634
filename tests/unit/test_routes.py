"""The tree of routes: which action a path means, and that no spelling means another one."""

from __future__ import annotations

from typing import Any

import pytest

from ostiary import errors
from ostiary.actions import DELETE, GET, POST, Controller, Registry
from ostiary.routes import Routes

things = Controller("things")


@things.action(GET("/things/{_id}"))
async def get(id: str) -> str:
    return id


@things.action(GET("/things/_mGet"), POST("/things/_mGet"))
async def m_get() -> None:
    return None


@things.action(GET("/things/{_id}/parts/{part}"), DELETE("/things/{_id}/parts/{part}"))
async def get_part(id: str, part: str) -> tuple[str, str]:
    return id, part


ROUTES = Routes(Registry([things]))


def find(verb: str, path: bytes) -> tuple[str, dict[str, Any]]:
    action, values = ROUTES.find(verb, path)
    return action.name, values


@pytest.mark.parametrize(
    "verb, path, name, values",
    [
        ("GET", b"/things/a", "get", {"_id": "a"}),
        ("GET", b"/things/_mGet", "mGet", {}),
        ("POST", b"/things/_mGet", "mGet", {}),
        ("GET", b"//things///_mGet/", "mGet", {}),
        ("GET", b"/things/a/parts/b", "getPart", {"_id": "a", "part": "b"}),
        ("DELETE", b"/things/a/parts/b/", "getPart", {"_id": "a", "part": "b"}),
        ("GET", b"/%74hings/a", "get", {"_id": "a"}),
        ("GET", b"/things/a%2Fparts%2fb", "get", {"_id": "a/parts/b"}),
        ("GET", b"/things/%C3%A9%20%25", "get", {"_id": "é %"}),
        ("GET", b"/things/..", "get", {"_id": ".."}),
        ("GET", b"/things/%2E%2E", "get", {"_id": ".."}),
        ("GET", b"/things/a+b", "get", {"_id": "a+b"}),
        ("GET", b"/things/%zz", "get", {"_id": "%zz"}),
    ],
)
def test_a_path_means_an_action(verb: str, path: bytes, name: str, values: dict[str, Any]) -> None:
    assert find(verb, path) == (name, values)


@pytest.mark.parametrize(
    "verb, path",
    [
        ("GET", b"/"),
        ("GET", b"/things"),
        ("GET", b"/Things/a"),
        ("GET", b"/things/_mGet/parts/b"),
        ("GET", b"/things/a/parts"),
        ("GET", b"/things/a/b/parts"),
        ("GET", b"/other/../things/a"),
        ("POST", b"/things/a"),
        ("PATCH", b"/things/a"),
        ("HEAD", b"/things/_mGet"),
    ],
)
def test_there_is_no_way_back_and_no_other_spelling(verb: str, path: bytes) -> None:
    """AZ-11"""
    with pytest.raises(errors.UrlNotFound):
        find(verb, path)


@pytest.mark.parametrize("verb", ["get", "TRACE", "CONNECT", "OPTIONS", ""])
def test_a_verb_without_routes_is_not_supported(verb: str) -> None:
    with pytest.raises(errors.UnsupportedVerb):
        find(verb, b"/things/a")


@pytest.mark.parametrize("path", [b"/things/%ff", b"/things/\xff", b"/%C3/a"])
def test_a_path_that_is_not_utf8_is_refused(path: bytes) -> None:
    with pytest.raises(errors.HttpError):
        find("GET", path)


def test_a_route_belongs_to_one_action() -> None:
    other = Controller("other")
    other.action(GET("/things/{name}"))(get)
    with pytest.raises(ValueError, match=r"GET /things/\{name\} is declared twice"):
        Routes(Registry([things, other]))
