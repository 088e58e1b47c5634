"""Proving that a name of mine is mine, such as an e-mail address, by the forms of its strategy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from ostiary import errors
from ostiary.pages.account.parts import CREDENTIALS, draw
from ostiary.pages.credentials import at_fault, is_verified
from ostiary.pages.declaring import Pages
from ostiary.pages.problems import Refused, status_of
from ostiary.pages.rendering import segment
from ostiary.pages.strategy_forms import code_in, open_beside, run, session_in
from ostiary.pages.visit import Visit
from ostiary.pages.ways import Way, way
from ostiary.request import Answer

pages = Pages()

PATH = CREDENTIALS.path + "/{strategy}/names/{place}"
NEEDS = "auth:getMyCredentials"

VALUE = "form.value"
"""The hidden field with the name: what stands at a place may be another by the time it is sent."""

SENT = "sent"
"""What follows in the address behind a form that was sent, and has not verified the name yet."""


class Name(Struct, frozen=True):
    """A name that my credentials list.

    :ivar place: where it stands among them, from 0.
    :ivar forms: those that my account offers beside it, as ``auth:describeStrategies`` describes
        them; none once it is verified.
    """

    way: Way
    place: int
    value: str
    forms: list[dict[str, Any]]

    @property
    def path(self) -> str:
        """The address of its page."""
        return f"{CREDENTIALS.path}/{segment(self.way.name)}/names/{self.place}"


def verifiable(visit: Visit, one: Way) -> set[int]:
    """Return the places of the names for which there is a form."""
    return {name.place for name in _names(visit, one) if name.forms}


@pages.get(PATH, needs=NEEDS)
async def show(visit: Visit) -> Answer:
    """Show the forms for a name."""
    place = visit.values["place"]
    for name in _names(visit, await way(visit)):
        if str(name.place) == place:
            return _shown(visit, name) if name.forms else visit.redirect(CREDENTIALS.path)
    raise errors.UrlNotFound(visit.path)


@pages.post(PATH + "/{form}", needs=NEEDS)
async def send(visit: Visit) -> Answer:
    """Do what a form is for; it leads back to the name until that is verified."""
    name = await _sent(visit)
    form = next((one for one in name.forms if one["name"] == visit.values["form"]), None)
    if form is None:
        raise errors.UrlNotFound(visit.path)
    member = form["value"]
    also = {} if member is None else {member: name.value}
    try:
        told = await run(visit, form, **also)
    except Refused as refused:
        return _shown(visit, name, form, refused)
    session = session_in(told)
    if session is not None:
        visit.keep(session["jwt"], session["expiresAt"])
    now = (await way(visit)).names
    if any(one["value"] == name.value and not is_verified(one) for one in now):
        return visit.redirect(f"{name.path}?{SENT}={form['name']}")
    # A code may have been for somebody else, who has the name now.
    known = [one["value"] for one in name.way.names if is_verified(one)]
    is_mine = any(is_verified(one) and one["value"] not in known for one in now)
    return visit.redirect(CREDENTIALS.path, done="verified" if is_mine else None)


def _names(visit: Visit, one: Way) -> list[Name]:
    """Return the names that credentials list; of a text, as a name has to be."""
    return [
        Name(
            one,
            place,
            name["value"],
            [] if is_verified(name) else open_beside(visit, one.about, name["kind"]),
        )
        for place, name in enumerate(one.names)
        if isinstance(name["value"], str) and isinstance(name["kind"], str)
    ]


async def _sent(visit: Visit) -> Name:
    """Return the name that a form was sent for.

    :raises errors.UrlNotFound: it is none of mine.
    """
    value = visit.form.text(VALUE)
    for name in _names(visit, await way(visit)):
        if name.value == value:
            return name
    raise errors.UrlNotFound(visit.path)


def _shown(
    visit: Visit,
    name: Name,
    form: Mapping[str, Any] | None = None,
    refused: Refused | None = None,
) -> Answer:
    """Show the forms; first those that are left to be sent.

    :param form: the one that was refused.
    """
    sent = visit.query.text(SENT)
    done = next((one for one in name.forms if one["name"] == sent), None)
    fields = [] if form is None else [one["name"] for one in form["fields"]]
    return draw(
        visit,
        "account/verify.html",
        status_of(refused),
        of=name,
        forms=sorted(name.forms, key=lambda one: one is done),
        done=done,
        at=form,
        code="" if form is None else code_in(visit, form),
        refused=refused,
        fault=None if refused is None else at_fault(refused, fields),
        hidden=VALUE,
    )
