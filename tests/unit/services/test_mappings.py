"""Mappings: they grow, what they name stays what it is, and nonsense is refused."""

from __future__ import annotations

from typing import Any

import pytest

from ostiary import errors
from ostiary.services.mappings import HISTORY

pytestmark = pytest.mark.anyio

KEYWORD, TEXT = {"type": "keyword"}, {"type": "text"}


@pytest.mark.parametrize(
    "collection, fields",
    [
        ("users", {"profileIds": KEYWORD}),
        ("profiles", {"tags": KEYWORD, "policies": {"properties": {"roleId": KEYWORD}}}),
        ("roles", {"tags": KEYWORD}),
    ],
)
async def test_a_mapping_begins_with_what_the_contract_says(
    house: Any, collection: str, fields: dict[str, Any]
) -> None:
    found = await house.services.mappings.find(collection)
    assert found == {"dynamic": "false", "properties": {**fields, "_kuzzle_info": HISTORY}}


async def test_fields_are_added_to_those_that_are_there(house: Any) -> None:
    mappings = house.services.mappings
    name = {"type": "text", "fields": {"raw": KEYWORD}}
    await mappings.update("users", {"properties": {"name": name, "a": {"properties": {"b": TEXT}}}})
    more = {"a": {"properties": {"c": KEYWORD}}, "name": {"type": "text", "analyzer": "english"}}
    changes = {"properties": more, "dynamic": "strict", "_meta": {"version": 2}}
    new = await mappings.update("users", changes)
    assert new == await mappings.find("users")
    assert (new["dynamic"], new["_meta"]) == ("strict", {"version": 2})
    assert new["properties"] == {
        "profileIds": KEYWORD,
        "_kuzzle_info": HISTORY,
        "name": {**name, "analyzer": "english"},
        "a": {"properties": {"b": TEXT, "c": KEYWORD}},
    }
    assert "name" not in (await mappings.find("roles"))["properties"]


@pytest.mark.parametrize(
    "changes, error, path",
    [
        ({"nothing": {}}, errors.InvalidMapping, "nothing"),
        ({"dynamic": "perhaps"}, errors.InvalidMapping, "dynamic"),
        ({"properties": {"a": "text"}}, errors.InvalidMapping, "a"),
        ({"properties": {"a": {"properties": []}}}, errors.InvalidMapping, "a"),
        ({"properties": {"a": {"properties": {"b": 1}}}}, errors.InvalidMapping, "a.b"),
        ({"properties": {"a": {"type": "nope"}}}, errors.InvalidMappingType, "a"),
        ({"properties": {"a": {"type": ["text"]}}}, errors.InvalidMappingType, "a"),
        (
            {"properties": {"a": {"type": "text", "fields": {"b": {"type": "x"}}}}},
            errors.InvalidMappingType,
            "a.b",
        ),
        ({"properties": {"profileIds": TEXT}}, errors.CannotChangeMapping, "profileIds"),
        (
            {"properties": {"_kuzzle_info": {"properties": {"author": TEXT}}}},
            errors.CannotChangeMapping,
            "_kuzzle_info.author",
        ),
        (
            {"properties": {"profileIds": {"properties": {"a": TEXT}}}},
            errors.CannotChangeMapping,
            "profileIds",
        ),
    ],
)
async def test_what_is_no_mapping_is_refused_and_changes_nothing(
    house: Any, changes: dict[str, Any], error: type[errors.OstiaryError], path: str
) -> None:
    before = await house.services.mappings.find("users")
    with pytest.raises(error) as raised:
        await house.services.mappings.update("users", changes)
    assert raised.value.props[0] == path
    assert await house.services.mappings.find("users") == before


async def test_a_mapping_does_not_grow_without_end(house: Any) -> None:
    fields = {f"field{number:0>200}": TEXT for number in range(1000)}
    await house.services.mappings.update("users", {"properties": fields})
    more = {f"more{number:0>200}": TEXT for number in range(1000)}
    with pytest.raises(errors.InvalidMapping):
        await house.services.mappings.update("users", {"properties": more})
