"""The first page of the console: the parts of it that who looks may use."""

from __future__ import annotations

from ostiary.pages.console.health import glance
from ostiary.pages.declaring import Pages
from ostiary.pages.visit import Visit
from ostiary.request import Answer

pages = Pages()


@pages.get("/-/console", public=True)
async def overview(visit: Visit) -> Answer:
    """Lead to the parts of the console."""
    if visit.me is None and not any(visit.may_run(one.needs) for one in visit.site.sections):
        return visit.redirect("/?then=/-/console")
    return visit.page("console/overview.html", **await glance(visit))
