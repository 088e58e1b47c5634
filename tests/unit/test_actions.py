"""Actions: declared once by a function, and bound to requests as it says."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired, TypedDict

import pytest

from ostiary import errors
from ostiary.actions import GET, POST, Controller, Registry, camel_case
from ostiary.request import Connection, Request

doors = Controller("doors")


class Door(TypedDict):
    name: Annotated[str, "What it is called."]
    locks: NotRequired[Annotated[list[Any], "Its locks."]]


@doors.action(GET("/doors/{_id}"), GET("/door/{_id}", deprecated="2.0.0"), signed_in=True)
async def get_door(
    services: str,
    request: Request,
    id: Annotated[str, "The number of the door."],
    with_locks: Annotated[bool, "Show the locks."] = False,
    most: int | None = 5,
) -> tuple[Any, ...]:
    """Return a door.

    At length.
    """
    return services, request.id, id, with_locks, most


@doors.action(POST("/doors"), strict=True)
async def make_door(body: Door, global_: bool = False) -> Any:
    """Make a door."""
    return body, global_


@doors.action(POST("/doors/_any"))
async def make_any(body: dict[str, Any] | None = None) -> Any:
    return body


REGISTRY = Registry([doors])


def request(body: Any = None, *, http: bool = False, **args: Any) -> Request:
    connection = Connection("http" if http else "websocket", "")
    return Request("doors", "x", args, body, None, connection, "7")


async def run(name: str, body: Any = None, *, http: bool = False, **args: Any) -> Any:
    action = REGISTRY.find("doors", name)
    return await action.run(request(body, http=http, **args), {"services": "all"})


def test_an_action_is_what_its_function_says() -> None:
    action = REGISTRY.find("doors", "getDoor")
    assert (action.summary, action.signed_in, action.strict) == ("Return a door.", True, False)
    assert action.description.endswith("At length.")
    assert [(one.name, one.required, one.doc) for one in action.arguments] == [
        ("_id", True, "The number of the door."),
        ("withLocks", False, "Show the locks."),
        ("most", False, ""),
    ]
    assert action.given == ("services", "request")


@pytest.mark.parametrize(
    "python, wire",
    [("get_user", "getUser"), ("login", "login"), ("m_get", "mGet"), ("global_", "global")],
)
def test_names_are_written_as_clients_write_them(python: str, wire: str) -> None:
    assert camel_case(python) == wire


@pytest.mark.anyio
async def test_a_function_gets_what_it_asks_for() -> None:
    assert await run("getDoor", _id="1") == ("all", "7", "1", False, 5)
    assert await run("getDoor", _id="1", withLocks=True, most=2) == ("all", "7", "1", True, 2)
    assert await run("getDoor", http=True, _id="1", withLocks="", most="2") == (
        "all", "7", "1", True, 2
    )  # fmt: skip


@pytest.mark.anyio
async def test_unknown_arguments_are_ignored() -> None:
    assert await run("getDoor", _id="1", services="none", request=5, id="2", with_locks=True) == (
        "all", "7", "1", False, 5
    )  # fmt: skip


@pytest.mark.anyio
@pytest.mark.parametrize("args", [{}, {"_id": ""}, {"_id": None}, {"_id": 0}])
async def test_an_id_that_is_nothing_is_missing(args: dict[str, Any]) -> None:
    with pytest.raises(errors.MissingArgument) as missing:
        await run("getDoor", **args)
    assert missing.value.props == ["_id"]


@pytest.mark.anyio
async def test_a_default_stands_for_what_is_absent_and_not_for_null() -> None:
    with pytest.raises(errors.InvalidType):
        await run("getDoor", _id="1", most=None)


@pytest.mark.anyio
async def test_the_members_of_a_body_have_types() -> None:
    assert await run("makeDoor", {"name": "north", "more": 1}) == (
        {"name": "north", "more": 1},
        False,
    )
    assert (await run("makeDoor", {"name": "north"}, **{"global": True}))[1] is True
    for body, error, path in (
        ({}, errors.MissingArgument, "body.name"),
        ([], errors.MissingArgument, "body.name"),
        ({"name": 5}, errors.InvalidType, "body.name"),
        ({"name": "", "locks": "none"}, errors.InvalidType, "body.locks"),
    ):
        with pytest.raises(error) as refused:
            await run("makeDoor", body)
        assert refused.value.props[0] == path


@pytest.mark.anyio
async def test_a_body_may_be_needed_or_not() -> None:
    with pytest.raises(errors.BodyRequired):
        await run("makeDoor")
    assert await run("makeAny") is None
    assert await run("makeAny", {"a": 1}) == {"a": 1}
    assert await run("makeAny", [1]) == {}


def test_what_is_not_declared_is_not_found() -> None:
    with pytest.raises(errors.ControllerNotFound):
        REGISTRY.find("windows", "getDoor")
    for name in ("getdoor", "get_door", "", "__class__"):
        with pytest.raises(errors.ActionNotFound):
            REGISTRY.find("doors", name)


def test_several_modules_may_declare_on_one_name_but_no_action_twice() -> None:
    more = Controller("doors")
    more.action()(get_door)
    with pytest.raises(ValueError, match="doors:getDoor is declared twice"):
        Registry([doors, more])
    more.actions.clear()

    @more.action()
    async def close_door() -> None: ...

    names = {action.name for action in Registry([doors, more])}
    assert names == {"getDoor", "makeDoor", "makeAny", "closeDoor"}


def test_the_public_api_lists_every_route() -> None:
    shown = REGISTRY.public_api()["doors"]["getDoor"]
    assert (shown["controller"], shown["action"]) == ("doors", "getDoor")
    assert [route["path"] for route in shown["http"]] == ["/doors/:_id", "/door/:_id"]
