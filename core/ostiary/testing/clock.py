"""A clock that a test sets: services are given it instead of the time."""

from __future__ import annotations

SECOND = 1000
HOUR = 3_600 * SECOND


class Clock:
    """Tells the same instant, in milliseconds, until it is moved.

    :ivar instant: what it tells.
    """

    def __init__(self, instant: int = 1_800_000_000_000) -> None:
        self.instant = instant

    def __call__(self) -> int:
        """Return the instant."""
        return self.instant

    def advance(self, milliseconds: int) -> None:
        """Let some time pass."""
        self.instant += milliseconds
