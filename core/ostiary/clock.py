"""The clock of the server; services get it as an argument, so that tests can have their own."""

from __future__ import annotations

import time


def now() -> int:
    """Return the time: milliseconds since the epoch, UTC."""
    return time.time_ns() // 1_000_000
