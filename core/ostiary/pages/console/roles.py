"""The roles in the console: listed, and edited with every action that there is in view."""

from __future__ import annotations

from functools import partial
from typing import Any

from ostiary.pages.console.deleting import ask, delete, naming
from ostiary.pages.console.listing import listed
from ostiary.pages.console.role_form import RoleForm, groups, known_names
from ostiary.pages.console.saving import Editing, draft, drawn, finish
from ostiary.pages.declaring import Pages, Section
from ostiary.pages.languages import mark
from ostiary.pages.visit import Visit
from ostiary.request import Answer

PATH, NEW = "/-/console/roles", "/-/console/roles.new"

pages = Pages(Section(PATH, mark("Roles"), "security:searchRoles"))


@pages.get(PATH)
async def roles(visit: Visit) -> Answer:
    """List the roles."""
    found = await listed(visit, "searchRoles")
    return visit.page("console/roles.html", found=found)


@pages.get(NEW, needs="security:createRole")
async def new_role(visit: Visit) -> Answer:
    """Offer an empty editor."""
    return await _editor(visit, RoleForm(frozenset(), "", force=False), Editing())


@pages.post(NEW, needs="security:createRole")
async def create_role(visit: Visit) -> Answer:
    """Create a role, or show what it would grant."""
    form, id = RoleForm.sent(visit.form), visit.form.text("id")
    wanted = draft("role", id, lambda: {"controllers": form.controllers()}, **_force(form))
    return await finish(visit, wanted, None, partial(_editor, visit, form))


@pages.get(f"{PATH}/{{id}}", needs="security:getRole")
async def role(visit: Visit) -> Answer:
    """Show a role in the editor."""
    source = (await visit.call("security", "getRole", _id=visit.values["id"]))["_source"]
    known = known_names(await _described(visit))
    form = RoleForm.of(source["controllers"], known)
    return await _editor(visit, form, Editing.of(source))


@pages.post(f"{PATH}/{{id}}", needs="security:getRole")
async def update_role(visit: Visit) -> Answer:
    """Save a role, or show what saving would change."""
    id, form = visit.values["id"], RoleForm.sent(visit.form)
    source = (await visit.call("security", "getRole", _id=id))["_source"]
    wanted = draft(
        "role", id, lambda: {**source, "controllers": form.controllers()}, **_force(form)
    )
    return await finish(visit, wanted, source, partial(_editor, visit, form))


@pages.get(f"{PATH}/{{id}}/delete", needs="security:deleteRole")
async def ask_to_delete_role(visit: Visit) -> Answer:
    """Say which profiles name a role, and ask."""
    return await ask(visit, "role", naming=await naming(visit))


@pages.post(f"{PATH}/{{id}}/delete", needs="security:deleteRole")
async def delete_role(visit: Visit) -> Answer:
    """Delete a role."""
    problem = await delete(visit, "role")
    if problem is not None:
        return await ask(visit, "role", problem, naming=await naming(visit))
    return visit.redirect(PATH, done="deleted")


async def _editor(visit: Visit, form: RoleForm, editing: Editing) -> Answer:
    described = await _described(visit)
    return drawn(visit, "console/role.html", editing, form=form, groups=groups(described, form))


async def _described(visit: Visit) -> list[dict[str, Any]]:
    """Return every action; none to who has no right to know of them."""
    if not visit.may("server", "describeActions"):
        return []
    found: list[dict[str, Any]] = (await visit.call("server", "describeActions"))["hits"]
    return found


def _force(form: RoleForm) -> dict[str, Any]:
    return {"force": True} if form.force else {}
