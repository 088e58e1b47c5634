"""Giving up a way to sign in; the last one not without a warning."""

from __future__ import annotations

from typing import Any

from ostiary import errors
from ostiary.pages.account.parts import CREDENTIALS, draw
from ostiary.pages.account.proving import read_proof
from ostiary.pages.credentials import at_fault
from ostiary.pages.declaring import Pages
from ostiary.pages.languages import mark
from ostiary.pages.visit import Refused, Visit
from ostiary.pages.ways import Way, is_last, way
from ostiary.pages.wording import explained
from ostiary.request import Answer

pages = Pages()

PATH = CREDENTIALS.path + "/{strategy}/remove"
NEEDS = "auth:deleteMyCredentials"
UNPROCESSABLE = 422

CONFIRMED = "confirm.last"
"""The box that is ticked by who gives up the last way in."""

UNCONFIRMED = mark("Tick the box if you really want to give up your last way to sign in.")


@pages.get(PATH, needs=NEEDS)
async def ask(visit: Visit) -> Answer:
    """Ask whether it is meant, and say what comes of it."""
    one = await _held(visit)
    return _shown(visit, one, last=await is_last(visit, one))


@pages.post(PATH, needs=NEEDS)
async def remove(visit: Visit) -> Answer:
    """Give the credentials up; the last ones, whatever the strategy says, if that was confirmed."""
    one = await _held(visit)
    confirmed = CONFIRMED in visit.form
    if not confirmed and await is_last(visit, one):
        text = visit.say(UNCONFIRMED)
        return _shown(visit, one, UNPROCESSABLE, CONFIRMED, text, last=True)
    body: dict[str, Any] = dict(read_proof(visit, [one.about]))
    try:
        await visit.call(
            "auth", "deleteMyCredentials", body, strategy=one.name, force=confirmed or None
        )
    except Refused as refused:
        return await _refused(visit, one, refused)
    return visit.redirect(CREDENTIALS.path, done="way-removed")


async def _held(visit: Visit) -> Way:
    """Return the strategy that stands in the path.

    :raises errors.UrlNotFound: I hold nothing of it.
    """
    one = await way(visit)
    if not one.held:
        raise errors.UrlNotFound(visit.path)
    return one


async def _refused(visit: Visit, one: Way, refused: Refused) -> Answer:
    names = [field["name"] for field in one.about["proof"]]
    last = refused.id == errors.LastWayIn.id or await is_last(visit, one)
    text = explained(visit, refused)
    return _shown(visit, one, refused.status, at_fault(refused, names), text, last=last)


def _shown(
    visit: Visit,
    one: Way,
    status: int = 200,
    fault: str | None = None,
    text: str = "",
    *,
    last: bool,
) -> Answer:
    return draw(
        visit,
        "account/remove.html",
        status,
        way=one,
        last=last,
        confirmed=CONFIRMED,
        fault=fault,
        text=text,
    )
