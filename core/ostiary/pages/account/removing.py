"""Giving up a way to sign in, or one of several credentials; the last not without a warning."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from ostiary import errors
from ostiary.pages.account.parts import CREDENTIALS, draw
from ostiary.pages.account.proving import read_proof
from ostiary.pages.credentials import at_fault
from ostiary.pages.declaring import Pages
from ostiary.pages.languages import mark
from ostiary.pages.linked import Linked
from ostiary.pages.problems import WITHHELD, Mistaken, Problem, Refused, status_of
from ostiary.pages.rendering import segment
from ostiary.pages.visit import Visit
from ostiary.pages.ways import Way, is_last, way
from ostiary.request import Answer

pages = Pages()

PATH = CREDENTIALS.path + "/{strategy}/remove"
NEEDS, NEEDS_ONE = "auth:deleteMyCredentials", "auth:getMyCredentials"
ONE = CREDENTIALS.path + "/{strategy}/remove-one"
FORBIDDEN = 403

CONFIRMED = "confirm.last"
"""The box that is ticked by who gives up the last way in."""

UNCONFIRMED = mark("Tick the box if you really want to give up your last way to sign in.")


class Target(Struct, frozen=True):
    """What is to be given up.

    :ivar one: one of several credentials; None for all of the strategy.
    """

    way: Way
    one: Linked | None = None

    @property
    def path(self) -> str:
        """Where it is asked for, and confirmed."""
        what = "remove" if self.one is None else "remove-one"
        return f"{CREDENTIALS.path}/{segment(self.way.name)}/{what}"

    async def is_last(self, visit: Visit) -> bool:
        """Tell whether nothing else would let me in."""
        others = self.one is not None and len(self.way.each) > 1
        return not others and await is_last(visit, self.way)

    async def give_up(self, visit: Visit, *, force: bool) -> None:
        """Give it up, with what was typed as a proof.

        :param force: also the last way in, whatever the strategy says.
        :raises Refused: the server has refused.
        """
        proof: dict[str, Any] = dict(read_proof(visit, [self.way.about]))
        args: dict[str, Any] = {"strategy": self.way.name, "force": force or None}
        if self.one is None:
            await visit.call("auth", "deleteMyCredentials", proof, **args)
        else:
            action = self.way.about["each"]["giveUp"]
            await visit.call(**action, body=proof or None, **args, **self.one.named)


@pages.get(PATH, needs=NEEDS)
async def ask(visit: Visit) -> Answer:
    """Ask whether it is meant, and say what comes of it."""
    return await _asked(visit, Target(await _held(visit)))


@pages.post(PATH, needs=NEEDS)
async def remove(visit: Visit) -> Answer:
    """Give the credentials up; the last ones, whatever the strategy says, if that was confirmed."""
    return await _removed(visit, Target(await _held(visit)), "way-removed")


@pages.get(ONE, needs=NEEDS_ONE)
async def ask_one(visit: Visit) -> Answer:
    """Ask the same of one of several."""
    return await _asked(visit, await _one(visit))


@pages.post(ONE, needs=NEEDS_ONE)
async def remove_one(visit: Visit) -> Answer:
    """Give one of several up, likewise."""
    return await _removed(visit, await _one(visit), "one-removed")


async def _held(visit: Visit) -> Way:
    """Return the strategy that stands in the path.

    :raises errors.UrlNotFound: I hold nothing of it.
    """
    one = await way(visit)
    if not one.held:
        raise errors.UrlNotFound(visit.path)
    return one


async def _one(visit: Visit) -> Target:
    """Return which one of several the form names, or the address.

    :raises errors.UrlNotFound: there is none.
    :raises Refused: I may give none up.
    """
    held = await _held(visit)
    one = held.meant(visit.fields)
    if one is None:
        raise errors.UrlNotFound(visit.path)
    if not visit.may(**held.about["each"]["giveUp"]):
        raise Refused(FORBIDDEN, {"message": visit.say(WITHHELD)}, {})
    return Target(held, one)


async def _asked(visit: Visit, target: Target) -> Answer:
    return _shown(visit, target, last=await target.is_last(visit))


async def _removed(visit: Visit, target: Target, done: str) -> Answer:
    confirmed = CONFIRMED in visit.form
    if not confirmed and await target.is_last(visit):
        return _shown(visit, target, Mistaken(UNCONFIRMED), CONFIRMED, last=True)
    try:
        await target.give_up(visit, force=confirmed)
    except Refused as refused:
        return await _refused(visit, target, refused)
    return visit.redirect(CREDENTIALS.path, done=done)


async def _refused(visit: Visit, target: Target, refused: Refused) -> Answer:
    names = [field["name"] for field in target.way.about["proof"]]
    last = refused.id == errors.LastWayIn.id or await target.is_last(visit)
    return _shown(visit, target, refused, at_fault(refused, names), last=last)


def _shown(
    visit: Visit,
    target: Target,
    problem: Problem | None = None,
    fault: str | None = None,
    *,
    last: bool,
) -> Answer:
    return draw(
        visit,
        "account/remove.html",
        status_of(problem),
        target=target,
        way=target.way,
        last=last,
        confirmed=CONFIRMED,
        fault=fault,
        problem=problem,
    )
