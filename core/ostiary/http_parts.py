"""Reading the parts of an HTTP request: framing, query string, form, content type, volatile."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

from ostiary import body, errors
from ostiary.pressure import Full, Room
from ostiary.request import FORM

MOST_PARAMETERS = 1000
JSON = "application/json"
ONLY_ONCE = (
    b"host",
    b"content-length",
    b"transfer-encoding",
    b"authorization",
    b"content-type",
    b"content-encoding",
    b"cookie",
    b"origin",
)
DRAINED = 4
"""How many times too large a body may be and still be read to its end before it is refused."""

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


def check_framing(
    version: str, raw: list[tuple[bytes, bytes]], headers: Mapping[bytes, bytes]
) -> None:
    """Refuse what two parsers could read differently (RFC 9112, 6.3 and 3.2)."""
    if len(headers) != len(raw):
        names = [name for name, _ in raw]
        for name in ONLY_ONCE:
            if names.count(name) > 1:
                raise errors.HttpError(f"header {name.decode()} stands twice")
    if b"transfer-encoding" in headers and (
        headers[b"transfer-encoding"].lower() != b"chunked" or b"content-length" in headers
    ):
        raise errors.HttpError("the length of the body is not clear")
    if b"host" not in headers and version != "1.0":
        raise errors.HttpError("header host is missing")


async def read_body(
    headers: Mapping[bytes, bytes], receive: Receive, largest: int, room: Room
) -> bytes | None:
    """Return a body as it was sent, or None if the client goes before it is complete.

    :param room: for what is kept of bodies that have not come to their end.
    :raises errors.RequestTooLarge: it is, declared or not; no more of it is kept.
    :raises errors.Overloaded: others have taken all the room.
    """
    declared = int(headers.get(b"content-length", b"0"))
    if declared > largest and (declared > largest * DRAINED or b"expect" in headers):
        raise errors.RequestTooLarge
    event = await receive()
    if not event.get("more_body", False):
        if event["type"] == "http.disconnect":
            return None
        return checked_body(event.get("body", b""), largest)
    kept = _Kept(room, largest)
    try:
        while kept.add(event.get("body", b""), more=event.get("more_body", False)):
            event = await receive()
            if event["type"] == "http.disconnect":
                return None
        return b"".join(kept.chunks)
    finally:
        room.take(-kept.held)


def checked_body(whole: bytes, largest: int) -> bytes:
    """Return a body that came in one piece.

    :raises errors.RequestTooLarge: it is.
    """
    if len(whole) > largest:
        raise errors.RequestTooLarge
    return whole


class _Kept:
    """What is kept of a body that comes in pieces."""

    def __init__(self, room: Room, largest: int) -> None:
        self._room, self._largest = room, largest
        self.chunks: list[bytes] = []
        self.held = self._size = 0

    def add(self, chunk: bytes, *, more: bool) -> bool:
        """Keep one more piece; tell whether others follow."""
        self._size += len(chunk)
        if self._size <= self._largest:
            try:
                self._room.take(len(chunk))
            except Full:
                raise errors.Overloaded(retry_after=1) from None
            self.held += len(chunk)
            self.chunks.append(chunk)
            return more
        # Who still sends does not see an answer: take a little more, and keep none of it.
        self.chunks = []
        if not more or self._size > self._largest * DRAINED:
            raise errors.RequestTooLarge
        return True


def read_query(raw: bytes) -> dict[str, Any]:
    """Return the parameters of a query string; one that stands twice is a list."""
    try:
        pairs = parse_qsl(
            raw.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MOST_PARAMETERS,
        )
    except ValueError:
        raise errors.HttpError("the query string cannot be read") from None
    return _gather(pairs)


def is_pretty(query: bytes) -> bool:
    """Tell whether a query string asks for an indented answer; one that cannot be read does not."""
    return b"pretty" in query and any(
        pair.partition(b"=")[0] == b"pretty" for pair in query.split(b"&")
    )


def read_form(raw: bytes) -> dict[str, Any]:
    """Return the fields of an urlencoded body.

    :raises ValueError: it is none.
    """
    text = raw.decode("ascii")
    fields = _gather(
        parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MOST_PARAMETERS)
    )
    for name, value in fields.items():
        if not all(map(body.acceptable, (name, *(value if isinstance(value, list) else [value])))):
            raise errors.UnacceptableText
    return fields


def _gather(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, value in pairs:
        if name not in fields:
            fields[name] = value
        elif isinstance(fields[name], list):
            fields[name].append(value)
        else:
            fields[name] = [fields[name], value]
    return fields


@lru_cache(maxsize=64)
def content_type(header: bytes) -> str:
    """Return which of the accepted types a header names.

    :raises errors.UnsupportedContent: none of them.
    :raises errors.UnsupportedCharset: a charset that is not UTF-8.
    """
    kind, *parameters = (part.strip() for part in header.decode("latin-1").split(";"))
    if kind.lower() not in (JSON, FORM):
        raise errors.UnsupportedContent(kind)
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        charset = value.strip('" ').lower()
        if name.strip().lower() == "charset" and charset not in ("utf-8", "utf8"):
            raise errors.UnsupportedCharset(charset)
    return kind.lower()


def read_volatile(raw: bytes) -> dict[str, Any]:
    """Return the object in the header ``X-Kuzzle-Volatile``."""
    try:
        volatile = body.decode(raw)
    except (ValueError, errors.OstiaryError) as error:
        raise errors.VolatileParseFailed(error) from None
    if not isinstance(volatile, dict):
        raise errors.VolatileParseFailed("it is no object")
    return volatile
