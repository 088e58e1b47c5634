"""One user: who they are, whether they are let in, and what goes when they go."""

from __future__ import annotations

import json
from typing import Any

from ostiary import errors
from ostiary.pages.console.users.editing import Edited, merged
from ostiary.pages.console.users.forms import Profiles, profiles_of, read_properties
from ostiary.pages.console.users.parts import Parts
from ostiary.pages.console.users.paths import LIST, ONE, address_of
from ostiary.pages.declaring import Pages
from ostiary.pages.languages import mark
from ostiary.pages.problems import Mistaken, Problem, Refused, status_of
from ostiary.pages.visit import Visit
from ostiary.properties import properties_of
from ostiary.request import Answer

pages = Pages()

READ, UPDATE = "security:getUser", "security:updateUser"
LARGE = 8_192
"""Characters of properties, as JSON, that have a page of their own."""

LISTED = 10
"""Sessions, and API keys, that stand on the page of a user."""

TRIES = 3
"""Times that a change is merged with what others have changed in the same moment."""


@pages.get(ONE, needs=READ)
async def user(visit: Visit) -> Answer:
    """Show a user."""
    return await shown(visit)


@pages.get(f"{ONE}/properties", needs=READ)
async def properties(visit: Visit) -> Answer:
    """Show all properties of a user, however large, to be edited."""
    return await shown(visit, whole=True)


@pages.post(f"{ONE}/edit", needs=UPDATE)
async def edit(visit: Visit) -> Answer:
    """Change of a user what was changed in the form, and nothing else."""
    try:
        edited = Edited(
            read_properties(visit.form.text("loaded") or "{}"),
            visit.form.all("loadedProfile"),
            read_properties(visit.form.text("properties")),
            profiles_of(visit),
        )
        await _save(visit, edited)
    except (Refused, Mistaken) as problem:
        typed = visit.form.text("properties")
        return await shown(visit, problem, typed=typed, whole=len(typed) > LARGE)
    return visit.redirect(address_of(visit.values["id"]), done="saved")


@pages.post(f"{ONE}/status", needs=READ)
async def switch(visit: Visit) -> Answer:
    """Let a user in no more, or again."""
    action = "disableUser" if visit.form.text("do") == "disable" else "enableUser"
    return await run(visit, "saved", action, _id=visit.values["id"])


@pages.get(f"{ONE}/delete", needs="security:deleteUser")
async def ask_to_delete(visit: Visit) -> Answer:
    """Say what goes with a user, and ask for their kuid."""
    return await _ask_to_delete(visit)


@pages.post(f"{ONE}/delete", needs="security:deleteUser")
async def delete(visit: Visit) -> Answer:
    """Delete a user whose kuid was typed."""
    kuid = visit.values["id"]
    if visit.form.text("typed").strip() != kuid:
        return await _ask_to_delete(
            visit, Mistaken(mark("That is not the identifier of this user."))
        )
    try:
        await visit.call("security", "deleteUser", _id=kuid)
    except Refused as problem:
        return await _ask_to_delete(visit, problem)
    return visit.redirect(LIST, done="deleted")


async def run(visit: Visit, done: str, action: str, body: Any = None, **args: Any) -> Answer:
    """Run an action about a user, and go back to their page; it says what was refused."""
    try:
        await visit.call("security", action, body, **args)
    except Refused as problem:
        return await shown(visit, problem)
    return visit.redirect(address_of(visit.values["id"]), done=done)


async def shown(
    visit: Visit,
    problem: Problem | None = None,
    *,
    typed: str | None = None,
    made: dict[str, Any] | None = None,
    whole: bool = False,
) -> Answer:
    """Return the page of a user.

    :param problem: what has kept something from being done.
    :param typed: properties as they were typed, and not saved.
    :param made: an API key that was made just now, with its text.
    :param whole: all properties, and nothing else.
    """
    found = await visit.call("security", "getUser", _id=visit.values["id"])
    source = found["_source"]
    content = properties_of(source)
    written = json.dumps(content, ensure_ascii=False, indent=2)
    return visit.page(
        "console/users/properties.html" if whole else "console/users/one.html",
        status_of(problem),
        user=found,
        here=address_of(visit.values["id"]),
        info=source.get("_kuzzle_info", {}),
        enabled=source.get("_kuzzle_info", {}).get("status", "enabled") == "enabled",
        content=content,
        held=source["profileIds"],
        profiles=await Profiles.of(visit),
        problem=problem,
        typed=typed,
        written=written,
        large=len(written) > LARGE,
        made=made,
        most=LISTED,
        parts=None if whole else await Parts.of(visit, visit.values["id"]),
    )


async def _save(visit: Visit, edited: Edited) -> None:
    for attempt in range(1, TRIES + 1):
        current = await visit.call("security", "getUser", _id=visit.values["id"])
        change = merged(edited, current["_source"])
        if change.nothing:
            return
        try:
            await visit.call(
                "security",
                "updateUser",
                change.body,
                _id=visit.values["id"],
                remove=change.remove or None,
                ifUnchangedSince=change.since,
            )
        except Refused as refused:
            # Others have written between our two steps: look again.
            if refused.id != errors.ChangedMeanwhile.id or attempt == TRIES:
                raise
        else:
            return


async def _ask_to_delete(visit: Visit, problem: Problem | None = None) -> Answer:
    kuid = visit.values["id"]
    await visit.call("security", "getUser", _id=kuid)
    return visit.page(
        "console/users/delete.html",
        status_of(problem),
        kuid=kuid,
        here=address_of(visit.values["id"]),
        parts=await Parts.of(visit, kuid),
        problem=problem,
        mine=visit.me is not None and visit.me.get("_id") == kuid,
    )
