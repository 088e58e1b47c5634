"""How one user comes in: their credentials of each strategy, their sessions, their API keys."""

from __future__ import annotations

from ostiary import errors
from ostiary.pages.console.users.forms import credentials_of
from ostiary.pages.console.users.one import run, shown
from ostiary.pages.console.users.paths import ONE, address_of
from ostiary.pages.declaring import Pages
from ostiary.pages.languages import mark
from ostiary.pages.linked import Linked
from ostiary.pages.problems import Mistaken, Problem, Refused, status_of
from ostiary.pages.visit import Visit
from ostiary.pages.ways import Way, ways_of
from ostiary.request import Answer

pages = Pages()

CREDENTIALS = f"{ONE}/credentials/{{strategy}}"
UNCONFIRMED = mark("Nothing else would let this user in.")


@pages.post(CREDENTIALS, needs="security:getCredentials")
async def write_credentials(visit: Visit) -> Answer:
    """Give a user credentials of a strategy, or change some fields of theirs."""
    way, _ = await _held(visit)
    if way.refused is not None:
        # Whether there are any, and so what is to be done, is not known.
        return await shown(visit, way.refused)
    action = "createCredentials" if way.seen is None else "updateCredentials"
    fields = credentials_of(visit, way.about)
    if not fields:
        return await shown(visit, Mistaken(mark("Nothing was filled in.")))
    return await run(visit, "saved", action, fields, strategy=way.name, _id=visit.values["id"])


@pages.get(f"{CREDENTIALS}/delete", needs="security:deleteCredentials")
async def ask_to_delete_credentials(visit: Visit) -> Answer:
    """Say what taking credentials away does to their user."""
    return await _ask(visit)


@pages.post(f"{CREDENTIALS}/delete", needs="security:deleteCredentials")
async def delete_credentials(visit: Visit) -> Answer:
    """Take credentials away; the last way in only from who was told so."""
    way, others = await _held(visit)
    confirmed = visit.form.text("last") == "yes"
    if not confirmed and _is_last(others):
        return await _ask(visit, Mistaken(UNCONFIRMED))
    kuid = visit.values["id"]
    try:
        await visit.call(
            "security", "deleteCredentials", strategy=way.name, _id=kuid, force=confirmed or None
        )
    except Refused as problem:
        return await _ask(visit, problem)
    return visit.redirect(address_of(kuid), done="deleted")


@pages.get(f"{CREDENTIALS}/take", needs="security:getCredentials")
async def ask_to_take_one(visit: Visit) -> Answer:
    """Say what taking one of several credentials away does to their user."""
    return await _ask_of_one(visit)


@pages.post(f"{CREDENTIALS}/take", needs="security:getCredentials")
async def take_one(visit: Visit) -> Answer:
    """Take one of several away; the last way in only from who was told so."""
    way, others = await _held(visit)
    one, kuid = _meant(visit, way), visit.values["id"]
    confirmed = visit.form.text("last") == "yes"
    if not confirmed and _is_last(others, way):
        return await _ask_of_one(visit, Mistaken(UNCONFIRMED))
    args = {"strategy": way.name, "_id": kuid, **one.named}
    try:
        await visit.call(**way.about["each"]["take"], force=confirmed or None, **args)
    except Refused as problem:
        return await _ask_of_one(visit, problem)
    return visit.redirect(address_of(kuid), done="deleted")


@pages.post(f"{ONE}/sessions", needs="security:getSessions")
async def end_sessions(visit: Visit) -> Answer:
    """End one session of a user, or all."""
    kuid, session = visit.values["id"], visit.form.text("session")
    if session:
        return await run(visit, "ended", "revokeSession", userId=kuid, _id=session)
    return await run(visit, "ended", "revokeTokens", _id=kuid)


@pages.post(f"{ONE}/keys", needs="security:createApiKey")
async def make_key(visit: Visit) -> Answer:
    """Make an API key, which is shown this once."""
    try:
        made = await visit.call(
            "security",
            "createApiKey",
            {"description": visit.form.text("description")},
            userId=visit.values["id"],
            expiresIn=visit.form.text("expiresIn").strip() or None,
        )
    except Refused as problem:
        return await shown(visit, problem)
    return await shown(visit, made=made)


@pages.post(f"{ONE}/keys/delete", needs="security:deleteApiKey")
async def delete_key(visit: Visit) -> Answer:
    """Delete an API key."""
    kuid, key = visit.values["id"], visit.form.text("key")
    return await run(visit, "deleted", "deleteApiKey", userId=kuid, _id=key)


async def _ask(visit: Visit, problem: Problem | None = None) -> Answer:
    way, others = await _held(visit)
    return _asked(visit, way, None, problem, last=_is_last(others))


async def _ask_of_one(visit: Visit, problem: Problem | None = None) -> Answer:
    way, others = await _held(visit)
    return _asked(visit, way, _meant(visit, way), problem, last=_is_last(others, way))


def _asked(
    visit: Visit, way: Way, one: Linked | None, problem: Problem | None, *, last: bool
) -> Answer:
    """Ask whether it is meant to take credentials away.

    :param one: one of several; None for all of the strategy.
    """
    kuid = visit.values["id"]
    # What else there is may be hidden from who asks; the server has looked.
    refused = isinstance(problem, Refused) and problem.id == errors.LastWayIn.id
    return visit.page(
        "console/users/credentials_delete.html",
        status_of(problem),
        kuid=kuid,
        here=address_of(kuid),
        way=way,
        one=one,
        last=last or refused,
        problem=problem,
    )


async def _held(visit: Visit) -> tuple[Way, list[Way]]:
    """Return what the user holds of the strategy in the path, and of the others.

    :raises errors.UrlNotFound: it is not installed.
    """
    name = visit.values["strategy"]
    ways = await ways_of(visit, visit.values["id"])
    for way in ways:
        if way.name == name:
            return way, [one for one in ways if one is not way]
    raise errors.UrlNotFound(visit.path)


def _meant(visit: Visit, way: Way) -> Linked:
    """Return which one of several the form names, or the address.

    :raises errors.UrlNotFound: the user has none such.
    """
    one = way.meant(visit.fields)
    if one is None:
        raise errors.UrlNotFound(visit.path)
    return one


def _is_last(others: list[Way], way: Way | None = None) -> bool:
    """Tell whether nothing else would let the user in.

    :param way: of which one of several goes; None where all of it does.
    """
    several = way is not None and len(way.each) > 1
    return not several and not any(one.held for one in others)
