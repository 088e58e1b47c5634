"""Content encodings, both ways: what clients compressed is inflated, answers are compressed.

Large ones are worked on in steps, between which the process serves others.
"""

from __future__ import annotations

import asyncio
import re
import zlib
from functools import lru_cache
from typing import Literal

from ostiary import errors

MOST_LAYERS = 3
IN_STEP, OUT_STEP = 2**14, 2**18
"""Bytes that are taken, and bytes that are made of them at most, before others have a turn."""

GZIP, ZLIB, RAW = 31, 15, -15
"""How zlib writes these formats; the number holds the size of the window as well."""

Coding = Literal["gzip", "deflate"]
FORMATS: dict[Coding, int] = {"gzip": GZIP, "deflate": ZLIB}

SMALL = 2**11
SMALL_WINDOW, SMALL_MEMORY = 4, 4
"""Making room for a large window takes longer than to compress a small answer."""

QUALITY = re.compile(r"q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)", re.IGNORECASE)
LONGEST = 200
"""Characters of ``Accept-Encoding`` that are looked at; browsers send some twenty."""


async def inflate(header: bytes, raw: bytes, largest: int) -> bytes:
    """Return a body without the encodings that its header names, the last one taken off first.

    :raises errors.TooManyEncodings: there are more than three.
    :raises errors.UnsupportedCompression: one is unknown.
    :raises errors.RequestTooLarge: it grows beyond what a request may be; no more is inflated.
    :raises errors.HttpError: it is damaged, or not complete.
    """
    names = [name.strip().lower() for name in header.decode("latin-1").split(",")]
    if len(names) > MOST_LAYERS:
        raise errors.TooManyEncodings
    for name in names:
        if name not in ("gzip", "x-gzip", "deflate", "identity", ""):
            raise errors.UnsupportedCompression(name)
    for name in reversed(names):
        if name not in ("identity", ""):
            raw = await _inflated(raw, _format(name, raw), largest)
    return raw


async def deflate(content: bytes, coding: Coding) -> bytes:
    """Return a content in an encoding."""
    # One answer seldom leaves twice: the fastest level it is.
    if len(content) <= SMALL:
        form = FORMATS[coding] - SMALL_WINDOW
        maker = zlib.compressobj(1, zlib.DEFLATED, form, SMALL_MEMORY)
        return maker.compress(content) + maker.flush()
    maker = zlib.compressobj(1, zlib.DEFLATED, FORMATS[coding])
    pieces = []
    for start in range(0, len(content), OUT_STEP):
        if start:
            await asyncio.sleep(0)
        pieces.append(maker.compress(content[start : start + OUT_STEP]))
    return b"".join((*pieces, maker.flush()))


def choose(header: bytes) -> Coding | None:
    """Return the encoding that an ``Accept-Encoding`` asks for; None leaves the answer as it is."""
    return _chosen(header) if len(header) <= LONGEST else None


@lru_cache(maxsize=64)
def _chosen(header: bytes) -> Coding | None:
    weights: dict[str, float] = {}
    for entry in header.decode("latin-1").lower().split(","):
        name, _, parameter = entry.partition(";")
        weights[name.strip()] = _weight(parameter.strip())
    rest = weights.get("*", 0.0)
    gzip = weights.get("gzip", weights.get("x-gzip", rest))
    deflated = weights.get("deflate", rest)
    best = max(gzip, deflated)
    if not best or best < weights.get("identity", 0.0):
        return None
    return "gzip" if gzip == best else "deflate"


def _weight(parameter: str) -> float:
    if not parameter:
        return 1.0
    written = QUALITY.fullmatch(parameter)
    return float(written[1]) if written else 0.0


def _format(name: str, raw: bytes) -> int:
    if name != "deflate":
        return GZIP
    # "deflate" is zlib's format; some clients leave its head away (RFC 9110, 8.4.1.2).
    headed = len(raw) > 1 and raw[0] & 15 == zlib.DEFLATED and (raw[0] << 8 | raw[1]) % 31 == 0
    return ZLIB if headed else RAW


async def _inflated(raw: bytes, form: int, largest: int) -> bytes:
    reader = zlib.decompressobj(form)
    pieces: list[bytes] = []
    size = 0
    # The last step, which brings nothing, gets what the reader may still hold.
    for start in range(0, len(raw) + IN_STEP, IN_STEP):
        given = raw[start : start + IN_STEP]
        while given or not reader.eof:
            if reader.eof:
                raise errors.HttpError("bytes follow the end of the compressed body")
            if pieces:
                await asyncio.sleep(0)
            try:
                pieces.append(reader.decompress(given, OUT_STEP))
            except zlib.error:
                raise errors.HttpError("the compressed body is damaged") from None
            size += len(pieces[-1])
            if size > largest:
                raise errors.RequestTooLarge
            given = reader.unused_data or reader.unconsumed_tail
            if not given:
                break
    if not reader.eof:
        raise errors.HttpError("the compressed body is not complete")
    return b"".join(pieces)
