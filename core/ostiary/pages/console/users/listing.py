"""The list of users: found among many, and turned over page by page."""

from __future__ import annotations

from typing import Any

from ostiary.pages.console.users.forms import Profiles
from ostiary.pages.console.users.paths import LIST
from ostiary.pages.console.users.search import MANY, find, glimpse
from ostiary.pages.console.users.several import ACTIONS
from ostiary.pages.console.users.wanted import LONGEST, Wanted
from ostiary.pages.declaring import Pages, Section
from ostiary.pages.languages import mark
from ostiary.pages.visit import Visit
from ostiary.request import Answer

pages = Pages(Section(LIST, mark("Users"), "security:searchUsers"))


@pages.get(LIST)
async def users(visit: Visit) -> Answer:
    """List users, or those that are searched for."""
    wanted = Wanted.read(visit.query)
    asked: dict[str, Any] = {
        "wanted": wanted,
        "found": await find(visit, wanted),
        "many": MANY,
        "glimpse": glimpse,
        "actions": [name for name, action in ACTIONS.items() if visit.may_run(action)],
    }
    if visit.by_htmx:
        return visit.page("console/users/fragment.html", **asked)
    return visit.page(
        "console/users/list.html",
        longest=LONGEST,
        profiles=await Profiles.of(visit),
        strategies=await visit.strategies(),
        **asked,
    )
