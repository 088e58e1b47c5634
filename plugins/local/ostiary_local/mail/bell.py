"""A bell in each process: whoever puts mail into the outbox rings, and who delivers comes at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Bell:
    """Wakes those who listen to it, in whatever event loop they run."""

    def __init__(self) -> None:
        self._listening: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}

    def ring(self) -> None:
        """Wake everybody."""
        for event, loop in list(self._listening.items()):
            # A loop that is closed has nobody left to wake.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(event.set)

    @contextmanager
    def heard(self) -> Iterator[asyncio.Event]:
        """Listen; the event is set whenever the bell rings, and cleared by who listens."""
        event = asyncio.Event()
        self._listening[event] = asyncio.get_running_loop()
        try:
            yield event
        finally:
            del self._listening[event]


BELL = Bell()
"""That of this process."""
