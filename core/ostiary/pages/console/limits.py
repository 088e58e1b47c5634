"""Limits: what is configured, who is held back by them now, and letting them try again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ostiary.pages.console.looking import address, given
from ostiary.pages.console.meaning import Meant, resolved
from ostiary.pages.declaring import Pages, Section
from ostiary.pages.languages import mark
from ostiary.pages.problems import Refused, status_of
from ostiary.pages.visit import Visit
from ostiary.request import Answer
from ostiary.settings.declaring import declarations
from ostiary.settings.sections import Limits

PATH = "/-/console/limits"
SIZE = 30
FILTERS = ("user",)
KINDS = {
    "account": mark("Account"),
    "address": mark("Address"),
    "device": mark("Device"),
    None: mark("Not known"),
}

UNITS = {declared.key: declared.unit for declared in declarations(Limits)}
"""What the limits count, by the names of their settings."""

pages = Pages(Section(PATH, mark("Limits"), "security:searchHeldBack"))


@pages.get(PATH)
async def limits(visit: Visit) -> Answer:
    """Show who is held back, and by which limits."""
    sought, meant = await resolved(visit, PATH, given(visit.query, FILTERS), FILTERS)
    return await _shown(visit, sought, visit.query.number("from"), meant=meant)


@pages.post(f"{PATH}/release", needs="security:releaseHeldBack")
async def release(visit: Visit) -> Answer:
    """Let somebody try again now."""
    sought = given(visit.form, FILTERS)
    try:
        await visit.call("security", "releaseHeldBack", _id=visit.form.text("id"))
    except Refused as refused:
        return await _shown(visit, sought, refused=refused)
    return visit.redirect(address(PATH, sought), done="released")


async def _shown(
    visit: Visit,
    sought: dict[str, str],
    start: int = 0,
    *,
    meant: Sequence[Meant] = (),
    refused: Refused | None = None,
) -> Answer:
    found = await visit.call("security", "searchHeldBack", sought, size=SIZE, **{"from": start})
    return visit.page(
        "console/limits.html",
        status_of(refused),
        sought=sought,
        meant=meant,
        found=found,
        kinds=KINDS,
        refused=refused,
        start=start,
        size=SIZE,
        at=address(PATH, sought, {"from": ""}),
        configured=await _configured(visit),
        units=UNITS,
    )


async def _configured(visit: Visit) -> Mapping[str, Any] | None:
    """Return the limits by the names of their settings, as far as who looks may see them."""
    if not visit.may("server", "capabilities"):
        return None
    limits: Mapping[str, Any] = (await visit.call("server", "capabilities"))["limits"]
    return limits
