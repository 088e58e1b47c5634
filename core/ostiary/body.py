"""Reading what clients send as JSON: strict, bounded, and storable by every database."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from ostiary import errors

DEEPEST = 64
"""Levels of nesting that a request may have."""


def decode(raw: bytes | str) -> Any:
    """Return the value of a JSON text.

    :raises ValueError: it is no JSON (RFC 8259), not UTF-8, holds half a surrogate pair, or a
        number that has no value.
    :raises errors.UnacceptableText: a text in it holds NUL.
    :raises errors.TooDeep: it is nested too deep.
    """
    try:
        value = msgspec.json.decode(raw)
    except RecursionError:
        raise errors.TooDeep(DEEPEST) from None
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise ValueError("it is not JSON") from error
    check(raw, value)
    return value


def check(raw: bytes | str, value: Any) -> None:
    """Refuse what a JSON text may say and no database can hold."""
    # Most texts have neither an escape nor many brackets, and need no walk.
    text = raw if isinstance(raw, bytes) else raw.encode(errors="surrogatepass")
    if b"\\u" in text or b"\x00" in text or text.count(b"[") + text.count(b"{") > DEEPEST:
        _walk(value, 1)


def refuse_duplicates(raw: bytes | str) -> None:
    """Refuse a JSON text in which a key stands twice in one object (ASVS 1.5.3)."""
    json.loads(raw, object_pairs_hook=_unique)


def acceptable(text: str) -> bool:
    """Tell whether every database can hold a text: no NUL, no lone surrogate."""
    if "\x00" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _walk(value: Any, depth: int) -> None:
    if depth > DEEPEST:
        raise errors.TooDeep(DEEPEST)
    if isinstance(value, str):
        if not acceptable(value):
            raise errors.UnacceptableText
    elif isinstance(value, dict):
        for key, member in value.items():
            _walk(key, depth)
            _walk(member, depth + 1)
    elif isinstance(value, list):
        for member in value:
            _walk(member, depth + 1)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise errors.DuplicateKey(key)
            seen.add(key)
    return fields
