"""Reading what fields hold: JSON has its types, while in CSV everything is text."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

FLAGS = {"true": True, "false": False, "1": True, "0": False}
LATEST = 253_402_300_799_999
"""The last millisecond of the year 9999."""


class Refused(Exception):
    """A line is refused; the text says why, and quotes nothing that may be secret."""


def text(fields: Mapping[str, Any], name: str) -> str | None:
    """Return a text, or None without one.

    :raises Refused: it is something else.
    """
    value = fields.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise Refused(f"{name}: wanted: a text")
    return value


def flag(fields: Mapping[str, Any], name: str) -> bool:
    """Return whether something is said to be so.

    :raises Refused: it is neither true nor false.
    """
    value = fields.get(name)
    if isinstance(value, str) and value.lower() in FLAGS:
        return FLAGS[value.lower()]
    if value is None:
        return False
    if not isinstance(value, bool):
        raise Refused(f"{name}: wanted: true or false")
    return value


def instant(fields: Mapping[str, Any], name: str) -> int | None:
    """Return an instant in ms: a number of them, or a text as in ISO 8601, by default in UTC.

    :raises Refused: it is none.
    """
    value = fields.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, str) and not (value.isascii() and value.isdecimal()):
        try:
            told = datetime.fromisoformat(value)
            told = told if told.tzinfo else told.replace(tzinfo=UTC)
            value = told.timestamp() * 1000
        except (ValueError, OverflowError):
            value = None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise Refused(f"{name}: wanted: an instant, in ms or as in ISO 8601")
    if not math.isfinite(number := float(value)) or not 0 <= number <= LATEST:
        raise Refused(f"{name}: wanted: an instant between 1970 and 9999")
    return int(number)


def listed(fields: Mapping[str, Any], name: str) -> Sequence[Any]:
    """Return a list; a text is one of JSON, or holds its entries between semicolons.

    :raises Refused: it is none.
    """
    value = fields.get(name)
    if value is None:
        return []
    if isinstance(value, str) and value.lstrip().startswith("["):
        value = _json(value, name)
    elif isinstance(value, str):
        value = [part.strip() for part in value.split(";") if part.strip()]
    if not isinstance(value, list):
        raise Refused(f"{name}: wanted: a list")
    return value


def texts(fields: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Return a list of texts, each once.

    :raises Refused: it is none.
    """
    found = listed(fields, name)
    if not all(isinstance(one, str) and one for one in found):
        raise Refused(f"{name}: wanted: a list of texts")
    return tuple(dict.fromkeys(found))


def table(fields: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return an object; a text is one of JSON.

    :raises Refused: it is none.
    """
    value = fields.get(name)
    if isinstance(value, str):
        value = _json(value, name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Refused(f"{name}: wanted: an object")
    return value


def _json(value: str, name: str) -> Any:
    try:
        return json.loads(value, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise Refused(f"{name}: is no JSON") from None


def _refuse(_: str) -> Any:
    raise ValueError("not in JSON")
