"""The wire types: what an argument may look like, and how each reads a value.

HTTP has texts only, so some types read texts there that a WebSocket message
must send as JSON values (contract, 2.3).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NewType

from msgspec import Struct

from ostiary import body, durations, errors

Duration = NewType("Duration", int)
"""Milliseconds; -1 is without end. Written as a number, its text, or a text such as ``2h``."""

Ids = NewType("Ids", list[str])
"""Ids, written as a list, as its JSON text, or as a text with commas between them."""

JSON_SAFE = 2**53 - 1
LONGEST_NUMBER = 32

Read = Callable[[str, Any, bool], Any]


class WireType(Struct, frozen=True):
    """How a value is read, and how OpenAPI describes it.

    :param read: called with the argument's name, the value, and whether it came over HTTP.
    :param blank: values that count as absent.
    :param raises: the errors that reading can end with.
    """

    read: Read
    schema: dict[str, Any]
    blank: tuple[Any, ...] = ()
    raises: tuple[type[errors.OstiaryError], ...] = (errors.InvalidType,)


def read_flag(name: str, value: Any, http: bool) -> bool:
    """Over HTTP a flag is true as soon as it is there, whatever its value."""
    if http:
        return True
    if value is None:
        return False
    if not isinstance(value, bool):
        raise errors.InvalidType(name, "boolean")
    return value


def read_integer(name: str, value: Any, _http: bool) -> int:
    """Read a number, or a text that holds one, without a fraction."""
    number = value
    if isinstance(value, str) and len(value) <= LONGEST_NUMBER:
        try:
            number = float(value)
        except ValueError:
            raise errors.InvalidType(name, "integer") from None
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise errors.InvalidType(name, "integer")
    if not math.isfinite(number) or abs(number) > JSON_SAFE or number != int(number):
        raise errors.InvalidType(name, "integer")
    return int(number)


def read_text(name: str, value: Any, _http: bool) -> str:
    """Read a text."""
    if not isinstance(value, str):
        raise errors.InvalidType(name, "string")
    return value


def read_list(name: str, value: Any, http: bool) -> list[Any]:
    """Read a list, or over HTTP the JSON text of one."""
    value = _from_json(name, "array", value, http)
    if not isinstance(value, list):
        raise errors.InvalidType(name, "array")
    return value


def read_object(name: str, value: Any, http: bool) -> dict[str, Any]:
    """Read an object, or over HTTP the JSON text of one."""
    value = _from_json(name, "object", value, http)
    if not isinstance(value, dict):
        raise errors.InvalidType(name, "object")
    return value


def read_ids(name: str, value: Any, _http: bool) -> Ids:
    """Read a list of texts, its JSON text, or a text with commas between ids."""
    if isinstance(value, str):
        listed = value.startswith("[")
        value = _from_json(name, "array", value, http=True) if listed else value.split(",")
    if not isinstance(value, list) or not all(isinstance(id, str) for id in value):
        raise errors.InvalidType(name, "array of strings")
    return Ids(value)


def read_duration(name: str, value: Any, _http: bool) -> Duration:
    """Read milliseconds, or a text such as ``2h``; -1 is without end."""
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            return Duration(durations.duration(value))
        except ValueError:
            pass
    raise errors.InvalidArgument(name, "a number of milliseconds, or a timespan such as 2h")


def read_anything(_name: str, value: Any, _http: bool) -> Any:
    """Take the value as it is."""
    return value


WIRE_TYPES: dict[Any, WireType] = {
    bool: WireType(read_flag, {"type": "boolean"}),
    int: WireType(read_integer, {"type": "integer"}),
    str: WireType(read_text, {"type": "string"}),
    list: WireType(read_list, {"type": "array", "items": {}}),
    dict: WireType(read_object, {"type": "object"}),
    Duration: WireType(
        read_duration,
        {"type": ["string", "integer"], "examples": ["2h", 7200000]},
        blank=(None, ""),
        raises=(errors.InvalidArgument,),
    ),
    Ids: WireType(read_ids, {"type": ["array", "string"], "items": {"type": "string"}}),
    Any: WireType(read_anything, {}, raises=()),
}


def _from_json(name: str, wanted: str, value: Any, http: bool) -> Any:
    if not (http and isinstance(value, str)):
        return value
    try:
        return body.decode(value)
    except ValueError:
        raise errors.InvalidType(name, wanted) from None
