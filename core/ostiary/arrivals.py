"""Which requests have arrived together: what is looked up for the first holds for the others."""

from __future__ import annotations

from contextvars import ContextVar


class Arrival:
    """Requests that were wholly there before the first of them was answered.

    What an event loop finds readable in one look at its sockets was sent before that look. It
    says nothing of what arrives later in the same turn, nor of a body that comes after its head:
    uvloop reads sockets after the tasks of a turn, not before them.

    :ivar open: still being answered, one after the other, with nothing in between.
    :ivar looked: one of them has looked for changes.
    """

    __slots__ = ("looked", "open")

    def __init__(self) -> None:
        self.open, self.looked = True, False

    def end(self) -> None:
        """Whoever of them goes on from here on goes on alone."""
        self.open = False


ARRIVAL: ContextVar[Arrival | None] = ContextVar("ostiary.arrival", default=None)
"""With what the request that is being answered has arrived; None for one that may be later."""
