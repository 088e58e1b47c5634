"""Roles and profiles as clients write them: each mistake has its error, and the right path."""

from __future__ import annotations

from typing import Any

import pytest

from ostiary import errors
from ostiary.services.definitions import (
    LARGEST,
    check_size,
    read_content,
    read_controllers,
    read_policies,
    read_rate_limit,
    restrictions,
)

MAY = {"actions": {"get": True}}
MISSING, TYPE, EMPTY = errors.MissingArgument, errors.InvalidType, errors.EmptyArgument


@pytest.mark.parametrize(
    "controllers, error, path",
    [
        (None, MISSING, "r.controllers"),
        ([], TYPE, "r.controllers"),
        ("*", TYPE, "r.controllers"),
        ({}, EMPTY, "r.controllers"),
        ({"a": None}, TYPE, "a"),
        ({"a": True}, TYPE, "a"),
        ({"a": {}}, EMPTY, "a"),
        ({"a": {"get": True}}, MISSING, "a.actions"),
        ({"a": {"actions": None}}, TYPE, "a.actions"),
        ({"a": {"actions": ["get"]}}, TYPE, "a.actions"),
        ({"a": {"actions": {}}}, EMPTY, "a.actions"),
        *(
            ({"ok": MAY, "a": {"actions": {"ok": True, "get": value}}}, TYPE, "a.actions.get")
            for value in (1, 0, "true", "", None, [True], {"test": "return true"})
        ),
    ],
)
def test_a_role_says_only_true_or_false(
    controllers: Any, error: type[errors.OstiaryError], path: str
) -> None:
    """AZ-13"""
    with pytest.raises(error) as raised:
        read_controllers("r", {"controllers": controllers})
    assert raised.value.props[0] == path


def test_a_role_without_controllers_is_none() -> None:
    with pytest.raises(errors.MissingArgument):
        read_controllers("r", {"tags": ["a"]})


LOGIN, ALL = {"actions": {"login": True}}, {"actions": {"*": True}}


@pytest.mark.parametrize(
    "controllers",
    [{"auth": LOGIN}, {"auth": ALL}, {"*": ALL}, {"server": MAY, "*": ALL}],
)
def test_who_is_not_signed_in_may_sign_in(controllers: Any) -> None:
    """AZ-08"""
    assert read_controllers("anonymous", {"controllers": controllers}) == controllers


@pytest.mark.parametrize(
    "controllers",
    [
        {"auth": {"actions": {"login": False}}},
        {"auth": {"actions": {"logout": True}}, "*": ALL},
        {"server": ALL},
        {"auth": {"actions": {"login": False, "*": True}}},
    ],
)
def test_the_anonymous_role_keeps_the_login(controllers: Any) -> None:
    """AZ-08"""
    with pytest.raises(errors.LoginRequired):
        read_controllers("anonymous", {"controllers": controllers})
    assert read_controllers("another", {"controllers": controllers}) == controllers


@pytest.mark.parametrize(
    "policies, error, path",
    [
        (None, MISSING, "p.policies"),
        ({"roleId": "r"}, TYPE, "p.policies"),
        ("r", TYPE, "p.policies"),
        (["r"], TYPE, "p.policies[0]"),
        ([None], TYPE, "p.policies[0]"),
        ([{}], MISSING, "p.policies[0].roleId"),
        ([{"roleId": ""}], MISSING, "p.policies[0].roleId"),
        ([{"roleId": 1}], TYPE, "p.policies[0].roleId"),
        ([{"roleId": "r"}, {"roleId": "r", "x": 1}], errors.UnexpectedArgument, "p.policies[1].x"),
        ([{"roleId": "r", "restrictedTo": {}}], TYPE, "p.policies[0].restrictedTo"),
        ([{"roleId": "r", "restrictedTo": ["i"]}], TYPE, "p.policies[0].restrictedTo[0]"),
        ([{"roleId": "r", "restrictedTo": [{}]}], MISSING, "p.policies[0].restrictedTo[0].index"),
        (
            [{"roleId": "r", "restrictedTo": [{"index": ["i"]}]}],
            TYPE,
            "p.policies[0].restrictedTo[0].index",
        ),
        (
            [{"roleId": "r", "restrictedTo": [{"index": "i", "collections": "c"}]}],
            TYPE,
            "p.policies[0].restrictedTo[0].collections",
        ),
        (
            [{"roleId": "r", "restrictedTo": [{"index": "i", "collections": [1]}]}],
            TYPE,
            "p.policies[0].restrictedTo[0].collections",
        ),
        (
            [{"roleId": "r", "restrictedTo": [{"index": "i"}, {"index": "j", "x": 1}]}],
            errors.UnexpectedArgument,
            "p.policies[0].restrictedTo[1].x",
        ),
    ],
)
def test_a_policy_is_a_role_and_what_it_is_restricted_to(
    policies: Any, error: type[errors.OstiaryError], path: str
) -> None:
    """AZ-13"""
    with pytest.raises(error) as raised:
        read_policies("p", {"policies": policies})
    assert raised.value.props[0] == path


def test_policies_are_kept_as_they_are_less_what_says_nothing() -> None:
    places = [{"index": "i", "collections": ["c"]}, {"index": "j", "collections": []}]
    policies: list[dict[str, Any]] = [{"roleId": "r", "restrictedTo": places}, {"roleId": "s"}]
    assert read_policies("p", {"policies": policies}) == policies
    nothing = [{"roleId": "r", "restrictedTo": None}, {"roleId": "s", "restrictedTo": []}]
    read = read_policies("p", {"policies": nothing})
    assert read == [{"roleId": "r"}, {"roleId": "s", "restrictedTo": []}]
    assert list(restrictions(policies)) == [("i", ["c"]), ("j", [])]


def test_no_policies_are_those_of_the_default_role() -> None:
    assert read_policies("p", {"policies": []}) == [{"roleId": "default"}]


@pytest.mark.parametrize("policies", [[], [{"roleId": "default"}]])
def test_the_anonymous_profile_keeps_the_anonymous_role(policies: Any) -> None:
    """AZ-08"""
    with pytest.raises(errors.AnonymousRoleRequired):
        read_policies("anonymous", {"policies": policies})
    more = [*policies, {"roleId": "anonymous"}]
    assert read_policies("anonymous", {"policies": more}) == more


@pytest.mark.parametrize("body, limit", [({}, 0), ({"rateLimit": None}, 0), ({"rateLimit": 7}, 7)])
def test_a_rate_limit_may_be_left_out(body: Any, limit: int) -> None:
    assert read_rate_limit("p", body) == limit


@pytest.mark.parametrize(
    "limit, error",
    [
        ("7", TYPE),
        (1.5, TYPE),
        (True, TYPE),
        ([], TYPE),
        (-1, errors.InvalidArgument),
        (2**31, errors.InvalidArgument),
    ],
)
def test_a_rate_limit_is_a_number_of_requests(limit: Any, error: type[errors.OstiaryError]) -> None:
    with pytest.raises(error):
        read_rate_limit("p", {"rateLimit": limit})


def test_other_members_are_kept_but_not_those_of_the_system() -> None:
    """AZ-12"""
    body = {"_id": "x", "_kuzzle_info": {"author": "me"}, "policies": [], "tags": ["a"], "b": 1}
    assert read_content(body, "policies") == {"tags": ["a"], "b": 1}


def test_what_would_take_too_much_memory_is_refused() -> None:
    check_size("r", {"a": "x" * (LARGEST // 2)}, {})
    with pytest.raises(errors.RightsTooLarge):
        check_size("r", {"a": "x" * (LARGEST // 2)}, {"b": "x" * (LARGEST // 2)})
