"""Rights: who may do what, how it is listed, and who may give it to others (contract, 6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary import errors
from ostiary.request import Connection, Request
from ostiary.services.rights import LISTED, REMEMBERED, Grant, Rights, covers, places_of

CONNECTION = Connection("websocket", "127.0.0.1")


def role(**controllers: Mapping[str, Any]) -> dict[str, Any]:
    """Return a role; ``_`` stands for the wildcard."""
    return {
        ("*" if name == "_" else name): {
            "actions": {("*" if action == "_" else action): may for action, may in given.items()}
        }
        for name, given in controllers.items()
    }


def restriction(entry: tuple[Any, ...]) -> dict[str, Any]:
    return dict(zip(("index", "collections"), entry, strict=False))


def rights(*policies: Any) -> Rights:
    """Return rights from roles, or pairs of a role and its restrictions."""
    pairs = [policy if isinstance(policy, tuple) else (policy, ()) for policy in policies]
    return Rights(
        tuple(
            Grant(controllers, places_of(map(restriction, restrictions)))
            for controllers, restrictions in pairs
        )
    )


def asking(controller: str, action: str, **args: Any) -> Request:
    return Request(controller, action, args, None, None, CONNECTION, "1")


def may(mine: Rights, name: str, **args: Any) -> bool:
    controller, _, action = name.partition(":")
    return mine.allow(asking(controller, action, **args))


def test_nothing_is_allowed_that_no_role_names() -> None:
    """AZ-01"""
    assert not may(rights(), "auth:login")
    assert not may(rights({}), "auth:login")
    assert not may(rights(role(auth={"login": True})), "auth:logout")
    assert not may(rights(role(auth={"login": True})), "server:login")


def test_an_exact_name_hides_the_wildcard() -> None:
    mine = rights(role(_={"_": True}, auth={"login": True}, server={"_": True, "now": False}))
    assert may(mine, "security:getUser")
    assert may(mine, "auth:login")
    assert not may(mine, "auth:logout")
    assert may(mine, "server:info")
    assert not may(mine, "server:now")


def test_one_role_that_allows_is_enough() -> None:
    """There is no deny: what one role refuses another may grant."""
    no, yes = role(auth={"login": False}), role(auth={"login": True})
    assert may(rights(no, yes), "auth:login")
    assert may(rights(yes, no), "auth:login")
    assert not may(rights(no, no), "auth:login")


@pytest.mark.parametrize("value", [1, "true", "True", [True], {"a": 1}, None, 1.0])
def test_nothing_but_true_grants(value: Any) -> None:
    """AZ-13"""
    assert not may(rights(role(auth={"login": value})), "auth:login")
    assert not may(rights(role(_={"_": value})), "auth:login")
    assert not covers(rights(role(_={"_": value})), rights(role(auth={"login": True})).grants)


def test_two_names_of_one_controller_are_one() -> None:
    assert may(rights(role(ms={"get": True})), "memoryStorage:get")
    assert may(rights(role(memoryStorage={"get": True})), "ms:get")
    assert not may(rights(role(ms={"get": True}, memoryStorage={})), "memoryStorage:get")


@pytest.mark.parametrize(
    "args, allowed",
    [
        ({}, True),
        ({"index": None}, True),
        ({"index": "a"}, True),
        ({"index": "a", "collection": "x"}, True),
        ({"index": "b", "collection": "x"}, True),
        ({"index": "b", "collection": "y"}, True),
        ({"index": "b", "collection": "z"}, False),
        ({"index": "b"}, False),
        ({"index": "c"}, False),
        ({"index": ["a"]}, False),
        ({"index": {"a": 1}}, False),
        ({"targets": [{"index": "a", "collections": ["x"]}]}, True),
        ({"targets": [{"index": "a"}, {"index": "b", "collections": ["x", "y"]}]}, True),
        ({"targets": [{"index": "a"}, {"index": "b", "collections": ["x", "z"]}]}, False),
        ({"targets": [{"index": "b"}]}, False),
        ({"targets": [{"index": "a", "collections": 5}]}, True),
        ({"targets": [{"index": "b", "collections": 5}]}, False),
        ({"targets": [{"index": "a", "collections": ["*"]}]}, False),
        ({"targets": [{"index": "*"}]}, False),
        ({"targets": [5, None]}, True),
        ({"targets": 5}, True),
    ],
)
def test_restrictions_hold_for_indexes_and_collections(
    args: dict[str, Any], *, allowed: bool
) -> None:
    read = role(document={"get": True})
    mine = rights((read, [("a",), ("b", ("x",))]), (read, [("b", ("y",))]))
    assert may(mine, "document:get", **args) == allowed


def test_targets_with_patterns_are_refused_to_everybody() -> None:
    everything = rights(role(_={"_": True}))
    assert may(everything, "document:search", targets=[{"index": "a", "collections": ["x"]}])
    assert not may(everything, "document:search", targets=[{"index": "a", "collections": ["x*"]}])


def test_the_listing_has_a_line_for_each_place() -> None:
    restricted = (role(document={"get": True, "delete": False}), [("a", ("x", "y")), ("b",)])
    lines = rights(restricted, role(auth={"_": True})).listing()
    assert lines[0] == {
        "controller": "document",
        "action": "get",
        "index": "a",
        "collection": "x",
        "value": "allowed",
    }
    places = [(line["index"], line["collection"]) for line in lines]
    assert places == [("a", "x"), ("a", "y"), ("b", "*")] * 2 + [("*", "*")]
    assert [line["value"] for line in lines] == ["allowed"] * 3 + ["denied"] * 3 + ["allowed"]


def test_in_the_listing_allowed_wins_over_denied() -> None:
    no, yes = role(auth={"login": False}), role(auth={"login": True})
    for mine in (rights(no, yes), rights(yes, no)):
        assert [line["value"] for line in mine.listing()] == ["allowed"]


def test_a_listing_has_an_end() -> None:
    """INP-09: a role of many actions in many places has a line for each of both."""
    many = {"document": {"actions": {f"a{number}": True for number in range(1000)}}}
    few = rights((many, [(f"i{number}",) for number in range(LISTED // 1000)]))
    assert len(few.listing()) == LISTED
    with pytest.raises(errors.TooManyRights):
        rights((many, [(f"i{number}",) for number in range(LISTED // 1000 + 1)])).listing()


def test_names_that_do_not_exist_fill_no_memory() -> None:
    everything = rights(role(_={"_": True}))
    for number in range(3 * REMEMBERED):
        assert may(everything, f"c{number}:a{number}")
    assert may(everything, f"{'long' * 1000}:name")
    assert len(everything._known) <= REMEMBERED
    nothing = rights(role(auth={"login": True}))
    for number in range(10):
        assert not may(nothing, f"c{number}:a{number}")
    assert len(nothing._known) == 0


def test_who_may_do_everything_may_give_everything() -> None:
    """AZ-20"""
    everything = rights(role(_={"_": True}))
    assert covers(everything, everything.grants)
    assert covers(everything, rights((role(a={"b": True}), [("i", ("c",))])).grants)
    assert covers(rights(), ())
    assert covers(rights(), rights(role(auth={"login": False})).grants)


LOGIN = role(auth={"login": True})
READ = role(document={"get": True})


@pytest.mark.parametrize(
    "mine, theirs",
    [
        (rights(), rights(LOGIN)),
        (rights(LOGIN), rights(role(auth={"_": True}))),
        (rights(role(auth={"_": True})), rights(role(_={"_": True}))),
        (rights(role(_={"_": True}, auth={"logout": True})), rights(LOGIN)),
        (rights(role(auth={"_": True, "login": False})), rights(role(auth={"_": True}))),
        (rights((READ, [("a",)])), rights(READ)),
        (rights((READ, [("*",)])), rights(READ)),
        (rights((READ, [("a", ("x",))])), rights((READ, [("a",)]))),
        (rights((READ, [("a", ("*",))])), rights((READ, [("a",)]))),
        (rights((READ, [("a",)])), rights((READ, [("b",)]))),
        (
            rights(role(_={"_": True}, memoryStorage={"get": False})),
            rights(role(ms={"get": True})),
        ),
        (
            rights(role(ms={"get": True}, memoryStorage={"set": True})),
            rights(role(ms={"get": True})),
        ),
    ],
)
def test_nobody_gives_more_than_they_have(mine: Rights, theirs: Rights) -> None:
    """AZ-20"""
    assert not covers(mine, theirs.grants)


NAMES = st.sampled_from(["*", "a", "b", "ms", "memoryStorage"])
ROLES = st.dictionaries(
    NAMES,
    st.fixed_dictionaries(
        {"actions": st.dictionaries(st.sampled_from(["*", "x", "y"]), st.booleans())}
    ),
    max_size=3,
)
RESTRICTIONS = st.lists(
    st.fixed_dictionaries(
        {
            "index": st.sampled_from(["*", "i", "j"]),
            "collections": st.lists(st.sampled_from(["*", "c", "d"]), max_size=2),
        }
    ),
    max_size=2,
).map(places_of)
GRANTS = st.lists(st.builds(Grant, ROLES, RESTRICTIONS), max_size=3).map(tuple)
PLACES: list[dict[str, Any]] = [
    {},
    *({"index": index} for index in ("*", "i", "j", "unknown")),
    *(
        {"index": index, "collection": collection}
        for index in ("*", "i", "j", "unknown")
        for collection in ("*", "c", "d", "unknown")
    ),
    {"targets": [{"index": "i", "collections": ["c", "d"]}, {"index": "j"}]},
]
REQUESTS = [
    asking(controller, action, **place)
    for controller in ("*", "a", "b", "ms", "memoryStorage", "unknown")
    for action in ("*", "x", "y", "unknown")
    for place in PLACES
]


@given(mine=GRANTS, theirs=GRANTS)
def test_rights_cover_others_exactly_when_they_allow_all_that_the_others_allow(
    mine: tuple[Grant, ...], theirs: tuple[Grant, ...]
) -> None:
    """AZ-20"""
    have, want = Rights(mine), Rights(theirs)
    lacking = [one for one in REQUESTS if want.allow(one) and not have.allow(one)]
    assert covers(have, theirs) == (not lacking)
