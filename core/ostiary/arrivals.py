"""Which requests have arrived together: what is looked up for the first holds for the others."""

from __future__ import annotations

from contextvars import ContextVar

MOST = 64
"""Requests that share a look: of very many sockets libuv asks more than once in a turn."""


class Arrival:
    """Requests that had begun to arrive before the first of them was answered.

    What an event loop finds readable in one look at its sockets was sent before that look. It
    says nothing of what arrives later in the same turn, nor of a body that comes after its head:
    uvloop reads sockets after the tasks of a turn, not before them.

    :ivar open: still being answered, one after the other, with nothing in between.
    :ivar left: how many may still rely on the last look for changes.
    """

    __slots__ = ("left", "open")

    def __init__(self) -> None:
        self.open, self.left = True, 0

    def end(self) -> None:
        """Whoever of them goes on from here on goes on alone."""
        self.open = False


ARRIVAL: ContextVar[Arrival | None] = ContextVar("ostiary.arrival", default=None)
"""With what the request that is being answered has arrived; None for one that may be later."""
