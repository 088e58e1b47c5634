"""Who is at work, and where the request came from: what every event tells of its origin.

A door (the dispatcher, the command line) says it once; services need not be handed it from
function to function, nor can they forget to hand it on.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(slots=True)
class Source:
    """Where something comes from; the members are those of ``Event``.

    :ivar told: an event has told of it.
    """

    author: str | None = None
    protocol: str = ""
    address: str = ""
    agent: str = ""
    request: str = ""
    told: bool = False


@contextmanager
def acting(source: Source) -> Iterator[Source]:
    """Have everything that happens in here come from a source, in tasks begun in here too."""
    before = _source.set(source)
    try:
        yield source
    finally:
        _source.reset(before)


def source() -> Source:
    """Return where what happens now comes from; by default from the server itself."""
    return _source.get(None) or Source()


_source: ContextVar[Source | None] = ContextVar("source", default=None)
