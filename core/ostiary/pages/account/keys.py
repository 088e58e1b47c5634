"""My API keys: what lets programs in, in my name."""

from __future__ import annotations

import uuid
from typing import Any

from ostiary import errors
from ostiary.pages.account.parts import KEYS, draw, within
from ostiary.pages.credentials import at_fault
from ostiary.pages.declaring import Pages
from ostiary.pages.languages import mark
from ostiary.pages.problems import Mistaken, Problem, Refused, status_of
from ostiary.pages.visit import Visit
from ostiary.request import Answer

pages = Pages()

SHOWN = 20
"""Keys on one page."""

LIFETIMES = {
    "30d": mark("30 days"),
    "90d": mark("90 days"),
    "365d": mark("One year"),
    "-1": mark("It never ends"),
}
"""What is offered; the API takes any other."""

FIELDS = {"description": "key.description", "expiresIn": "key.lifetime"}
"""Where errors about arguments of the API are shown."""

MADE = mark("This key is made already. It is not shown again: delete it, and make another one.")


@pages.get(KEYS.path)
@within(KEYS)
async def keys(visit: Visit) -> Answer:
    """List them, and offer to make one."""
    return await _shown(visit)


@pages.post(KEYS.path, needs="auth:createApiKey")
async def make(visit: Visit) -> Answer:
    """Make one and show it, this once: it stands in no address, and in no page that is kept."""
    try:
        key = await visit.call(
            "auth",
            "createApiKey",
            {"description": visit.form.text("key.description")},
            # Who has the browser send the form again gets no second key.
            _id=visit.form.text("key.id") or None,
            expiresIn=visit.form.text("key.lifetime") or None,
        )
    except Refused as refused:
        return await _refused(visit, refused)
    return draw(visit, "account/key.html", key=key)


@pages.get(KEYS.path + "/{id}/delete", needs="auth:deleteApiKey")
async def ask(visit: Visit) -> Answer:
    """Ask whether it is meant."""
    return draw(visit, "account/delete_key.html", id=visit.values["id"])


@pages.post(KEYS.path + "/{id}/delete", needs="auth:deleteApiKey")
async def delete(visit: Visit) -> Answer:
    """Delete one, which ends it at once."""
    await visit.call("auth", "deleteApiKey", _id=visit.values["id"])
    return visit.redirect(KEYS.path, done="deleted")


async def _refused(visit: Visit, refused: Refused) -> Answer:
    if refused.id == errors.DocumentExists.id:
        return await _shown(visit, Mistaken(MADE))
    name = "expiresIn" if refused.id == errors.TtlExceeded.id else at_fault(refused, FIELDS)
    return await _shown(visit, refused, None if name is None else FIELDS[name])


async def _shown(visit: Visit, problem: Problem | None = None, fault: str | None = None) -> Answer:
    start = visit.query.number("from")
    found: dict[str, Any] = {"hits": [], "total": 0}
    if visit.may("auth", "searchApiKeys"):
        found = await visit.call("auth", "searchApiKeys", {}, **{"from": start, "size": SHOWN})
    return draw(
        visit,
        "account/keys.html",
        status_of(problem),
        keys=found["hits"],
        total=found["total"],
        start=start,
        shown=SHOWN,
        lifetimes=LIFETIMES,
        new_id=str(uuid.uuid4()),
        fault=fault,
        problem=problem,
    )
