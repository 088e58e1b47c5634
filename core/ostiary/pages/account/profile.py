"""Who I am: my kuid, my profiles, and my properties, which I may change."""

from __future__ import annotations

from typing import Any

from ostiary.pages.account.parts import PARTS, PROFILE, draw
from ostiary.pages.account.values import Kind, Written, changed, read, read_all, write
from ostiary.pages.credentials import at_fault
from ostiary.pages.declaring import Pages
from ostiary.pages.languages import mark
from ostiary.pages.problems import Mistaken, Problem, Refused, status_of
from ostiary.pages.visit import Visit
from ostiary.properties import properties_of
from ostiary.request import Answer

pages = Pages()

NEW = "new"
"""What stands before the fields of a property that is added."""

NAMELESS = mark("A property needs a name.")
THERE = mark("There is such a property already.")


@pages.get(PROFILE.path)
async def profile(visit: Visit) -> Answer:
    """Show who is signed in."""
    return _shown(visit)


@pages.post(PROFILE.path, needs="auth:updateSelf")
async def save(visit: Visit) -> Answer:
    """Merge what was changed into my properties."""
    try:
        body = _wanted(visit)
        if body:
            await visit.call("auth", "updateSelf", body)
    except Mistaken as mistake:
        return _shown(visit, mistake, mistake.field)
    except Refused as refused:
        return _shown(visit, refused, _field_of(visit, refused))
    return visit.redirect(PROFILE.path, done="saved")


def _wanted(visit: Visit) -> dict[str, Any]:
    """Return the properties that are to be another from now on.

    :raises Mistaken: a field has to be filled in otherwise.
    """
    before = _properties(visit)
    body = changed(visit.form, before)
    added = _added(visit)
    if added is None:
        return body
    if not added.name:
        raise Mistaken(NAMELESS, field=f"{NEW}.name")
    if added.name in before:
        raise Mistaken(THERE, field=f"{NEW}.name")
    try:
        return {**body, added.name: read(added)}
    except Mistaken as fault:
        raise Mistaken(fault.text, *fault.values, field=f"{NEW}.value") from None


def _added(visit: Visit) -> Written | None:
    """Return the property that is to be added; None if none is."""
    name, value = visit.form.text(f"{NEW}.name").strip(), visit.form.text(f"{NEW}.value")
    if not name and not value:
        return None
    kind: Kind = "json" if visit.form.text(f"{NEW}.kind") == "json" else "text"
    return Written(name, kind, value.replace("\r\n", "\n"))


def _field_of(visit: Visit, refused: Refused) -> str | None:
    """Return the field that an error is about; None if it is none of them."""
    names = {written.name: written.field for written in read_all(visit.form)}
    added = visit.form.text(f"{NEW}.name").strip()
    if added:
        names[added] = f"{NEW}.name"
    name = at_fault(refused, names)
    return None if name is None else names[name]


def _shown(visit: Visit, problem: Problem | None = None, fault: str | None = None) -> Answer:
    """Show the form, with what was typed into it if it comes again.

    :param problem: why nothing was saved.
    :param fault: the field that it is about; None if it is none of them.
    """
    properties = [write(name, value) for name, value in _properties(visit).items()]
    typed = {written.name: written for written in read_all(visit.form)}
    return draw(
        visit,
        "account/profile.html",
        status_of(problem),
        profile_ids=(visit.me or {}).get("_source", {}).get("profileIds", []),
        properties=[typed.get(one.name, one) for one in properties],
        problem=problem,
        fault=fault,
        closed=[part for part in PARTS if not part.is_open(visit)],
    )


def _properties(visit: Visit) -> dict[str, Any]:
    """Return the properties of who is signed in; nothing without the right to see them."""
    return properties_of((visit.me or {}).get("_source", {}))
