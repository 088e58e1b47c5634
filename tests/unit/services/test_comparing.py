"""What some rights grant and others do not, action by action."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary import errors
from ostiary.request import Connection, Request
from ostiary.services.comparing import SHOWN, compare, named_by
from ostiary.services.rights import Grant, Rights

CONNECTION = Connection("websocket", "127.0.0.1")
NAMES = [(controller, action) for controller in "ab" for action in "xy"]
PLACES = [(index, name) for index in "ij" for name in "cd"]

actions = st.dictionaries(st.sampled_from("xy*"), st.booleans(), min_size=1)
roles = st.dictionaries(
    st.sampled_from("ab*"), actions.map(lambda one: {"actions": one}), min_size=1
)
places = st.dictionaries(st.sampled_from("ij"), st.frozensets(st.sampled_from("cd")))
grants = st.lists(st.builds(Grant, roles, places), max_size=3)


def may(several: list[Grant], name: tuple[str, str], place: tuple[str, str]) -> bool:
    args: dict[str, Any] = {"index": place[0], "collection": place[1]}
    return Rights(tuple(several)).allow(Request(*name, args, None, None, CONNECTION, "1"))


@given(grants, grants)
def test_what_is_told_is_what_requests_would_meet(before: list[Grant], after: list[Grant]) -> None:
    difference = compare(before, after, NAMES)
    granted = {change.name for change in difference.granted}
    taken = {change.name for change in difference.taken}
    everywhere = [*PLACES, ("elsewhere", "c"), ("i", "elsewhere"), ("j", "elsewhere")]
    for name in NAMES:
        had = {place for place in everywhere if may(before, name, place)}
        has = {place for place in everywhere if may(after, name, place)}
        assert (name in granted) == bool(has - had)
        assert (name in taken) == bool(had - has)


def test_wildcards_are_names_too() -> None:
    role = Grant({"a": {"actions": {"*": True}}, "*": {"actions": {"*": True}}})
    names = named_by([role])
    assert names == {("a", "*"), ("*", "*")}
    assert [one.name for one in compare((), [role], names).granted] == [("*", "*"), ("a", "*")]


def test_few_of_many_places_are_shown() -> None:
    wide = Grant({"a": {"actions": {"x": True}}}, {"i": frozenset(map(str, range(50)))})
    (change,) = compare((), [wide], [("a", "x")]).granted
    told = change.to_json()
    assert told["before"] is None
    assert (len(told["after"]["places"]), told["after"]["total"]) == (SHOWN, 50)


def test_what_would_take_seconds_is_refused() -> None:
    """INP-09: many places, of many roles; many actions, of many roles."""
    role = {"a": {"actions": {"x": True}}}
    many = [Grant(role, {f"i{at}": frozenset()}) for at in range(2000)]
    with pytest.raises(errors.TooManyRights):
        compare((), many, [("a", "x")])
    names = [("a", str(at)) for at in range(20_000)]
    with pytest.raises(errors.TooManyRights):
        compare((), [Grant(role)] * 100, names)
