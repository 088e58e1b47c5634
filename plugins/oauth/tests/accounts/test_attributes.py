"""What is kept of a profile: what the operator names, by the names that they say, within bounds."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from ostiary_oauth import attributes, errors
from ostiary_oauth.provider import Provider

FACEBOOK = {
    "id": "10150",
    "name": "Ann",
    "picture": {"data": {"url": "https://example.org/ann.png", "width": 50}},
    "emails": [{"value": "ann@example.org"}, {"value": "ann@example.com"}],
    "https://example.org/groups": ["staff", "admins"],
}


def provider(*persist: str, **mapping: str) -> Provider:
    return Provider(
        name="work",
        kind="oidc",
        protocol="oidc",
        issuer="https://id.example.org",
        client_id="ostiary",
        redirect_uri="https://auth.example.org/_login/work",
        persist=persist,
        mapping={path.replace("__", "."): name for path, name in mapping.items()},
    )


def test_only_what_is_named_is_kept() -> None:
    assert attributes.kept(provider("name", "birthday"), FACEBOOK) == {"name": "Ann"}
    assert attributes.kept(provider(), FACEBOOK) == {}


def test_a_path_is_written_back_as_the_objects_and_lists_it_leads_through() -> None:
    """Contract, section 14."""
    kept = attributes.kept(provider("picture.data.url", "emails[1].value"), FACEBOOK)
    assert kept == {
        "picture": {"data": {"url": "https://example.org/ann.png"}},
        "emails": [None, {"value": "ann@example.com"}],
    }


def test_a_path_to_an_object_or_a_list_keeps_all_of_it() -> None:
    kept = attributes.kept(provider("emails", "picture.data"), FACEBOOK)
    assert kept["emails"] == FACEBOOK["emails"]
    assert kept["picture"] == FACEBOOK["picture"]


def test_the_mapping_gives_what_the_provider_calls_so_another_name() -> None:
    """Contract, section 14: provider path to stored path."""
    kept = attributes.kept(
        provider("name", "picture.data.url", name="fullName", picture__data__url="avatar.url"),
        FACEBOOK,
    )
    assert kept == {"fullName": "Ann", "avatar": {"url": "https://example.org/ann.png"}}


def test_a_member_whose_name_has_dots_is_named_by_it() -> None:
    path = "https://example.org/groups"
    assert attributes.value_at(FACEBOOK, path) == ["staff", "admins"]
    assert attributes.kept(provider(path), FACEBOOK) == {path: ["staff", "admins"]}


@pytest.mark.parametrize(
    "path", ["emails[2].value", "emails.value", "name.first", "picture[0]", "nothing", "", "[0]"]
)
def test_what_is_not_there_is_not_kept(path: str) -> None:
    assert attributes.value_at(FACEBOOK, path) is attributes.MISSING
    assert attributes.kept(provider(path), FACEBOOK) == {}


@pytest.mark.parametrize(
    "value",
    [
        "x" * 8_193,
        "a\0b",
        "\ud800",
        float("nan"),
        float("inf"),
        2**63,
        {"\ud800": 1},
        {"x" * 257: 1},
        ["a\0b"],
    ],
)
def test_what_no_database_or_json_has_is_left_out_and_nothing_else_is(value: Any) -> None:
    kept = attributes.kept(provider("sub", "odd", "name"), {"sub": "1", "odd": value, "name": "A"})
    assert kept == {"sub": "1", "name": "A"}


def test_a_profile_deeper_than_anybody_needs_is_left_out() -> None:
    deep: Any = "end"
    for _ in range(40):
        deep = {"more": [deep]}
    assert attributes.kept(provider("sub", "deep"), {"sub": "1", "deep": deep}) == {"sub": "1"}


def test_attributes_are_kept_in_their_order_until_there_is_no_more_room() -> None:
    claims = {f"a{number}": "x" * 8_000 for number in range(10)} | {"last": "small"}
    kept = attributes.kept(provider(*claims), claims)
    assert list(kept) == ["a0", "a1", "a2", "a3", "last"]
    assert attributes.size(kept) <= attributes.LARGEST


@pytest.mark.parametrize("name", ["_id", "kuid", "identities", "_proved"])
def test_no_attribute_takes_the_name_of_what_the_server_says(name: str) -> None:
    """OAU-12: a profile that says it is another user changes nothing."""
    assert attributes.kept(provider("sub", name), {"sub": "1", name: "root"}) == {"sub": "1"}
    assert attributes.kept(provider("sub", "x", x=name), {"sub": "1", "x": "root"}) == {"sub": "1"}
    with pytest.raises(errors.InvalidAttribute):
        attributes.given({"sub": "1", name: "root"})


def test_another_login_replaces_what_the_provider_said_and_leaves_what_it_never_said() -> None:
    one = provider("name", "phone", name="fullName")
    held = {"fullName": "Ann", "phone": "1", "note": "by an administrator"}
    new = attributes.refreshed(one, {"name": "Anna"}, held)
    assert new == {"fullName": "Anna", "note": "by an administrator"}


def test_an_administrator_is_told_what_cannot_be_kept() -> None:
    with pytest.raises(errors.InvalidAttribute):
        attributes.given({"name": "a\0b"})
    with pytest.raises(errors.TooManyAttributes):
        attributes.given({f"a{number}": "x" * 8_000 for number in range(10)})


def test_attributes_are_merged_object_by_object() -> None:
    old = {"name": "Ann", "picture": {"data": {"url": "a", "width": 1}}}
    new = {"picture": {"data": {"url": "b"}}, "phone": "1"}
    assert attributes.merged(old, new) == {
        "name": "Ann",
        "picture": {"data": {"url": "b", "width": 1}},
        "phone": "1",
    }


json_values = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=20),
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text(max_size=5), inner),
    max_leaves=20,
)


@given(
    claims=some.dictionaries(some.text(max_size=6), json_values, max_size=6),
    persist=some.lists(some.text(alphabet="ab.[]01", max_size=8), max_size=6),
    names=some.lists(some.text(alphabet="ab.[]01", max_size=8), max_size=6),
)
@settings(max_examples=200, deadline=None)
def test_whatever_a_provider_says_can_be_stored_and_sent(
    claims: dict[str, Any], persist: list[str], names: list[str]
) -> None:
    claims |= {path: "there" for path in persist if path}
    mapping = dict(zip(persist, names, strict=False))
    kept = attributes.kept(provider(*[*persist, *claims], **mapping), claims)
    assert json.loads(attributes.written(kept)) == kept
    msgspec.json.encode(kept)
    assert not attributes.RESERVED & kept.keys()
