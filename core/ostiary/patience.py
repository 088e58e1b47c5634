"""How long a hook is waited for: what it waits for the server itself does not count."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import monotonic


class Patience:
    """Counts the seconds that a hook has used up.

    :param limit: how many it may use.
    """

    __slots__ = ("_aside", "_began", "_limit", "_since", "_waiting")

    def __init__(self, limit: float) -> None:
        self._limit, self._began = limit, monotonic()
        self._aside, self._since, self._waiting = 0.0, 0.0, 0

    def spent(self) -> float:
        """Return the seconds that count."""
        now = monotonic()
        aside = self._aside + (now - self._since if self._waiting else 0.0)
        return now - self._began - aside

    def left(self) -> float:
        """Return the seconds that are left."""
        return self._limit - self.spent()

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Stop the clock; of several at once, the last one starts it again."""
        if not self._waiting:
            self._since = monotonic()
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._aside += monotonic() - self._since


PATIENCE: ContextVar[Patience | None] = ContextVar("PATIENCE", default=None)
"""That of the hook whose code runs, if one's does."""


@contextmanager
def not_counted() -> Iterator[None]:
    """Do work of the server for which no hook is to blame, however long it takes its turn."""
    patience = PATIENCE.get()
    if patience is None:
        yield
        return
    with patience.stopped():
        yield
