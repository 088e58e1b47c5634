"""Logging: one line an event, no secret, no line that a client forged."""

from __future__ import annotations

import atexit
import logging
import os
import re
import sys
import time
import traceback
from queue import SimpleQueue
from select import select
from threading import Thread
from urllib.parse import quote

LONGEST = 300
"""Characters of a text of a client that are written."""

MOST_FRAMES = 30
"""Places of an exception that are written, the innermost first: recursion has thousands."""

TOKEN = re.compile(r"k(?:auth|apikey)-[^/]*", re.IGNORECASE)
MASK = "***"
"""What stands for what looks like a token, wherever a client has put it (LEAK-05)."""

FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"

MOST_WAITING = 10_000
"""Lines that wait to be written before others are lost: some two MB."""

LAST_LINES = 2.0
"""Seconds in which what waits to be written is written when the process ends."""

LOST = "%d lines of the log are lost: they were not taken in time, or there was no room for them"


class OneLine(logging.Formatter):
    """Writes control characters as escapes, so that one event stays one line (CWE-117)."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of an event."""
        return printable(super().format(record))


class Behind(logging.Handler):
    """Writes lines in a thread of its own: a pipe that nobody empties holds up no request.

    Lines that find too many others waiting are lost, and counted.

    :param descriptor: the open file to write to.
    """

    def __init__(self, descriptor: int, most: int = MOST_WAITING) -> None:
        super().__init__()
        self._descriptor, self._most = descriptor, most
        self._lines: SimpleQueue[bytes] = SimpleQueue()
        self._lost = self._taken = self._done = 0
        Thread(target=self._write_all, name="log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Have a line written, unless too many wait."""
        if self._lines.qsize() >= self._most:
            self._lost += 1
            return
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001 - as every handler of the standard library does
            self.handleError(record)
            return
        # A line is under way from before it can be taken until it is written.
        self._taken += 1
        self._lines.put(f"{line}\n".encode(errors="backslashreplace"))

    def finish(self, seconds: float = LAST_LINES) -> None:
        """Wait until all is written, for so long at most."""
        deadline = time.monotonic() + seconds
        while self._done < self._taken and time.monotonic() < deadline:
            time.sleep(0.005)

    def _write_all(self) -> None:
        while True:
            if not self._write(self._lines.get()):
                self._lost += 1
            elif self._lost and self._lines.qsize() < self._most // 2:
                self._tell_lost()
            self._done += 1

    def _tell_lost(self) -> None:
        lost, self._lost = self._lost, 0
        record = logging.LogRecord(__name__, logging.WARNING, "", 0, LOST, (lost,), None)
        if not self._write(f"{self.format(record)}\n".encode()):
            self._lost += lost

    def _write(self, line: bytes) -> bool:
        """Write a line, however long that takes; tell whether that can be done at all."""
        while line:
            try:
                line = line[os.write(self._descriptor, line) :]
            except BlockingIOError:
                select([], [self._descriptor], [])
            except OSError:
                # The reader of the pipe has gone, or the disk is full.
                return False
        return True


def set_up(level: str, *, behind: bool = False) -> None:
    """Log to standard error from a level on.

    :param behind: what is written waits, and not who writes it.
    """
    handler: logging.Handler = logging.StreamHandler()
    if behind:
        handler = Behind(sys.stderr.fileno())
        atexit.register(handler.finish)
    handler.setFormatter(OneLine(FORMAT))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # What no line tells need not be found out for each.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    # It tells every step; what was upgraded is told by us.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    # Below this level it tells what WebSocket frames say, passwords included.
    server = logging.getLogger("uvicorn.error")
    server.setLevel(max(logging.INFO, logging.getLogger().level))
    server.addFilter(_names_no_url)


def finish() -> None:
    """Have written what waits, before the process is left at once."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, Behind):
            handler.finish()


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
