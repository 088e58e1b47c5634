"""Reading the files that the Kuzzle CLI exports: roles, profiles and users."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from ostiary import body, errors

KINDS = ("roles", "profiles", "users")
ELSEWHERE = ("usersMappings", "mappings", "documents")
"""What the Kuzzle CLI exports besides: how documents are indexed, and documents."""


class ExportError(Exception):
    """A file is not what the Kuzzle CLI writes; the text says which, and where in it."""


@dataclass(frozen=True, slots=True)
class Item:
    """One role, profile or user.

    :param place: the file, and where in it, for messages.
    :param body: what the API is told to make it.
    """

    id: str
    place: str
    body: Mapping[str, Any] = field(repr=False)


@dataclass(slots=True)
class Exports:
    """What some files hold together, by kind and id.

    :param left_out: files that hold nothing for this server.
    """

    items: dict[str, dict[str, Item]] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    left_out: list[Path] = field(default_factory=list)


def read_exports(paths: Iterable[Path]) -> Exports:
    """Read files, and the ``.json`` files in folders, in whatever order.

    :raises ExportError: one of them is broken; nothing of the others is any use then.
    """
    exports = Exports()
    for path in _files(paths):
        kind, content = _read_file(path)
        if kind in ELSEWHERE:
            exports.left_out.append(path)
            continue
        known = exports.items[kind]
        for id, entry in content.items():
            place = f"{path}: content.{id}"
            if id in known:
                raise ExportError(f"{place}: stands in {known[id].place} too")
            known[id] = _read_item(kind, id, entry, place)
    return exports


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(path.rglob("*.json"))
        else:
            yield path


def _read_file(path: Path) -> tuple[str, dict[str, Any]]:
    """Return what a file says it holds, and that."""
    try:
        text = path.read_text(encoding="utf-8")
        dump = json.loads(text, object_pairs_hook=body.unique, parse_constant=_refuse_constant)
    except OSError as error:
        raise ExportError(f"{path}: {error.strerror}") from None
    except RecursionError:
        raise ExportError(f"{path}: it is nested too deep") from None
    except (ValueError, errors.OstiaryError) as error:
        raise ExportError(f"{path}: {error}") from None
    if not isinstance(dump, dict) or dump.get("type") not in (*KINDS, *ELSEWHERE):
        wanted = ", ".join(map(repr, KINDS))
        raise ExportError(f"{path}: type: wanted one of {wanted}: is this an export of Kuzzle's?")
    content = dump.get("content")
    if not isinstance(content, dict):
        raise ExportError(f"{path}: content: wanted an object, by ids")
    return dump["type"], content


def _read_item(kind: str, id: str, entry: Any, place: str) -> Item:
    if not isinstance(entry, dict):
        raise ExportError(f"{place}: wanted an object")
    try:
        # What a request could not say is no content of a role, a profile or a user.
        body.decode(json.dumps({id: entry}))
    except (ValueError, errors.OstiaryError) as error:
        raise ExportError(f"{place}: {error}") from None
    return Item(id, place, _user(entry) if kind == "users" else entry)


def _user(entry: dict[str, Any]) -> dict[str, Any]:
    """Return a user as ``security:createUser`` takes it; old exports know no credentials."""
    if "profileIds" not in entry and isinstance(entry.get("content"), dict):
        return entry
    return {"content": entry}


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
