"""The mappings of users, profiles and roles, which clients export and import.

They restrict nothing: every property can be searched, whether a mapping names it or not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import delete, insert, select

from ostiary import errors
from ostiary.services.changes import take_turn
from ostiary.storage import Store
from ostiary.storage.tables import mappings

LARGEST = 2**18
"""Bytes that a mapping may take, as JSON."""

KEYWORD, DATE = {"type": "keyword"}, {"type": "date"}
HISTORY = {
    "properties": {
        "author": KEYWORD,
        "createdAt": DATE,
        "updater": KEYWORD,
        "updatedAt": DATE,
    }
}
FIRST: Mapping[str, Mapping[str, Any]] = {
    "users": {"profileIds": KEYWORD},
    "profiles": {"tags": KEYWORD, "policies": {"properties": {"roleId": KEYWORD}}},
    "roles": {"tags": KEYWORD},
}
"""What the mapping of each collection begins with (contract, 9)."""

TYPES = frozenset(
    [
        "aggregate_metric_double",
        "alias",
        "binary",
        "boolean",
        "byte",
        "completion",
        "constant_keyword",
        "date",
        "date_nanos",
        "date_range",
        "dense_vector",
        "double",
        "double_range",
        "flattened",
        "float",
        "float_range",
        "geo_point",
        "geo_shape",
        "half_float",
        "histogram",
        "integer",
        "integer_range",
        "ip",
        "ip_range",
        "join",
        "keyword",
        "long",
        "long_range",
        "match_only_text",
        "nested",
        "object",
        "percolator",
        "point",
        "rank_feature",
        "rank_features",
        "scaled_float",
        "search_as_you_type",
        "shape",
        "short",
        "sparse_vector",
        "text",
        "token_count",
        "unsigned_long",
        "version",
        "wildcard",
    ]
)
"""The types that a field of Elasticsearch can have."""

MEMBERS = ("properties", "dynamic", "_meta", "dynamic_templates")
DYNAMIC = ("true", "false", "strict", "runtime")

Properties = dict[str, Any]


class Mappings:
    """Keeps a mapping for each collection."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def find(self, collection: str) -> dict[str, Any]:
        """Return the mapping of a collection."""
        wanted = select(mappings.c.mapping).where(mappings.c.collection == collection)
        async with self._store.read() as db:
            return await db.scalar(wanted) or _first(collection)

    async def update(self, collection: str, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Merge fields into the mapping of a collection; what a field is cannot change.

        :raises errors.InvalidMapping: it is no mapping.
        :raises errors.InvalidMappingType: a field has a type that does not exist.
        :raises errors.CannotChangeMapping: a field has another type already.
        """
        _check(changes)
        this = mappings.c.collection == collection
        async with self._store.begin() as db:
            await take_turn(db)
            old = await db.scalar(select(mappings.c.mapping).where(this)) or _first(collection)
            properties = _merged("", old["properties"], changes.get("properties", {}))
            new = {**old, **changes, "properties": properties}
            if len(msgspec.json.encode(new)) > LARGEST:
                raise errors.InvalidMapping("properties", f" It would take over {LARGEST} bytes.")
            await db.execute(delete(mappings).where(this))
            await db.execute(insert(mappings).values(collection=collection, mapping=new))
        return new


def _first(collection: str) -> dict[str, Any]:
    return {"dynamic": "false", "properties": {**FIRST[collection], "_kuzzle_info": HISTORY}}


def _check(changes: Mapping[str, Any]) -> None:
    for name in changes:
        if name not in MEMBERS:
            raise errors.InvalidMapping(name, "")
    if changes.get("dynamic", "false") not in DYNAMIC:
        raise errors.InvalidMapping("dynamic", f" Wanted: {', '.join(DYNAMIC)}.")
    _check_fields("", changes.get("properties", {}))


def _check_fields(path: str, fields: Any) -> None:
    if not isinstance(fields, dict):
        raise errors.InvalidMapping(path or "properties", " An object of fields is wanted.")
    for name, field in fields.items():
        where = f"{path}.{name}" if path else name
        if not isinstance(field, dict):
            raise errors.InvalidMapping(where, " An object is wanted.")
        kind = field.get("type", "object")
        if not isinstance(kind, str) or kind not in TYPES:
            raise errors.InvalidMappingType(where, kind)
        for inner in ("properties", "fields"):
            _check_fields(where, field.get(inner, {}))


def _merged(path: str, old: Properties, new: Properties) -> Properties:
    merged = dict(old)
    for name, field in new.items():
        where = f"{path}.{name}" if path else name
        known = merged.get(name)
        if known is None:
            merged[name] = field
            continue
        if known.get("type", "object") != field.get("type", "object"):
            raise errors.CannotChangeMapping(where)
        merged[name] = {**known, **field}
        for inner in {"properties", "fields"} & known.keys() & field.keys():
            merged[name][inner] = _merged(where, known[inner], field[inner])
    return merged
