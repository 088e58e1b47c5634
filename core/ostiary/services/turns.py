"""Turns: how many attempts of one subject this process looks at together; the others wait."""

from __future__ import annotations

from asyncio import Event, Semaphore, wait_for
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from weakref import WeakValueDictionary

PATIENCE = 1
"""Seconds that are waited for a decision; a strategy may ask somebody far away."""


class Turn:
    """The attempts of one subject."""

    def __init__(self, at_once: int) -> None:
        self.places = Semaphore(at_once)
        self._undecided, self._decision = 0, Event()

    @contextmanager
    def undecided(self) -> Iterator[None]:
        """Let the others know that an attempt is under way."""
        self._undecided += 1
        try:
            yield
        finally:
            self._undecided -= 1
            self._decision.set()
            self._decision = Event()

    async def another_decision(self) -> bool:
        """Wait until one of the attempts under way is decided; False if none is, for a while."""
        if not self._undecided:
            return False
        try:
            await wait_for(self._decision.wait(), PATIENCE)
        except TimeoutError:
            return False
        return True


class Turns:
    """The turns of all subjects; one that nobody has or waits for is forgotten."""

    def __init__(self) -> None:
        self._known: WeakValueDictionary[bytes, Turn] = WeakValueDictionary()

    def __len__(self) -> int:
        return len(self._known)

    @asynccontextmanager
    async def take(self, at_once: Mapping[bytes, int]) -> AsyncIterator[dict[bytes, Turn]]:
        """Wait until there is a place with every subject.

        :param at_once: how many places each has; subjects of two kinds come in the same order.
        """
        turns: dict[bytes, Turn] = {}
        async with AsyncExitStack() as stack:
            for subject, places in at_once.items():
                turns[subject] = self._known.setdefault(subject, Turn(places))
                await stack.enter_async_context(turns[subject].places)
            yield turns
