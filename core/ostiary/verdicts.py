"""What hooks answer, held against what they may answer, before anything of it is used.

Each check returns a copy made of plain values: what a plugin keeps in its hands, or has
overridden, changes nothing any more.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

from ostiary import errors
from ostiary.fields import CredentialField
from ostiary.strategies import Challenge, FoundCredentials, Newcomer, Redirect, Verdict, Verified

T = TypeVar("T")

LARGEST = 2**20
"""Bytes of JSON that a hook may answer with."""

LONGEST_KUID, LONGEST_NAME, LONGEST_URL = 512, 512, 8192
LONGEST_LIFETIME = 600_000
"""Milliseconds: ten minutes."""

HANDLE = re.compile(r"[A-Za-z0-9_-]{43}")
"""256 bits in base64url, without padding."""

SCRIPTS = ("javascript:", "data:", "vbscript:")
"""Where a client that follows a redirection by script would run what stands in it."""


class _WrongAnswer(Exception):
    """A value is not what it has to be."""


def verdict_of(name: str, verdict: Any) -> Verdict:
    """Return a verdict.

    :raises errors.InvalidVerdict: it is none, or something in it cannot be.
    :raises errors.InvalidKuid: what it says of a user cannot be the kuid of one.
    """
    try:
        match verdict:
            case Verified():
                kuid = _kuid(name, verdict.kuid)
                return Verified(kuid, _optional(_texts, verdict.profiles), _name(verdict.session))
            case Newcomer():
                credentials, content = _mapping(verdict.credentials), _mapping(verdict.content)
                if "profileIds" in content:
                    _texts(content["profileIds"])
                return Newcomer(credentials, content, _name(verdict.session))
            case Redirect():
                state = _optional(_mapping, verdict.state)
                location, lifetime = _location(verdict.location), _lifetime(verdict.lifetime)
                return Redirect(location, state, lifetime, _optional(_handle, verdict.handle))
            case Challenge():
                question, state = _mapping(verdict.question), _mapping(verdict.state)
                fields, lifetime = _fields(verdict.fields), _lifetime(verdict.lifetime)
                return Challenge(fields, question, state, lifetime)
    except _WrongAnswer:
        raise errors.InvalidVerdict(name) from None
    raise errors.InvalidVerdict(name)


def link_of(name: str, answer: Any) -> Challenge | Redirect | dict[str, Any]:
    """Return what a hook that links credentials asks for next, or the fields that are proved.

    :raises errors.InvalidVerdict: it is neither, or something in it cannot be.
    """
    if isinstance(answer, Challenge | Redirect):
        step = verdict_of(name, answer)
        assert isinstance(step, Challenge | Redirect)
        return step
    try:
        return _mapping(answer)
    except _WrongAnswer:
        raise errors.InvalidVerdict(name) from None


def kuid_of(owner: str, kuid: Any) -> str | None:
    """Return whom a plugin names, or None.

    :raises errors.InvalidKuid: it can be the kuid of nobody.
    """
    return None if kuid is None else _kuid(owner, kuid)


def view_of(name: str, seen: Any) -> dict[str, Any]:
    """Return what may be seen of some credentials.

    :raises errors.PluginUnexpectedError: it is no object, or cannot be sent as JSON.
    """
    try:
        return _mapping(seen)
    except _WrongAnswer:
        raise errors.PluginUnexpectedError(f"strategy {name} showed no credentials") from None


def found_of(name: str, found: Any, limit: int) -> FoundCredentials:
    """Return a page of credentials.

    :raises errors.PluginUnexpectedError: it is none, or larger than it was to be.
    :raises errors.InvalidKuid: some are of nobody.
    """
    if not isinstance(found, FoundCredentials):
        raise errors.PluginUnexpectedError(f"strategy {name} found no credentials")
    hits = [view_of(name, hit) for _, hit in zip(range(limit + 1), found.hits, strict=False)]
    for hit in hits:
        _kuid(name, hit.get("kuid"))
    if len(hits) > limit or not _is_whole(found.total, 0, 2**53):
        raise errors.PluginUnexpectedError(f"strategy {name} found more than it was asked for")
    return FoundCredentials(hits, found.total)


def _kuid(name: str, kuid: Any) -> str:
    if not _is_text(kuid, LONGEST_KUID):
        raise errors.InvalidKuid(name, type(kuid).__name__)
    return str.__str__(kuid)


def _name(name: Any) -> str | None:
    if name is None:
        return None
    if not _is_text(name, LONGEST_NAME):
        raise _WrongAnswer
    return str.__str__(name)


def _texts(texts: Any) -> tuple[str, ...]:
    if not isinstance(texts, list | tuple) or not all(_is_text(one, LONGEST_NAME) for one in texts):
        raise _WrongAnswer
    return tuple(str.__str__(one) for one in texts)


def _fields(fields: Any) -> tuple[CredentialField | str, ...]:
    if not isinstance(fields, list | tuple):
        raise _WrongAnswer
    for one in fields:
        if not _is_text(one.name if isinstance(one, CredentialField) else one, LONGEST_NAME):
            raise _WrongAnswer
    return tuple(fields)


def _location(location: Any) -> str:
    """Return where a client is sent: printable ASCII (RFC 3986), so that it fits into a header."""
    if not _is_text(location, LONGEST_URL):
        raise _WrongAnswer
    text = str.__str__(location)
    if not text.isascii() or not text.isprintable() or " " in text:
        raise _WrongAnswer
    if text.lower().startswith(SCRIPTS):
        raise _WrongAnswer
    return text


def _handle(handle: Any) -> str:
    """Return what a client comes back with: as long and as plain as those of the server."""
    if not _is_text(handle, LONGEST_NAME) or not HANDLE.fullmatch(handle):
        raise _WrongAnswer
    return str.__str__(handle)


def _lifetime(lifetime: Any) -> int:
    if not _is_whole(lifetime, 1, LONGEST_LIFETIME):
        raise _WrongAnswer
    return int(lifetime)


def _mapping(value: Any) -> dict[str, Any]:
    """Return an object as JSON has it."""
    if not isinstance(value, Mapping):
        raise _WrongAnswer
    try:
        text = msgspec.json.encode(dict(value), enc_hook=_as_mapping)
        plain = None if len(text) > LARGEST else msgspec.json.decode(text)
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError):
        raise _WrongAnswer from None
    if not isinstance(plain, dict):
        raise _WrongAnswer
    return plain


def _as_mapping(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError("JSON has no such value")


def _optional(check: Callable[[Any], T], value: Any) -> T | None:
    return None if value is None else check(value)


def _is_text(text: Any, most: int) -> bool:
    """Tell whether something is a text that every database keeps."""
    if not isinstance(text, str) or not text or "\0" in text:
        return False
    try:
        return len(str.encode(text)) <= most
    except UnicodeEncodeError:
        return False


def _is_whole(number: Any, least: int, most: int) -> bool:
    return type(number) is int and least <= number <= most
