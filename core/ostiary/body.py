"""Reading what clients send as JSON: strict, bounded, and storable by every database."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from ostiary import errors

DEEPEST = 64
"""Levels of nesting that a request may have."""

MOST_CONTAINERS = 50_000
"""Lists and objects that a request may hold: each costs much more than its bytes."""

DECODER = msgspec.json.Decoder()
STRING = re.compile(rb'"[^"]*(?:"|\Z)')
"""A string of a JSON text without escapes. One that does not end reaches to the end of the text:
were it none, each quote in it would be tried as the beginning of one."""

NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def decode(raw: bytes | str) -> Any:
    """Return the value of a JSON text.

    :raises ValueError: it is no JSON (RFC 8259), not UTF-8, holds half a surrogate pair, or a
        number that has no value.
    :raises errors.UnacceptableText: a text in it holds NUL.
    :raises errors.TooDeep: it is nested too deep.
    :raises errors.TooManyValues: it holds too many lists and objects.
    """
    text = raw if isinstance(raw, bytes) else raw.encode(errors="surrogatepass")
    # Most texts are one flat object without escapes, and one look each tells so.
    nested = text.rfind(b"{") > 0 or text.find(b"[") >= 0
    if nested and text.count(b"[") + text.count(b"{") > MOST_CONTAINERS:
        _check_number(text)
    try:
        value = DECODER.decode(raw)
    except RecursionError:
        raise errors.TooDeep(DEEPEST) from None
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise ValueError("it is not JSON") from error
    if nested:
        _check_depth(text)
    if text.find(b"\\") >= 0 and NUL.search(text):
        raise errors.UnacceptableText
    return value


def refuse_duplicates(raw: bytes | str) -> None:
    """Refuse a JSON text in which a key stands twice in one object (ASVS 1.5.3)."""
    json.loads(raw, object_pairs_hook=unique)


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the members of an object, as a hook of ``json``.

    :raises errors.DuplicateKey: two have the same key.
    """
    fields = dict(pairs)
    if len(fields) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise errors.DuplicateKey(key)
            seen.add(key)
    return fields


def acceptable(text: str) -> bool:
    """Tell whether every database can hold a text: no NUL, no lone surrogate."""
    if "\x00" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _brackets(text: bytes) -> bytes:
    """Return the brackets of a JSON text, those in its strings left out."""
    plain = text.replace(rb"\\", b"").replace(rb"\"", b"")
    return STRING.sub(b"", plain).translate(None, delete=NO_BRACKETS)


def _check_number(text: bytes) -> None:
    if len(_brackets(text)) > 2 * MOST_CONTAINERS:
        raise errors.TooManyValues(MOST_CONTAINERS)


def _check_depth(text: bytes) -> None:
    """Refuse a JSON text that is nested too deep, without a step of Python for each member."""
    if text.count(b"[") + text.count(b"{") <= DEEPEST:
        return
    brackets = _brackets(text)
    for _ in range(DEEPEST):
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
        if not brackets:
            return
    raise errors.TooDeep(DEEPEST)
