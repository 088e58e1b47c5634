"""Where I am signed in, and ending that."""

from __future__ import annotations

from typing import Any

from ostiary.pages.account.parts import SESSIONS, draw, within
from ostiary.pages.credentials import labels
from ostiary.pages.declaring import Pages
from ostiary.pages.visit import Visit
from ostiary.request import Answer

pages = Pages()

SHOWN = 50
"""Sessions on one page, the last used first."""


@pages.get(SESSIONS.path)
@within(SESSIONS)
async def sessions(visit: Visit) -> Answer:
    """List them."""
    found: dict[str, Any] = {"hits": [], "total": 0}
    if visit.may("auth", "getMySessions"):
        found = await visit.call("auth", "getMySessions")
    # Which one this is has to be seen at once.
    hits = sorted(found["hits"], key=lambda one: not one["current"])
    start = visit.query.number("from")
    return draw(
        visit,
        "account/sessions.html",
        sessions=hits[start : start + SHOWN],
        start=start,
        shown=SHOWN,
        total=found["total"],
        listed=len(hits),
        labels=await labels(visit),
    )


@pages.post(SESSIONS.path + "/{id}/end", needs="auth:revokeMySession")
async def end(visit: Visit) -> Answer:
    """End one of them; this one is signed out of."""
    id = visit.values["id"]
    this = await _is_this(visit, id)
    await visit.call("auth", "revokeMySession", _id=id)
    if not this:
        return visit.redirect(SESSIONS.path, done="session-ended")
    visit.forget()
    return visit.redirect("/", done="signed-out")


@pages.post("/-/account/sign-out-everywhere", needs="auth:logout")
async def end_all(visit: Visit) -> Answer:
    """End all of them."""
    await visit.call("auth", "logout", **{"global": True, "cookieAuth": True})
    return visit.redirect("/", done="signed-out")


async def _is_this(visit: Visit, id: str) -> bool:
    if not visit.may("auth", "getMySessions"):
        return False
    hits = (await visit.call("auth", "getMySessions"))["hits"]
    return any(one["_id"] == id and one["current"] for one in hits)
