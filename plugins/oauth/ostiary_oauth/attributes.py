"""What is kept of a profile: chosen, renamed, and small enough for any database and any JSON.

A path names a value as Kuzzle does: ``picture.data.url``, ``emails[0].value``. A member whose name
has dots itself, such as a claim that is a URL, is named by just that name.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any, Final

from ostiary_oauth import errors
from ostiary_oauth.provider import Provider

RESERVED = frozenset({"_id", "kuid", "identities", "_proved"})
"""What the server says of an account, and no attribute does."""

LARGEST = 32_768
"""Bytes of JSON that the attributes of an account may take."""

LONGEST_TEXT, LONGEST_NAME, DEEPEST = 8_192, 256, 16
LAST_INDEX = 999
LARGEST_INTEGER = 2**63

STEP = re.compile(r"(?P<name>[^.\[\]]+)|\[(?P<index>\d{1,9})\]")

Path = tuple[str | int, ...]


class _Missing:
    """Stands for a value that is not there."""


MISSING: Final = _Missing()


class _Unfit(Exception):
    """A value cannot be kept."""


def value_at(claims: Mapping[str, Any], path: str) -> Any:
    """Return what a path names in a profile; ``MISSING`` if there is nothing."""
    if path in claims:
        return claims[path]
    steps = steps_of(path)
    value: Any = claims if steps else MISSING
    for step in steps:
        if isinstance(step, int):
            if not isinstance(value, list) or step >= len(value):
                return MISSING
            value = value[step]
        elif isinstance(value, Mapping) and step in value:
            value = value[step]
        else:
            return MISSING
    return value


def steps_of(path: str) -> Path:
    """Return the steps of a path: names of members, and indexes of lists."""
    return tuple(
        found["name"] if found["index"] is None else int(found["index"])
        for found in STEP.finditer(path)
    )


def kept(provider: Provider, claims: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is kept of a profile, under the names that it is kept by.

    What cannot be kept is left out, and no login fails for it: a value that is too large, or that
    JSON or a database does not have.
    """
    attributes: dict[str, Any] = {}
    for path in provider.persist:
        value = value_at(claims, path)
        if value is MISSING:
            continue
        try:
            # A copy: what does not fit goes without a trace.
            grown = _with(attributes, stored_path(provider, claims, path), _clean(value))
        except _Unfit:
            continue
        if size(grown) <= LARGEST:
            attributes = grown
    return attributes


def refreshed(
    provider: Provider, claims: Mapping[str, Any], held: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the attributes of an account after another login.

    What the provider says takes the place of what it said before; what it does not say any more
    goes, and what an administrator has added under other names stays.
    """
    new = kept(provider, claims)
    managed = {stored_path(provider, claims, path)[0] for path in provider.persist}
    grown = {name: value for name, value in held.items() if name not in managed} | new
    return grown if size(grown) <= LARGEST else new


def stored_path(provider: Provider, claims: Mapping[str, Any], path: str) -> Path:
    """Return where a value is kept that a path names in a profile."""
    mapped = provider.mapping.get(path)
    if mapped is not None:
        return steps_of(mapped)
    return (path,) if path in claims else steps_of(path)


def given(credentials: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes that an administrator gives an account.

    :raises errors.InvalidAttribute: one cannot be kept.
    """
    attributes = {}
    for name, value in credentials.items():
        if name in RESERVED:
            raise errors.InvalidAttribute(name)
        try:
            attributes[_name(name)] = _clean(value)
        except _Unfit:
            raise errors.InvalidAttribute(name if name.isprintable() else "?") from None
    check_size(attributes)
    return attributes


def merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes with others merged into them, object by object."""
    result = dict(old)
    for name, value in new.items():
        held = result.get(name)
        both = isinstance(held, Mapping) and isinstance(value, Mapping)
        result[name] = merged(held, value) if both else value  # type: ignore[arg-type]
    return result


def check_size(attributes: Mapping[str, Any]) -> None:
    """Refuse more attributes than are kept.

    :raises errors.TooManyAttributes: they take more than ``LARGEST``.
    """
    if size(attributes) > LARGEST:
        raise errors.TooManyAttributes(LARGEST)


def size(attributes: Mapping[str, Any]) -> int:
    """Return the bytes that attributes take in the store."""
    return len(written(attributes))


def written(attributes: Mapping[str, Any]) -> str:
    """Return attributes as they stand in the store: JSON, in ASCII."""
    return json.dumps(attributes, separators=(",", ":"), allow_nan=False)


def _with(attributes: Mapping[str, Any], path: Path, value: Any) -> dict[str, Any]:
    """Return attributes with a value at a path; what stands in its way there gives way.

    :raises _Unfit: nothing can be kept there.
    """
    if not path or isinstance(path[0], int) or path[0] in RESERVED or len(path) > DEEPEST:
        raise _Unfit
    grown: Any = _placed(attributes, path, value)
    assert isinstance(grown, dict)
    return grown


def _placed(where: Any, path: Path, value: Any) -> Any:
    """Return what stands at a place once a value is at the end of a path that goes on from it."""
    if not path:
        return value
    step, rest = path[0], path[1:]
    if isinstance(step, str):
        members = dict(where) if isinstance(where, Mapping) else {}
        members[_name(step)] = _placed(members.get(step), rest, value)
        return members
    if step > LAST_INDEX:
        raise _Unfit
    items = list(where) if isinstance(where, list) else []
    items += [None] * (step + 1 - len(items))
    items[step] = _placed(items[step], rest, value)
    return items


def _clean(value: Any, depth: int = 0) -> Any:
    """Return a value as plain JSON.

    :raises _Unfit: it is none, or goes beyond a bound.
    """
    match value:
        case None | bool():
            return value
        case str():
            return _text(value, LONGEST_TEXT)
        case int() if -LARGEST_INTEGER <= value < LARGEST_INTEGER:
            return value
        case float() if math.isfinite(value):
            return value
        case list() | tuple() if depth < DEEPEST:
            return [_clean(one, depth + 1) for one in value]
        case Mapping() if depth < DEEPEST:
            return {_name(name): _clean(one, depth + 1) for name, one in value.items()}
    raise _Unfit


def _name(name: Any) -> str:
    return _text(name, LONGEST_NAME)


def _text(text: Any, longest: int) -> str:
    """Return a text that every database and every JSON has (no NUL, no lone surrogate)."""
    if not isinstance(text, str) or len(text) > longest or "\0" in text:
        raise _Unfit
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _Unfit from None
    return text
