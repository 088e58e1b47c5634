"""Users: finding them among many, making them, and doing something with several."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ostiary.pages.console.users.forms import (
    Profiles,
    credentials_of,
    offered_strategies,
    profiles_of,
    typed_properties,
)
from ostiary.pages.console.users.search import LONGEST, MANY, Wanted, find, glimpse
from ostiary.pages.declaring import Pages, Section
from ostiary.pages.languages import mark
from ostiary.pages.problems import Mistaken, Problem, Refused, status_of
from ostiary.pages.rendering import segment
from ostiary.pages.visit import Visit
from ostiary.request import Answer

LIST = "/-/console/users"
NEW = "/-/console/new-user"
SEVERAL = "/-/console/several-users"
"""Beside the list: below it everything is a kuid."""

PARTIAL = 206
DEFAULT = "default"
"""The profile of users who are nothing else."""

pages = Pages(Section(LIST, mark("Users"), "security:searchUsers"))

ACTIONS: Mapping[str, str] = {
    "disable": "security:disableUser",
    "enable": "security:enableUser",
    "delete": "security:mDeleteUsers",
}
"""What is done with several users at once, and the action that does it."""


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


@pages.get(NEW, needs="security:createUser")
async def new(visit: Visit) -> Answer:
    """Ask who the new user is to be."""
    return await _form(visit)


@pages.post(NEW, needs="security:createUser")
async def make(visit: Visit) -> Answer:
    """Make a user."""
    try:
        content = {**typed_properties(visit), "profileIds": profiles_of(visit)}
        credentials = {
            strategy["name"]: fields
            for strategy in await offered_strategies(visit)
            if (fields := credentials_of(visit, strategy))
        }
        made = await visit.call(
            "security",
            "createUser",
            {"content": content, "credentials": credentials},
            _id=visit.form.text("kuid").strip() or None,
        )
    except (Refused, Mistaken) as problem:
        return await _form(visit, problem)
    return visit.redirect(f"{LIST}/{segment(made['_id'])}", done="created")


@pages.post(SEVERAL)
async def several(visit: Visit) -> Answer:
    """Disable, enable or delete the users that are ticked, once that is confirmed."""
    what, kuids = visit.form.text("do"), list(dict.fromkeys(visit.form.all("kuid")))
    if what not in ACTIONS or not kuids:
        return visit.redirect(LIST)
    if visit.form.text("confirmed") != "yes":
        return visit.page("console/users/several.html", what=what, kuids=kuids, failed=None)
    failed = await (_delete if what == "delete" else _switch)(visit, what, kuids)
    if failed:
        return visit.page(
            "console/users/several.html", PARTIAL, what=what, kuids=kuids, failed=failed
        )
    return visit.redirect(LIST, done="deleted" if what == "delete" else "saved")


async def _switch(visit: Visit, what: str, kuids: list[str]) -> list[Refused]:
    failed = []
    for kuid in kuids:
        try:
            await visit.call("security", f"{what}User", _id=kuid)
        except Refused as refused:
            failed.append(refused)
    return failed


async def _delete(visit: Visit, _what: str, kuids: list[str]) -> list[Refused]:
    try:
        await visit.call("security", "mDeleteUsers", {"ids": kuids})
    except Refused as refused:
        each = refused.error.get("errors")
        if not isinstance(each, list):
            raise
        return [Refused(int(one["status"]), one, refused.headers) for one in each]
    return []


async def _form(visit: Visit, problem: Problem | None = None) -> Answer:
    strategies = await offered_strategies(visit)
    return visit.page(
        "console/users/new.html",
        status_of(problem),
        problem=problem,
        strategies=strategies,
        profiles=await Profiles.of(visit),
        chosen=profiles_of(visit) if visit.verb == "POST" else [DEFAULT],
    )
