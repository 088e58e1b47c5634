"""Plots as SVG: from figures to the paths that a template draws.

A plot is as wide as it has steps, and as high as ``HEIGHT``; the browser stretches it to its place
(``preserveAspectRatio="none"``), and what is to be read stands beside it in HTML.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import ceil, floor, log10

from msgspec import Struct

HEIGHT, WIDTH = 100, 10
"""Units of a whole plot, and of one step of it."""

GAP = 1
"""Units between a bar and the edge of its step."""

LEAST = 1.5
"""Units of a bar that stands for anything at all."""

Value = float | None


class Linear(Struct, frozen=True):
    """From 0 at the bottom to a round number at the top."""

    top: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Linear:
        """Return one that has room for some numbers."""
        return cls(_round_above(max(values, default=0)))

    def ticks(self) -> tuple[float, ...]:
        """Return what is to be read beside it, from the top to the bottom, in even distances."""
        return (self.top, 0)

    def place(self, value: float) -> float:
        """Return how far from the top a number stands."""
        return HEIGHT * (1 - value / self.top)


class Logarithmic(Struct, frozen=True):
    """From one power of ten to another: each has the same room."""

    low: int
    high: int

    @classmethod
    def of(cls, values: Iterable[Value]) -> Logarithmic:
        """Return one that has room for some numbers, those above 0; None is none."""
        logs = [log10(value) for value in values if value]
        low = floor(min(logs, default=0))
        return cls(low, max(ceil(max(logs, default=1)), low + 1))

    def ticks(self) -> tuple[float, ...]:
        """Return the powers of ten, from the top to the bottom."""
        return tuple(10.0**exponent for exponent in range(self.high, self.low - 1, -1))

    def place(self, value: float) -> float:
        """Return how far from the top a number above 0 stands."""
        return HEIGHT * (self.high - log10(value)) / (self.high - self.low)


Scale = Linear | Logarithmic


def bars(values: Sequence[float], scale: Scale) -> str:
    """Return the path of a bar for each number that is not 0."""
    drawn = []
    for step, value in enumerate(values):
        if value:
            left, right = step * WIDTH + GAP, (step + 1) * WIDTH - GAP
            top = min(scale.place(value), HEIGHT - LEAST)
            drawn.append(f"M{left} {HEIGHT}V{top:.4g}H{right}V{HEIGHT}z")
    return "".join(drawn)


def line(values: Sequence[Value], scale: Scale) -> str:
    """Return the path of a line that is level within each step, and broken where nothing is known."""
    drawn, before = [], None
    for step, value in enumerate(values):
        if value is not None:
            place = f"{scale.place(value):.4g}"
            begun = f"M{step * WIDTH} {place}" if before is None else f"V{place}"
            drawn.append(f"{begun}h{WIDTH}")
        before = value
    return "".join(drawn)


def across(steps: int, scale: Scale) -> str:
    """Return the path of a line for each tick, across all steps."""
    places = (scale.place(tick) for tick in scale.ticks())
    return "".join(f"M0 {place:.4g}H{steps * WIDTH}" for place in places)


def _round_above(value: float) -> float:
    """Return 1, 2 or 5 times a power of ten, not below a number, and 1 at least."""
    if value <= 1:
        return 1
    power = 10.0 ** floor(log10(value))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= value)
