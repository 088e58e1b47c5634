"""What a role may name: Kuzzle's controllers and actions, ours, and those of plugins."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from ostiary import errors
from ostiary.actions import Controller
from ostiary.composition import make_registry
from ostiary.services.native import Names

plugin = Controller("kuzzle-plugin-auth-passport-local/password")


@plugin.action()
async def reset() -> None:
    """An action of a plugin."""


NAMES = Names.of([*make_registry(), *plugin.actions])
UNKNOWN_ACTION, UNKNOWN_CONTROLLER = errors.UnknownAction, errors.UnknownController


def role(**controllers: Iterable[str]) -> dict[str, Any]:
    """Return a role; ``_`` stands for the wildcard, and ``__`` for a slash."""
    return {
        ("*" if name == "_" else name.replace("__", "/")): {"actions": dict.fromkeys(actions, True)}
        for name, actions in controllers.items()
    }


def in_plugin(*actions: str) -> dict[str, Any]:
    return {plugin.name: {"actions": dict.fromkeys(actions, True)}}


@pytest.mark.parametrize(
    "controllers",
    [
        role(_=["*"]),
        role(document=["*"]),
        role(document=["get", "mCreate"], index=["list"], bulk=["write"], realtime=["subscribe"]),
        role(ms=["get", "zunionstore"]),
        role(memoryStorage=["get"]),
        role(auth=["login"], security=["createFirstAdmin"], server=["now"], admin=["dump"]),
        in_plugin("reset"),
        in_plugin("*"),
    ],
)
@pytest.mark.parametrize("force", [False, True])
def test_what_exists_may_be_named(controllers: Any, *, force: bool) -> None:
    NAMES.check("r", controllers, force=force)


def test_every_action_of_this_server_may_be_named() -> None:
    for action in make_registry():
        NAMES.check("r", role(**{action.controller: [action.name]}), force=False)


@pytest.mark.parametrize(
    "controllers, props",
    [
        (role(auth=["fly"]), ["r", "fly", "auth", ""]),
        (role(auth=["login", "fly"]), ["r", "fly", "auth", ""]),
        (role(memoryStorage=["fly"]), ["r", "fly", "memoryStorage", ""]),
        (role(_=["login"]), ["r", "login", "*", ""]),
        (role(_=["*", "login"]), ["r", "login", "*", ""]),
    ],
)
@pytest.mark.parametrize("force", [False, True])
def test_a_native_controller_has_no_other_actions_even_by_force(
    controllers: Any, props: list[str], *, force: bool
) -> None:
    with pytest.raises(UNKNOWN_ACTION) as raised:
        NAMES.check("r", controllers, force=force)
    assert raised.value.props == props


@pytest.mark.parametrize(
    "controllers, error, props",
    [
        (role(nothing=["*"]), UNKNOWN_CONTROLLER, ["r", "nothing", ""]),
        (role(a__b=["c"]), UNKNOWN_CONTROLLER, ["r", "a/b", ""]),
        (in_plugin("reset", "fly"), UNKNOWN_ACTION, ["r", "fly", plugin.name, ""]),
    ],
)
def test_what_a_plugin_may_bring_later_can_be_named_by_force(
    controllers: Any, error: type[errors.OstiaryError], props: list[str]
) -> None:
    NAMES.check("r", controllers, force=True)
    with pytest.raises(error) as raised:
        NAMES.check("r", controllers, force=False)
    assert raised.value.props == props


@pytest.mark.parametrize(
    "before", [role(_=["*"]), role(auth=["login"]), in_plugin("reset"), role(auth=["*"], _=["*"])]
)
def test_no_entry_goes_unchecked_for_what_stands_before_it(before: Any) -> None:
    """Contract 12: Kuzzle stops at the first native or wildcard entry."""
    with pytest.raises(UNKNOWN_CONTROLLER):
        NAMES.check("r", {**before, **role(nothing=["x"])}, force=False)
