"""How long a request may wait for the database in all, however often it asks."""

from __future__ import annotations

from contextvars import Context, ContextVar
from time import monotonic
from types import TracebackType

from ostiary import errors

REQUEST_SECONDS = 4.5
"""Of the five seconds in which every request is answered, what is left for the database."""

_left: ContextVar[list[float] | None] = ContextVar("budget", default=None)
"""The seconds that the request has left, in a list that its tasks share."""


def begin() -> None:
    """Give the request that begins here its time."""
    _left.set([REQUEST_SECONDS])


def lift() -> None:
    """Let what goes on without a request wait as long as each of its statements may."""
    _left.set(None)


def share(context: Context) -> None:
    """Let what runs in another context spend the time of this one, instead of its own."""
    context.run(_left.set, _left.get())


class Waiting:
    """A wait for the database: ``with Waiting(2) as seconds`` says how long it may last.

    Who is inside ends the wait in time; how long it has been is counted here.

    :param longest: seconds, if the request has as many left.
    :raises errors.StoreUnavailable: on entering, the request has none left.
    """

    __slots__ = ("_began", "_left", "_longest")

    def __init__(self, longest: float) -> None:
        self._longest, self._left = longest, _left.get()

    def __enter__(self) -> float:
        self._began = monotonic()
        if self._left is None:
            return self._longest
        if self._left[0] <= 0:
            raise errors.StoreUnavailable(retry_after=1)
        return min(self._longest, self._left[0])

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._left is not None:
            self._left[0] -= monotonic() - self._began
