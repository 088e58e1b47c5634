"""What a plugin tells: its log, and what it prints."""

from __future__ import annotations

import contextlib
import io
import logging
import traceback
from collections.abc import Iterator


class Told(logging.Handler):
    """Keeps every message of every logger, at every level, as it would be written."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(logging.Formatter("%(name)s: %(message)s"))
        self.lines: list[str] = []
        self.printed = io.StringIO()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a message, with the trace of its exception."""
        self.lines.append(self.format(record))

    @property
    def text(self) -> str:
        """Everything that was told."""
        return "\n".join([*self.lines, self.printed.getvalue()])

    @property
    def failure(self) -> str:
        """What the core wrote about the last hook that failed."""
        found = [line for line in self.lines if line.startswith("ostiary.") and " failed" in line]
        return found[-1] if found else ""


@contextlib.contextmanager
def overheard() -> Iterator[Told]:
    """Hear everything that is logged or printed meanwhile in this process."""
    told, root = Told(), logging.getLogger()
    level, handlers = root.level, root.handlers
    # What goes wrong on purpose is not for whoever runs the tests to read.
    root.handlers = [told]
    root.setLevel(logging.DEBUG)
    try:
        with contextlib.redirect_stdout(told.printed), contextlib.redirect_stderr(told.printed):
            yield told
    finally:
        root.setLevel(level)
        root.handlers = handlers


def shown(error: BaseException) -> str:
    """Return everything that somebody may write of an exception."""
    return "".join(traceback.format_exception(error)) + repr(error)
