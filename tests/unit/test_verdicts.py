"""What hooks answer is held against what they may answer, and copied."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest

from ostiary import errors
from ostiary.fields import CredentialField
from ostiary.strategies import Challenge, FoundCredentials, Newcomer, Redirect, Verified
from ostiary.verdicts import found_of, verdict_of, view_of


class Sly(str):
    """A text that is equal to every other."""

    __slots__ = ()

    def __eq__(self, _other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


CYCLE: dict[str, Any] = {}
CYCLE["again"] = CYCLE
WRONG_HANDLES: list[Any] = ["", "x" * 42, "x" * 44, "x" * 42 + "=", "\u00e9" * 43, b"x" * 43, 5]
WRONG_LIFETIMES: list[Any] = [0, -1, 600_001, True, 1.5, "1"]
NOT_JSON: list[Any] = [
    None,
    5,
    "text",
    ["a"],
    {"a": object()},
    {"a": {1, 2, object()}},
    {"a": "\ud800"},
    {"a": "x" * (2**20 + 1)},
    {"a": nested(100_000)},
    CYCLE,
]


@pytest.mark.parametrize(
    "verdict",
    [
        Verified("ann"),
        Verified("ann", ("default",), "sid"),
        Newcomer({"badge": "1"}, {"profileIds": ["default"]}, "sid"),
        Redirect("https://door.example/?a=1", {"nonce": "1"}, 600_000),
        Redirect("https://door.example/", {}, handle="aZ0_-" + "x" * 38),
        Challenge(("code", CredentialField("pin")), {"sent": "to"}, {"code": "1"}, 1),
    ],
)
def test_a_verdict_that_can_be_is_returned(verdict: Any) -> None:
    assert verdict_of("badge", verdict) == verdict


@pytest.mark.parametrize("kuid", [None, 1, ["ann"], b"ann", "", "a\0b", "\ud800", "x" * 513])
def test_what_cannot_be_a_kuid_signs_nobody_in(kuid: Any) -> None:
    """ISO-10, ISO-11"""
    with pytest.raises(errors.InvalidKuid):
        verdict_of("badge", Verified(kuid))


@pytest.mark.parametrize(
    "verdict",
    [
        None,
        "ann",
        True,
        Verified,
        Verified("ann", "admin"),  # type: ignore[arg-type]
        Verified("ann", (1,)),  # type: ignore[arg-type]
        Verified("ann", None, 5),  # type: ignore[arg-type]
        *(Newcomer(value, {}) for value in NOT_JSON),
        *(Newcomer({}, value) for value in NOT_JSON),
        Newcomer({}, {"profileIds": "admin"}),
        Newcomer({}, {"profileIds": [5]}),
        Redirect(None),  # type: ignore[arg-type]
        Redirect(""),
        Redirect("https://a\r\nx: y"),
        Redirect("https://a b"),
        Redirect("https://\u00e9.example"),
        Redirect("https://a/" + "x" * 9000),
        Redirect("JavaScript:alert(1)"),
        Redirect("https://a", {"a": object()}),
        *(Redirect("https://a", {}, handle=one) for one in WRONG_HANDLES),
        *(Redirect("https://a", {}, value) for value in WRONG_LIFETIMES),
        Challenge("code"),  # type: ignore[arg-type]
        Challenge((5,)),  # type: ignore[arg-type]
        Challenge(("code",), {"a": object()}),
        Challenge(("code",), {}, None),  # type: ignore[arg-type]
        Challenge(("code",), {}, {}, math.nan),  # type: ignore[arg-type]
    ],
)
def test_a_verdict_that_cannot_be_is_an_error(verdict: Any) -> None:
    """ISO-10"""
    with pytest.raises(errors.InvalidVerdict):
        verdict_of("badge", verdict)


def test_a_text_that_pretends_is_replaced_by_what_it_says() -> None:
    """ISO-15"""
    verdict = verdict_of("badge", Verified(Sly("ann"), (Sly("default"),)))
    assert isinstance(verdict, Verified)
    assert type(verdict.kuid) is str
    assert verdict.kuid == "ann"
    assert type((verdict.profiles or ())[0]) is str


@pytest.mark.parametrize("seen", NOT_JSON)
def test_what_cannot_be_sent_is_not_shown(seen: Any) -> None:
    """ISO-10"""
    with pytest.raises(errors.PluginUnexpectedError):
        view_of("badge", seen)


def test_a_view_is_a_copy_of_plain_values() -> None:
    """ISO-15"""
    inside = {"b": [1]}
    seen: Mapping[str, Any] = MappingProxyType({"a": MappingProxyType(inside), "t": (1, 2)})
    view = view_of("badge", seen)
    inside["b"].append(2)
    assert view == {"a": {"b": [1]}, "t": [1, 2]}


def test_a_page_is_no_larger_than_asked_for_and_of_users() -> None:
    """ISO-10"""
    hit = {"kuid": "ann", "badge": "1"}
    assert found_of("badge", FoundCredentials([hit], 7), 1) == FoundCredentials([hit], 7)
    for wrong in ([hit], FoundCredentials([hit, hit], 2), FoundCredentials([hit], -1)):
        with pytest.raises(errors.PluginUnexpectedError):
            found_of("badge", wrong, 1)
    with pytest.raises(errors.InvalidKuid):
        found_of("badge", FoundCredentials([{"badge": "1"}], 1), 1)
