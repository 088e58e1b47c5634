"""Logging: one line an event, no secret, no line that a client forged."""

from __future__ import annotations

import logging
import re
import traceback
from urllib.parse import quote

LONGEST = 300
"""Characters of a text of a client that are written."""

MOST_FRAMES = 30
"""Places of an exception that are written, the innermost first: recursion has thousands."""

TOKEN = re.compile(r"k(?:auth|apikey)-[^/]*", re.IGNORECASE)
MASK = "***"
"""What stands for what looks like a token, wherever a client has put it (LEAK-05)."""

FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"


class OneLine(logging.Formatter):
    """Writes control characters as escapes, so that one event stays one line (CWE-117)."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of an event."""
        return printable(super().format(record))


def set_up(level: str) -> None:
    """Log to standard error from a level on."""
    handler = logging.StreamHandler()
    handler.setFormatter(OneLine(FORMAT))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # It tells every step; what was upgraded is told by us.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    # Below this level it tells what WebSocket frames say, passwords included.
    server = logging.getLogger("uvicorn.error")
    server.setLevel(max(logging.INFO, logging.getLogger().level))
    server.addFilter(_names_no_url)


def _names_no_url(record: logging.LogRecord) -> bool:
    """Drop the lines on who opened which URL: a client may put a token there (LEAK-05)."""
    return '"WebSocket %s"' not in str(record.msg)


def origin(error: BaseException) -> str:
    """Return where an exception comes from, without its text, which may quote what was sent."""
    frames = traceback.extract_tb(error.__traceback__, limit=-MOST_FRAMES)
    places = (f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames)
    return f"{type(error).__qualname__} at " + " < ".join(reversed(list(places)))


def printable(text: str) -> str:
    """Return a text that cannot forge a line, nor tell a terminal what to do."""
    return text.translate(_ESCAPES)


def sanitized(text: str) -> str:
    """Return a text of a client as it may be kept: short, storable, and no token."""
    short = TOKEN.sub(MASK, text[:LONGEST])
    return printable(short.encode(errors="backslashreplace").decode())


def legible(text: str, safe: str = "/:@[]", encoding: str = "utf-8") -> str:
    """Return a text of a client as one word of a line: short, and without a space.

    :param safe: what stands for itself beside letters, digits and ``_.-~``.
    """
    short = text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
    short = TOKEN.sub(MASK, short)
    return quote(short, safe=f"{safe}*", encoding=encoding, errors="replace") or "-"


_ESCAPES = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029)}
