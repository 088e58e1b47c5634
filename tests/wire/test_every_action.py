"""Every action that there is succeeds, over both protocols and on both databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from ostiary.testing.registry import registry_of
from ostiary.testing.wire import Api, HttpApi

ACTIONS = {f"{action.controller}:{action.name}": action for action in registry_of("local")}
ELSEWHERE = {
    "security:createFirstAdmin": "there is an administrator: tests/server/test_first_admin.py",
    "security:releaseHeldBack": "somebody has to be held back: test_held_back.py",
    "admin:resetSecurity": "it would take the users of all other tests: test_resets.py",
    "admin:resetDatabase": "it would take the indexes of all other tests: test_resets.py",
    "admin:shutdown": "it would end the server of all other tests: tests/server/test_admin.py",
    "realtime:unsubscribe": "it wants a connection that has subscribed: test_realtime.py",
}
"""Actions that are seen to succeed by tests of their own."""

SOCKETS_ONLY = {"realtime:subscribe"}


@pytest.fixture
def over(workshop: Any, protocol: str) -> Iterator[Api]:
    with closing(workshop.open(protocol)) as api:
        yield api


@pytest.mark.parametrize("name", sorted(ACTIONS.keys() - ELSEWHERE.keys()))
def test_it_succeeds(over: Api, world: Any, asked: Callable[..., Any], name: str) -> None:
    outcome = world.ask(over, asked(name))
    if isinstance(over, HttpApi) and name in SOCKETS_ONLY:
        assert outcome.error_id == "api.assert.unsupported_protocol"
        return
    assert outcome.status == 200, outcome.body
    if "openapi" not in outcome.body:
        assert [outcome.body["controller"], outcome.body["action"]] == name.split(":")


@pytest.mark.parametrize("name", ELSEWHERE)
def test_what_is_tested_elsewhere_exists(name: str) -> None:
    assert name in ACTIONS
