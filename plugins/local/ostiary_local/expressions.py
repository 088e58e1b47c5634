r"""Regular expressions as JavaScript writes them, searched in passwords within a bounded time.

Policies come from Kuzzle, whose expressions are those of JavaScript (ECMA-262, 22.2). Python's
differ: ``$`` also stands before a last line feed, ``\d`` and ``\w`` are not only ASCII,
``{,3}`` repeats, an empty class is none. Each expression is therefore translated, and what
JavaScript does not have is refused, rather than taken for something else. Two things differ: a
character is a code point, with or without the flag ``u``; and a group within a repetition keeps
what it found in an earlier turn.

Policies look for several things at once by looking ahead, which engines of linear time, such as
RE2, cannot do. The one that is used here backtracks, but leaves the interpreter to other
threads meanwhile, and gives up in time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from ostiary_local.translation import Translation, Unreadable

__all__ = ["Expression", "Unreadable", "read"]

LONGEST_SEARCH = 0.5
"""Seconds after which a search is given up; a sound expression needs microseconds."""

SLASHED = re.compile(r"/(.*)/([A-Za-z]*)", re.DOTALL)
FLAGS = "gimsuy"


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression that was read.

    :ivar written: as the operator wrote it.
    """

    written: str
    compiled: Any = field(repr=False, compare=False)
    anchored: bool = False

    def found_in(self, text: str) -> bool:
        """Tell whether the expression is found in a text; run it off the event loop.

        :raises TimeoutError: that could not be told within ``LONGEST_SEARCH``.
        """
        seek = self.compiled.match if self.anchored else self.compiled.search
        return seek(text, timeout=LONGEST_SEARCH, concurrent=True) is not None


def read(written: str) -> Expression:
    """Read an expression: plain, or ``/expression/flags``.

    :raises Unreadable: it is none.
    """
    # Needed by who has such a policy, and by nobody else.
    import regex

    source, flags = _parts(written)
    python = regex.VERSION0 | regex.UNICODE | (regex.IGNORECASE if "i" in flags else 0)
    try:
        compiled = regex.compile(Translation(source, flags).run(), python)
    except regex.error as error:
        raise Unreadable(str(error)) from None
    # Nothing was searched before: the flag g starts at the beginning, and y stays there.
    return Expression(written, compiled, anchored="y" in flags)


def _parts(written: str) -> tuple[str, str]:
    """Return an expression without its slashes, and its flags."""
    slashed = SLASHED.fullmatch(written)
    source, flags = (written, "") if slashed is None else (slashed[1], slashed[2])
    if not source:
        raise Unreadable("there is no expression")
    if slashed is not None and not flags:
        raise Unreadable("an expression without flags is written without slashes")
    if len(set(flags)) < len(flags) or not set(flags) <= set(FLAGS):
        raise Unreadable(f"flags are the letters {', '.join(FLAGS)}, each at most once")
    return source, flags
