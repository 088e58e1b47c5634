"""Health: whether all works, what the process that answers is doing, and what happened of late."""

from __future__ import annotations

from typing import Any

from ostiary.clock import now
from ostiary.durations import MINUTE
from ostiary.pages.console.history import HOUR_BACK, SPANS, Span, plotted
from ostiary.pages.declaring import Pages, Section
from ostiary.pages.languages import mark
from ostiary.pages.problems import Refused
from ostiary.pages.quantities import age, duration
from ostiary.pages.visit import Visit
from ostiary.request import Answer

pages = Pages(
    Section(
        "/-/console/health",
        mark("Health"),
        "server:healthCheck server:getHistory server:metrics server:info",
    )
)


@pages.get("/-/console/health")
async def health(visit: Visit) -> Answer:
    """Show what who looks has the right to see."""
    span = next((one for one in SPANS if one.name == visit.query.text("span")), HOUR_BACK)
    history = await _history(visit, span)
    return visit.page(
        "console/health.html",
        spans=SPANS,
        span=span,
        renewed=visit.query.text("renew") != "no",
        drawn_at=now(),
        checked=await _checked(visit),
        about=await _asked(visit, "info"),
        metrics=await _asked(visit, "metrics"),
        history=history,
        groups=[] if history is None else plotted(visit, history, span),
        age=age,
        duration=duration,
    )


async def glance(visit: Visit) -> dict[str, Any]:
    """Return what the first page of the console shows of this one."""
    history = await _history(visit, HOUR_BACK)
    drawn = [] if history is None else plotted(visit, history, HOUR_BACK)[:1]
    return {
        "checked": await _checked(visit),
        "history": history,
        "span": HOUR_BACK,
        "groups": drawn,
    }


async def _checked(visit: Visit) -> dict[str, Any] | Refused | None:
    """Return what the server says of its own health, or the error that says so; None without right."""
    try:
        return await _asked(visit, "healthCheck")
    except Refused as refused:
        return refused


async def _asked(visit: Visit, action: str, **args: Any) -> dict[str, Any] | None:
    if not visit.may("server", action):
        return None
    result: dict[str, Any] = await visit.call("server", action, **args)
    return result


async def _history(visit: Visit, span: Span) -> dict[str, Any] | None:
    """Return the steps of a span, up to the last minute that is over."""
    until = now() // MINUTE * MINUTE
    return await _asked(visit, "getHistory", since=until - span.length, until=until, step=span.step)
