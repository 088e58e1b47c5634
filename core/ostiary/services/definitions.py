"""Reading roles and profiles as clients write them: what is there, of which kind, and no more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from ostiary import errors
from ostiary.services.rights import ANONYMOUS, Controllers, Grant

LARGEST = 2**18
"""Bytes that a role or a profile may take, as JSON."""

SYSTEM_MEMBERS = ("_id", "_kuzzle_info")
"""Members that nobody sets by sending them along."""


def read_controllers(id: str, body: Mapping[str, Any]) -> Controllers:
    """Return the controllers of a role; only ``true`` and ``false`` stand in it (AZ-13)."""
    controllers = body.get("controllers")
    if controllers is None:
        raise errors.MissingArgument(f"{id}.controllers")
    for name, entry in _filled(f"{id}.controllers", controllers).items():
        if "actions" not in _filled(name, entry):
            raise errors.MissingArgument(f"{name}.actions")
        for action, allowed in _filled(f"{name}.actions", entry["actions"]).items():
            if not isinstance(allowed, bool):
                raise errors.InvalidType(f"{name}.actions.{action}", "boolean")
    if id == ANONYMOUS and not Grant(controllers).names("auth", "login"):
        raise errors.LoginRequired
    return dict(controllers)


def read_policies(id: str, body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the policies of a profile; none at all become those of the role ``default``."""
    policies = body.get("policies")
    if policies is None:
        raise errors.MissingArgument(f"{id}.policies")
    if not isinstance(policies, list):
        raise errors.InvalidType(f"{id}.policies", "object[]")
    read = [_policy(f"{id}.policies[{at}]", policy) for at, policy in enumerate(policies)]
    if id == ANONYMOUS and not any(policy["roleId"] == ANONYMOUS for policy in read):
        raise errors.AnonymousRoleRequired
    return read or [{"roleId": "default"}]


def read_rate_limit(id: str, body: Mapping[str, Any]) -> int:
    """Return the requests a second of a profile; 0 is no limit."""
    limit = body.get("rateLimit")
    if limit is None:
        return 0
    if isinstance(limit, bool) or not isinstance(limit, int):
        raise errors.InvalidType(f"{id}.rateLimit", "integer")
    if not 0 <= limit < 2**31:
        raise errors.InvalidArgument(f"{id}.rateLimit", "a positive integer, or 0 for no limit")
    return limit


def read_content(body: Mapping[str, Any], *own: str) -> dict[str, Any]:
    """Return the members that mean nothing to the server, tags among them."""
    return {name: value for name, value in body.items() if name not in (*SYSTEM_MEMBERS, *own)}


def check_size(id: str, *parts: Any) -> None:
    """Refuse a role or a profile that would take too much memory."""
    if sum(len(msgspec.json.encode(part)) for part in parts) > LARGEST:
        raise errors.RightsTooLarge(id, LARGEST)


def restrictions(policies: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, list[str]]]:
    """Yield each index that some policies are restricted to, and the collections of it."""
    for policy in policies:
        for entry in policy.get("restrictedTo", ()):
            yield entry["index"], entry.get("collections", [])


def _filled(path: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise errors.InvalidType(path, "object")
    if not value:
        raise errors.EmptyArgument(path)
    return value


def _policy(path: str, policy: Any) -> dict[str, Any]:
    _only(path, policy, "roleId", "restrictedTo")
    read: dict[str, Any] = {"roleId": _text(f"{path}.roleId", policy.get("roleId"))}
    restricted_to = policy.get("restrictedTo")
    if restricted_to is not None:
        path = f"{path}.restrictedTo"
        if not isinstance(restricted_to, list):
            raise errors.InvalidType(path, "object[]")
        read["restrictedTo"] = [
            _restriction(f"{path}[{at}]", entry) for at, entry in enumerate(restricted_to)
        ]
    return read


def _restriction(path: str, entry: Any) -> dict[str, Any]:
    _only(path, entry, "index", "collections")
    read: dict[str, Any] = {"index": _text(f"{path}.index", entry.get("index"))}
    collections = entry.get("collections")
    if collections is not None:
        if not isinstance(collections, list) or not all(
            isinstance(one, str) for one in collections
        ):
            raise errors.InvalidType(f"{path}.collections", "string[]")
        read["collections"] = collections
    return read


def _only(path: str, value: Any, *members: str) -> None:
    if not isinstance(value, dict):
        raise errors.InvalidType(path, "object")
    for name in value:
        if name not in members:
            raise errors.UnexpectedArgument(f"{path}.{name}", ", ".join(members))


def _text(path: str, value: Any) -> str:
    if value is None or value == "":
        raise errors.MissingArgument(path)
    if not isinstance(value, str):
        raise errors.InvalidType(path, "string")
    return value
