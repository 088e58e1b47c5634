"""Taking credentials away from a user: all of a strategy, or one of several."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from ostiary import errors
from ostiary.pages.console.users.paths import CREDENTIALS, address_of
from ostiary.pages.declaring import Pages
from ostiary.pages.languages import mark
from ostiary.pages.linked import Linked
from ostiary.pages.problems import Mistaken, Problem, Refused, status_of
from ostiary.pages.visit import Visit
from ostiary.pages.ways import Way, ways_of
from ostiary.request import Answer

pages = Pages()

UNCONFIRMED = mark("Nothing else would let this user in.")


class Taking(Struct, frozen=True):
    """What is to be taken away.

    :ivar one: one of several; None for all of the strategy.
    :ivar last: nothing else would let the user in.
    """

    way: Way
    one: Linked | None
    last: bool

    @property
    def action(self) -> Mapping[str, str]:
        """The action that does it."""
        if self.one is None:
            return {"controller": "security", "action": "deleteCredentials"}
        action: Mapping[str, str] = self.way.about["each"]["take"]
        return action


@pages.get(f"{CREDENTIALS}/delete", needs="security:deleteCredentials")
async def ask_to_delete_credentials(visit: Visit) -> Answer:
    """Say what taking credentials away does to their user."""
    return _asked(visit, await _all(visit))


@pages.post(f"{CREDENTIALS}/delete", needs="security:deleteCredentials")
async def delete_credentials(visit: Visit) -> Answer:
    """Take credentials away; the last way in only from who was told so."""
    return await _take(visit, await _all(visit))


@pages.get(f"{CREDENTIALS}/take", needs="security:getCredentials")
async def ask_to_take_one(visit: Visit) -> Answer:
    """Say what taking one of several credentials away does to their user."""
    return _asked(visit, await _one(visit))


@pages.post(f"{CREDENTIALS}/take", needs="security:getCredentials")
async def take_one(visit: Visit) -> Answer:
    """Take one of several away; the last way in only from who was told so."""
    return await _take(visit, await _one(visit))


async def _all(visit: Visit) -> Taking:
    way, others = await held(visit)
    return Taking(way, None, last=not any(one.held for one in others))


async def _one(visit: Visit) -> Taking:
    """Return which one of several the form names, or the address.

    :raises errors.UrlNotFound: the user has none such.
    """
    way, others = await held(visit)
    one = way.meant(visit.fields)
    if one is None:
        raise errors.UrlNotFound(visit.path)
    alone = len(way.each) <= 1 and not any(one.held for one in others)
    return Taking(way, one, last=alone)


async def _take(visit: Visit, taking: Taking) -> Answer:
    confirmed = visit.form.text("last") == "yes"
    if taking.last and not confirmed:
        return _asked(visit, taking, Mistaken(UNCONFIRMED))
    named = {} if taking.one is None else taking.one.named
    args = {"strategy": taking.way.name, "_id": visit.values["id"], **named}
    try:
        await visit.call(**taking.action, force=confirmed or None, **args)
    except Refused as problem:
        return _asked(visit, taking, problem)
    return visit.redirect(address_of(visit.values["id"]), done="deleted")


def _asked(visit: Visit, taking: Taking, problem: Problem | None = None) -> Answer:
    """Ask whether it is meant."""
    kuid = visit.values["id"]
    # What else there is may be hidden from who asks; the server has looked.
    refused = isinstance(problem, Refused) and problem.id == errors.LastWayIn.id
    return visit.page(
        "console/users/credentials_delete.html",
        status_of(problem),
        kuid=kuid,
        here=address_of(kuid),
        way=taking.way,
        one=taking.one,
        last=taking.last or refused,
        problem=problem,
    )


async def held(visit: Visit) -> tuple[Way, list[Way]]:
    """Return what the user holds of the strategy in the path, and of the others.

    :raises errors.UrlNotFound: it is not installed.
    """
    name = visit.values["strategy"]
    ways = await ways_of(visit, visit.values["id"])
    for way in ways:
        if way.name == name:
            return way, [other for other in ways if other is not way]
    raise errors.UrlNotFound(visit.path)
