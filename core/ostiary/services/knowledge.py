"""What a verdict knows of a user: it is outdated by every later change that is not its plugin's own.

A plugin that gives a user credentials while it is asked for a verdict, such as a second way in
that it has just seen proved, is not asked again for that.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass(slots=True)
class Knowledge:
    """What is known while a plugin is asked.

    :ivar since: the last change when it began.
    :ivar own: the numbers of the changes that it has made to users itself, nothing else having
        changed of them before.
    """

    since: int
    own: dict[str, int] = field(default_factory=dict)

    def of(self, kuid: str) -> int:
        """Return the last change to a user that is known."""
        return self.own.get(kuid, self.since)

    def learn(self, kuid: str, sequence: int) -> None:
        """Note a change of the plugin's own, once it is made."""
        self.own[kuid] = sequence


_known: ContextVar[Knowledge | None] = ContextVar("known", default=None)


@contextmanager
def known_since(sequence: int) -> Iterator[Knowledge]:
    """Ask a plugin in here, whose answer is about what there was at a change."""
    before = _known.set(knowledge := Knowledge(sequence))
    try:
        yield knowledge
    finally:
        _known.reset(before)


def known() -> Knowledge | None:
    """Return what is known where a plugin is asked for a verdict, or None."""
    return _known.get()
