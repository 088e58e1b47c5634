"""The profiles in the console: searched, and edited policy by policy."""

from __future__ import annotations

from functools import partial
from typing import Any

from ostiary.pages.console.deleting import ask, delete, lost
from ostiary.pages.console.listing import listed
from ostiary.pages.console.profile_form import ProfileForm
from ostiary.pages.console.saving import Editing, draft, drawn, finish, unconfirmed
from ostiary.pages.declaring import Pages, Section
from ostiary.pages.languages import mark
from ostiary.pages.visit import Visit
from ostiary.request import Answer

PATH, NEW = "/-/console/profiles", "/-/console/profiles.new"

OFFERED = 200
"""Roles that are offered by their names; any other can be typed."""

pages = Pages(Section(PATH, mark("Profiles"), "security:searchProfiles"))


@pages.get(PATH)
async def profiles(visit: Visit) -> Answer:
    """List the profiles; ``role`` in the address leaves those that name it."""
    role = visit.query.text("role")
    also = [{"terms": {"policies.roleId": [role]}}] if role else []
    found = await listed(visit, "searchProfiles", *also)
    return visit.page("console/profiles.html", found=found, role=role)


@pages.get(NEW, needs="security:createProfile")
async def new_profile(visit: Visit) -> Answer:
    """Offer an empty editor."""
    return await _editor(visit, ProfileForm((), "0"), Editing())


@pages.post(NEW, needs="security:createProfile")
async def create_profile(visit: Visit) -> Answer:
    """Create a profile, or show what it would grant."""
    form = ProfileForm.sent(visit.form)
    wanted = draft("profile", visit.form.text("id"), form.body)
    return await finish(visit, wanted, None, partial(_editor, visit, form))


@pages.get(f"{PATH}/{{id}}", needs="security:getProfile")
async def profile(visit: Visit) -> Answer:
    """Show a profile in the editor."""
    source = (await visit.call("security", "getProfile", _id=visit.values["id"]))["_source"]
    return await _editor(visit, ProfileForm.of(source), Editing.of(source))


@pages.post(f"{PATH}/{{id}}", needs="security:getProfile")
async def update_profile(visit: Visit) -> Answer:
    """Save a profile, or show what saving would change; what the editor does not show stays."""
    id, form = visit.values["id"], ProfileForm.sent(visit.form)
    source = (await visit.call("security", "getProfile", _id=id))["_source"]
    wanted = draft("profile", id, form.body)
    return await finish(visit, wanted, source, partial(_editor, visit, form))


@pages.get(f"{PATH}/{{id}}/delete", needs="security:deleteProfile")
async def ask_to_delete_profile(visit: Visit) -> Answer:
    """Say who would lose what with a profile, and ask."""
    return await ask(visit, "profile", seen=await lost(visit))


@pages.post(f"{PATH}/{{id}}/delete", needs="security:deleteProfile")
async def delete_profile(visit: Visit) -> Answer:
    """Delete a profile, and take it off who holds it if the form says so."""
    taken_off = "remove" if "takeOff" in visit.form else None
    # Off nobody it is taken by mistake: the server refuses to.
    unsure = None if taken_off is None else unconfirmed(visit, await lost(visit))
    problem = unsure or await delete(visit, "profile", onAssignedUsers=taken_off)
    if problem is not None:
        return await ask(visit, "profile", problem, seen=await lost(visit))
    return visit.redirect(PATH, done="deleted")


async def _editor(visit: Visit, form: ProfileForm, editing: Editing) -> Answer:
    roles = await _roles(visit)
    return drawn(visit, "console/profile.html", editing, form=form, roles=roles)


async def _roles(visit: Visit) -> list[str]:
    """Return the roles to choose from; none to who has no right to list them."""
    if not visit.may("security", "searchRoles"):
        return []
    found: Any = await visit.call("security", "searchRoles", {"sort": ["_id"]}, size=OFFERED)
    return [one["_id"] for one in found["hits"]]
