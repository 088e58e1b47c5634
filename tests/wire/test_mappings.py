"""Mappings over the wire, and refreshing, which has nothing to do here."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from ostiary.testing.wire import Api

NUMBERS = count(1)
KEYWORD, DATE = {"type": "keyword"}, {"type": "date"}
INFO = {"properties": {"author": KEYWORD, "createdAt": DATE, "updater": KEYWORD, "updatedAt": DATE}}
KINDS = pytest.mark.parametrize("kind", ["User", "Profile", "Role"])


@pytest.fixture
def admin(closed: Any) -> str:
    return str(closed.admin.jwt)


@KINDS
def test_a_mapping_is_exported_extended_and_imported(api: Api, admin: str, kind: str) -> None:
    """As the Kuzzle CLI does: what was exported are the properties to import."""
    field = f"field{next(NUMBERS)}"
    changes = {"properties": {field: {"type": "text"}}}
    new = api.call(f"security:update{kind}Mapping", changes, jwt=admin).result
    assert new["dynamic"] == "false"
    assert new["properties"]["_kuzzle_info"] == INFO
    assert new["properties"][field] == {"type": "text"}
    exported = api.call(f"security:get{kind}Mapping", jwt=admin).result
    fields = {name: one for name, one in new["properties"].items() if name != "_kuzzle_info"}
    assert exported == {"mapping": fields}
    body = {"properties": exported["mapping"]}
    assert api.call(f"security:update{kind}Mapping", body, jwt=admin).result == new
    assert api.call(f"security:update{kind}Mapping", {}, jwt=admin).result == new


@KINDS
@pytest.mark.parametrize(
    "body, id, props",
    [
        ({"nope": 1}, "services.storage.invalid_mapping", ["nope", ""]),
        (
            {"properties": {"x": {"type": "nope"}}},
            "services.storage.invalid_mapping_type",
            ["x", "nope"],
        ),
        (
            {"properties": {"_kuzzle_info": {"type": "text"}}},
            "services.storage.cannot_change_mapping",
            ["_kuzzle_info"],
        ),
        ({"properties": []}, "api.assert.invalid_type", ["body.properties", "object"]),
        ({"dynamic": True}, "api.assert.invalid_type", ["body.dynamic", "string"]),
        ({"_meta": 1}, "api.assert.invalid_type", ["body._meta", "object"]),
    ],
)
def test_a_wrong_mapping_is_refused(
    api: Api, admin: str, kind: str, body: Any, id: str, props: list[str]
) -> None:
    refused = api.call(f"security:update{kind}Mapping", body, jwt=admin)
    assert (refused.status, refused.error_id, refused.error["props"]) == (400, id, props)


@pytest.mark.parametrize("collection", ["users", "profiles", "roles"])
def test_there_is_nothing_to_refresh(api: Api, admin: str, collection: str) -> None:
    answer = api.call("security:refresh", jwt=admin, collection=collection)
    assert (answer.result, answer.body["collection"]) == (None, collection)


def test_what_is_no_collection_is_not_refreshed(api: Api, admin: str) -> None:
    refused = api.call("security:refresh", jwt=admin, collection="nope")
    assert (refused.status, refused.error_id) == (400, "api.assert.unexpected_argument")
    assert refused.error["props"] == ["nope", "users, profiles, roles"]
