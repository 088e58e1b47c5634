"""What the server remembers of the last hour, day and week, as plots."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from ostiary.durations import HOUR, MINUTE
from ostiary.pages.languages import mark
from ostiary.pages.plots import WIDTH, Linear, Logarithmic, Scale, Value, across, bars, line
from ostiary.pages.quantities import count, day_and_hour, duration, hour
from ostiary.pages.visit import Visit


class Span(Struct, frozen=True):
    """How far back plots reach.

    :ivar each: how long a step is, in words.
    :ivar when: writes an instant so that it is told from the others of the span.
    """

    name: str
    label: str
    length: int
    step: int
    each: str
    when: Callable[[int], str] = hour


HOUR_BACK = Span("hour", mark("1 hour"), HOUR, MINUTE, mark("by the minute"))
SPANS = (
    HOUR_BACK,
    Span("day", mark("24 hours"), 24 * HOUR, 15 * MINUTE, mark("by 15 minutes")),
    Span("week", mark("7 days"), 7 * 24 * HOUR, 2 * HOUR, mark("by 2 hours"), day_and_hour),
)


class Band(Struct, frozen=True):
    """One plot: what it shows in words, and how it is drawn.

    :ivar width: in units of ``plots``.
    :ivar ticks: what is to be read beside it, from the top to the bottom.
    :ivar paths: by the class that they are drawn with.
    """

    name: str
    title: str
    summary: str
    width: int
    ticks: Sequence[str]
    paths: Mapping[str, str]


class Group(Struct, frozen=True):
    """Plots that stand above each other."""

    title: str
    bands: Sequence[Band]
    lines: bool = False


def plotted(visit: Visit, history: Mapping[str, Any], span: Span) -> list[Group]:
    """Return the plots of a history."""
    plotter = _Plotter(visit, history, span)
    say = visit.say
    return [
        Group(
            say("Signing in"),
            [
                plotter.counted("signIns", say("Signed in")),
                plotter.counted("signInsRefused", say("Sign-ins refused"), bad=True),
            ],
        ),
        Group(
            say("Requests"),
            [
                plotter.counted("requests", say("Requests")),
                plotter.counted("refused", say("Refused: no right, or too many"), bad=True),
                plotter.counted(
                    "failed", say("Failed: errors of the server, or no room"), bad=True
                ),
            ],
        ),
        Group(
            say("How long it takes"),
            [
                plotter.timed("requestTimes", say("Requests other than logins")),
                plotter.timed("loginTimes", say("Logins")),
            ],
            lines=True,
        ),
    ]


class _Plotter:
    """Makes the plots of a history, in which steps without anything are left out."""

    def __init__(self, visit: Visit, history: Mapping[str, Any], span: Span) -> None:
        self._visit, self._when = visit, span.when
        self._begun = range(history["since"], history["until"], span.step)
        by_instant = {step["at"]: step for step in history["steps"]}
        self._steps = [by_instant.get(at, {}) for at in self._begun]

    def counted(self, name: str, title: str, *, bad: bool = False) -> Band:
        """Return a plot of how many there were of something.

        :param bad: of what should not be.
        """
        values: list[int] = [step.get(name, 0) for step in self._steps]
        scale = Linear.of(values)
        summary = self._visit.say("None.")
        if most := max(values, default=0):
            at = self._when(self._begun[values.index(most)])
            summary = self._visit.say(
                "{0} in all; most at {1}: {2}.", count(sum(values)), at, count(most)
            )
        paths = {"bars bad" if bad else "bars": bars(values, scale)}
        return self._band(name, title, summary, scale, paths, count)

    def timed(self, name: str, title: str) -> Band:
        """Return a plot of how long something took."""
        times: list[dict[str, Value]] = [step.get(name, {}) for step in self._steps]
        medians, p95s = ([one.get(which) for one in times] for which in ("median", "p95"))
        scale = Logarithmic.of([*medians, *p95s])
        summary = self._visit.say("None.")
        if half := [value for value in medians if value is not None]:
            most = max(value for value in p95s if value is not None)
            summary = self._visit.say(
                "Median from {0} to {1}; 95 of 100 within {2}, at {3} when that was longest.",
                duration(min(half)), duration(max(half)), duration(most),
                self._when(self._begun[p95s.index(most)]),
            )  # fmt: skip
        paths = {"p95": line(p95s, scale), "median": line(medians, scale)}
        return self._band(name, title, summary, scale, paths, duration)

    def _band(
        self,
        name: str,
        title: str,
        summary: str,
        scale: Scale,
        paths: Mapping[str, str],
        written: Callable[[float], str],
    ) -> Band:
        ticks = [written(tick) for tick in scale.ticks()]
        grid, width = across(len(self._begun), scale), WIDTH * len(self._begun)
        return Band(name, title, summary, width, ticks, {"grid": grid, **paths})
