"""Changing my credentials of a strategy."""

from __future__ import annotations

from typing import Any

from ostiary import errors
from ostiary.pages.account.parts import CREDENTIALS, draw
from ostiary.pages.account.proving import read_proof
from ostiary.pages.account.values import Kind, Written, read, write
from ostiary.pages.credentials import at_fault, is_secret
from ostiary.pages.declaring import Pages
from ostiary.pages.languages import mark
from ostiary.pages.problems import Mistaken, Problem, Refused, status_of
from ostiary.pages.visit import Visit
from ostiary.pages.ways import Way, way
from ostiary.request import Answer

pages = Pages()

PATH = CREDENTIALS.path + "/{strategy}/change"
NEEDS = "auth:updateMyCredentials"

UNCHANGED = mark("You have changed nothing.")
KEPT = mark("Left empty, it stays as it is.")
LINES = mark("One on each line.")


@pages.get(PATH, needs=NEEDS)
async def form(visit: Visit) -> Answer:
    """Show what can be changed, short of what is secret."""
    return _shown(visit, await _held(visit))


@pages.post(PATH, needs=NEEDS)
async def change(visit: Visit) -> Answer:
    """Change the fields that are another now."""
    one = await _held(visit)
    try:
        body = _wanted(visit, one)
    except Mistaken as mistake:
        return _shown(visit, one, mistake, mistake.field)
    if not body:
        return _shown(visit, one, Mistaken(UNCHANGED))
    body |= read_proof(visit, [one.about])
    try:
        await visit.call("auth", "updateMyCredentials", body, strategy=one.name)
    except Refused as refused:
        names = [field["name"] for field in [*one.fields, *one.about["proof"]]]
        return _shown(visit, one, refused, at_fault(refused, names))
    return visit.redirect(CREDENTIALS.path, done="way-changed")


async def _held(visit: Visit) -> Way:
    """Return the strategy that stands in the path.

    :raises errors.UrlNotFound: I hold nothing of it, or nothing that a form could change.
    """
    one = await way(visit)
    if not (one.held and one.fields):
        raise errors.UrlNotFound(visit.path)
    return one


def _wanted(visit: Visit, one: Way) -> dict[str, Any]:
    """Return the fields that are to be another; what is emptied is null.

    :raises Mistaken: a field has to be filled in otherwise.
    """
    found = {}
    for field, before in _written(one):
        text = visit.form.text(before.name).replace("\r\n", "\n")
        if text == before.text:
            continue
        wanted = Written(before.name, before.kind, text)
        found[before.name] = read(wanted) if text or is_secret(field) else None
    return found


def _written(one: Way) -> list[tuple[dict[str, Any], Written]]:
    """Return the fields of a form, each with what stands in it at first."""
    return [(field, _before(field, one.value_of(field["name"]))) for field in one.fields]


def _before(field: dict[str, Any], value: Any) -> Written:
    name = field["name"]
    if value is not None and not is_secret(field):
        return write(name, value)
    kind: Kind = "json" if field["kind"] in ("json", "number") else "text"
    return Written(name, kind, "")


def _drawn(visit: Visit, field: dict[str, Any], before: Written) -> dict[str, Any]:
    """Return how a field is drawn in this form: what shows nothing may be left out."""
    more = KEPT if is_secret(field) else LINES if before.kind == "lines" else None
    words = " ".join(visit.say(one) for one in (field["help"], more) if one)
    kind = "json" if before.long else field["kind"]
    required = field["required"] and before.text != ""
    return {**field, "kind": kind, "required": required, "help": words}


def _shown(
    visit: Visit, one: Way, problem: Problem | None = None, fault: str | None = None
) -> Answer:
    """Show the form.

    :param problem: why nothing was changed.
    :param fault: the field that it is about; None if it is none of them.
    """
    again = visit.verb == "POST"
    fields = []
    for field, before in _written(one):
        typed = visit.form.text(before.name) if again else before.text
        fields.append((_drawn(visit, field, before), "" if is_secret(field) else typed))
    return draw(
        visit,
        "account/change.html",
        status_of(problem),
        way=one,
        fields=fields,
        fault=fault,
        problem=problem,
    )
