"""How long things took, in few numbers: a histogram whose bounds double.

Two histograms are added place by place, so those of processes, machines and minutes become one.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from math import frexp

from ostiary.storage.tables import PLACES

FINEST = -6
"""The exponent of the first bound: 16 µs, a check of a token. The last one is 8 s."""

BOUNDS = tuple(2.0 ** (FINEST + place) for place in range(PLACES - 1))
"""Milliseconds: what is below the first, below the second…; the rest is in one more place."""


def place_of(milliseconds: float) -> int:
    """Return where something that took so long is counted."""
    if milliseconds < BOUNDS[0]:
        return 0
    _, exponent = frexp(milliseconds)
    return min(exponent - FINEST, PLACES - 1)


def percentile(counts: Sequence[int], share: float) -> float | None:
    """Return the milliseconds below which a share of what is counted lies; None of nothing.

    What lies between two bounds is taken to be spread evenly over their logarithms: the result
    is wrong by a factor of two at the very worst.
    """
    wanted = share * sum(counts)
    if not wanted:
        return None
    sums = tuple(accumulate(counts))
    place = next(place for place, below in enumerate(sums) if below >= wanted)
    within = 1 - (sums[place] - wanted) / counts[place]
    return float(f"{2.0 ** (FINEST + place - 1 + within):.3g}")
