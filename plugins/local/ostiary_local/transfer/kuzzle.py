"""The documents in which Kuzzle's local strategy keeps accounts (contract, section 8)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ostiary_local.transfer.values import Refused

SECRET = "userPassword"  # noqa: S105 - the name of a field
HASH = (SECRET, "userSalt", "algorithm", "stretching", "encryption", "digest")
WITHIN = ("_source", "body")
"""Where dumps put what stands beside ``_id``: those of Elasticsearch, those of Kuzzle."""


def is_document(line: Mapping[str, Any]) -> bool:
    """Tell whether a line is such a document."""
    return SECRET in _inner(line)


def as_fields(line: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document as the fields of an account.

    The age of a password counts from the last update of the document, as it does there.

    :raises Refused: it has no id, which is the user name.
    """
    inner = _inner(line)
    username = line.get("_id", inner.get("_id"))
    if not isinstance(username, str):
        raise Refused("_id: wanted: the user name")
    history = inner.get("passwordHistory") or []
    if not isinstance(history, list):
        raise Refused("passwordHistory: wanted: a list")
    info = inner.get("_kuzzle_info")
    info = info if isinstance(info, Mapping) else {}
    return {
        "username": username,
        "kuid": inner.get("kuid"),
        "hash": _hash(inner),
        "updater": inner.get("updater"),
        "passwordSetAt": info.get("updatedAt") or info.get("createdAt"),
        "formerPasswords": [_former(one) for one in history],
    }


def _former(one: Any) -> dict[str, Any]:
    if not isinstance(one, Mapping):
        raise Refused("passwordHistory: wanted: a list of objects")
    return {
        "hash": _hash(one),
        "setAt": one.get("updatedAt"),
        "archivedAt": one.get("archivedAt"),
    }


def _hash(document: Mapping[str, Any]) -> dict[str, Any]:
    return {name: document[name] for name in HASH if name in document}


def _inner(line: Mapping[str, Any]) -> Mapping[str, Any]:
    for name in WITHIN:
        inner = line.get(name)
        if isinstance(inner, Mapping):
            return inner
    return line
