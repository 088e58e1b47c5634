"""A promise that every strategy makes, and how it is found broken."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ostiary.testing.trial import Trial

Keep = Callable[[Trial], Awaitable[None]]


class BrokenPromise(Exception):
    """A plugin does not keep a promise; the message says in what."""


class NotAsked(Exception):
    """A promise means nothing for a strategy; the message says why."""


@dataclass(frozen=True, slots=True)
class Promise:
    """What a strategy promises.

    :ivar name: by which an author opts out of it, see ``StrategyContract.not_asked``.
    :ivar sentence: what is promised.
    :ivar keep: tries it on fresh stores, and raises BrokenPromise or NotAsked.
    """

    name: str
    sentence: str
    keep: Keep


def promise(sentence: str) -> Callable[[Keep], Promise]:
    """Make a function the trial of a promise, which is named as the function is."""

    def declare(keep: Keep) -> Promise:
        return Promise(getattr(keep, "__name__", ""), sentence, keep)

    return declare


def expect(kept: bool, why: str) -> None:
    """Go on if a condition holds.

    :raises BrokenPromise: it does not.
    """
    if not kept:
        raise BrokenPromise(why)
