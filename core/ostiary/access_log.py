"""The access log: a line for each HTTP request, in which nothing is secret and nothing forged.

A line reads: verb, path, status, bytes of the answer, milliseconds, address, action, kuid, id of
the request. Each stands for itself: none can hold a space.
"""

from __future__ import annotations

import logging
import re
from time import perf_counter
from urllib.parse import unquote

from ostiary.log import LONGEST, MASK, TOKEN, legible
from ostiary.request import Request

logger = logging.getLogger("ostiary.access")

NONE = "-"
HARMLESS = {
    "cookieAuth", "expiresIn", "force", "from", "global", "lang", "noRedirect", "pretty", "refresh",
    "reset", "size", "strict", "verb",
}  # fmt: skip
"""Parameters whose values are written, if they look like what they should be."""

SIMPLE = re.compile(r"[\w.-]{0,16}", re.ASCII)
NAME = re.compile(r"[\w.-]{1,32}", re.ASCII)
IN_URLS = "/:@!$&'()*+,;=?%"
"""Characters that stand for themselves beside letters, digits and ``_.-~``."""

now = perf_counter


def write(
    request: Request, verb: str, url: tuple[bytes, bytes], outcome: tuple[int, int], began: float
) -> None:
    """Write the line of a request that was answered.

    :param url: the path and the query, as they were sent.
    :param outcome: the status, and the bytes of the answer.
    """
    action = f"{request.controller}:{request.action}" if request.action else NONE
    logger.info(
        "%s %s %d %d %.1fms %s %s %s %s",
        legible(verb),
        _masked(*url),
        *outcome,
        (now() - began) * 1000,
        legible(request.connection.address),
        legible(action),
        legible(request.kuid),
        request.id,
    )


def _masked(path: bytes, query: bytes) -> str:
    """Return a URL without the values of its query, and without what looks like a token."""
    url = path.decode("latin-1")
    # A token may be written with escapes, which the server reads.
    if TOKEN.search(decoded := unquote(url, "latin-1")):
        url = TOKEN.sub(MASK, decoded)
    if query:
        url += "?" + "&".join(map(_parameter, query[:LONGEST].decode("latin-1").split("&")))
    return legible(url, IN_URLS, "latin-1")


def _parameter(given: str) -> str:
    name, equals, value = given.partition("=")
    known = name in HARMLESS
    if not known and (not equals or not NAME.fullmatch(name) or TOKEN.match(name)):
        name = MASK
    shown = value if known and SIMPLE.fullmatch(value) else MASK
    return f"{name}={shown}" if equals else name
