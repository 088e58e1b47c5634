"""Making a user, with credentials of any strategies."""

from __future__ import annotations

from ostiary.pages.console.users.forms import (
    Profiles,
    credentials_of,
    offered_strategies,
    profiles_of,
    typed_properties,
)
from ostiary.pages.console.users.paths import NEW, address_of
from ostiary.pages.declaring import Pages
from ostiary.pages.problems import Mistaken, Problem, Refused, status_of
from ostiary.pages.visit import Visit
from ostiary.request import Answer

pages = Pages()

DEFAULT = "default"
"""The profile of users who are nothing else."""


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
    return visit.redirect(address_of(made["_id"]), done="created")


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
