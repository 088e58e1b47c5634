"""What roles and profiles hold, as lines that people edit; whatever stands in a name, it comes back.

A name that a plain line cannot hold, such as one with a colon, is written as JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from ostiary import errors
from ostiary.body import decode
from ostiary.pages.languages import mark
from ostiary.pages.problems import Mistaken

Entry = tuple[str, str, bool]
"""A controller, an action, and whether a role grants it; ``*`` is a wildcard."""

Restriction = dict[str, Any]

NO_ENTRY = mark(
    'Line "{0}" names no action: write controller:action, or !controller:action to keep it from a wildcard.'
)
NO_PLACE = mark('Line "{0}" names no index: write index, or index: collection, collection.')


def entries_of(text: str) -> list[Entry]:
    """Return the entries of a role that some lines hold.

    :raises Mistaken: one of them holds none.
    """
    return [_entry(line) for line in _lines(text)]


def entry_lines(entries: Iterable[Entry]) -> str:
    """Return entries of a role as lines."""
    return "\n".join(
        _plain_or_json(f"{'' if granted else '!'}{controller}:{action}", _entry, one)
        for one in entries
        for controller, action, granted in [one]
    )


def restrictions_of(text: str) -> list[Restriction]:
    """Return the restrictions of a policy that some lines hold.

    :raises Mistaken: one of them holds none.
    """
    return [_restriction(line) for line in _lines(text)]


def restriction_lines(restrictions: Iterable[Restriction]) -> str:
    """Return the restrictions of a policy as lines."""
    return "\n".join(
        _plain_or_json(_places(one["index"], one.get("collections")), _restriction, one)
        for one in restrictions
    )


def _entry(line: str) -> Entry:
    if line.startswith("["):
        found = _decoded(line, list[Any], NO_ENTRY)
        match found:
            case [str(controller), str(action), bool(granted)]:
                return controller, action, granted
        raise Mistaken(NO_ENTRY, line)
    controller, colon, action = line.removeprefix("!").rpartition(":")
    if not colon or not controller.strip() or not action.strip():
        raise Mistaken(NO_ENTRY, line)
    return controller.strip(), action.strip(), not line.startswith("!")


def _restriction(line: str) -> Restriction:
    if line.startswith("{"):
        place: Restriction = _decoded(line, dict[str, Any], NO_PLACE)
        return place
    index, colon, names = line.partition(":")
    if not index.strip():
        raise Mistaken(NO_PLACE, line)
    if not colon:
        return {"index": index.strip()}
    collections = [name.strip() for name in names.split(",") if name.strip()]
    return {"index": index.strip(), "collections": collections}


def _places(index: str, collections: Sequence[str] | None) -> str:
    return index if collections is None else f"{index}: {', '.join(collections)}"


def _plain_or_json(plain: str, read: Callable[[str], Any], value: Any) -> str:
    """Return a line that is read as a value again."""
    try:
        # What a browser makes another end of a line of is not printable.
        if plain.isprintable() and list(_lines(plain)) == [plain] and read(plain) == value:
            return plain
    except Mistaken:
        pass
    return msgspec.json.encode(value).decode()


def _lines(text: str) -> Iterable[str]:
    # Not splitlines(): names may hold what that takes for the end of a line.
    return (line for part in text.split("\n") if (line := part.strip()))


def _decoded(line: str, kind: Any, text: str) -> Any:
    try:
        return msgspec.convert(decode(line), kind)
    except (ValueError, msgspec.MsgspecError, errors.OstiaryError):
        raise Mistaken(text, line) from None
