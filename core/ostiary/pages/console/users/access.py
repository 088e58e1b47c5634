"""How one user comes in: their credentials of each strategy, their sessions, their API keys."""

from __future__ import annotations

from ostiary import errors
from ostiary.pages.console.users.forms import credentials_of
from ostiary.pages.console.users.one import run, shown
from ostiary.pages.console.users.parts import Parts
from ostiary.pages.console.users.paths import ONE, address_of
from ostiary.pages.declaring import Pages
from ostiary.pages.languages import mark
from ostiary.pages.linked import Linked
from ostiary.pages.problems import Mistaken, Refused, status_of
from ostiary.pages.visit import Visit
from ostiary.pages.ways import Way
from ostiary.request import Answer

pages = Pages()

CREDENTIALS = f"{ONE}/credentials/{{strategy}}"
MISSING = 404


@pages.post(CREDENTIALS, needs="security:getCredentials")
async def write_credentials(visit: Visit) -> Answer:
    """Give a user credentials of a strategy, or change some fields of theirs."""
    kuid, name = visit.values["id"], visit.values["strategy"]
    way = (await Parts.of(visit, kuid)).way(name)
    if way is None:
        return await shown(visit, Mistaken(mark("There is no such strategy.")))
    if way.refused is not None:
        # Whether there are any, and so what is to be done, is not known.
        return await shown(visit, way.refused)
    action = "createCredentials" if way.seen is None else "updateCredentials"
    fields = credentials_of(visit, way.about)
    if not fields:
        return await shown(visit, Mistaken(mark("Nothing was filled in.")))
    return await run(visit, "saved", action, fields, strategy=name, _id=kuid)


@pages.get(f"{CREDENTIALS}/delete", needs="security:deleteCredentials")
async def ask_to_delete_credentials(visit: Visit) -> Answer:
    """Say what taking credentials away does to their user."""
    return await _ask(visit)


@pages.post(f"{CREDENTIALS}/delete", needs="security:deleteCredentials")
async def delete_credentials(visit: Visit) -> Answer:
    """Take credentials away; the last way in only from who was told so."""
    last = visit.form.text("last") == "yes"
    try:
        await visit.call(
            "security",
            "deleteCredentials",
            strategy=visit.values["strategy"],
            _id=visit.values["id"],
            force=last or None,
        )
    except Refused as problem:
        return await _ask(visit, problem)
    return visit.redirect(address_of(visit.values["id"]), done="deleted")


@pages.get(f"{CREDENTIALS}/take", needs="security:getCredentials")
async def ask_to_take_one(visit: Visit) -> Answer:
    """Say what taking one of several credentials away does to their user."""
    return await _ask_of_one(visit)


@pages.post(f"{CREDENTIALS}/take", needs="security:getCredentials")
async def take_one(visit: Visit) -> Answer:
    """Take one of several away; the last way in only from who was told so."""
    _, way, one = await _one(visit)
    args = {"strategy": way.name, "_id": visit.values["id"], **one.named}
    last = visit.form.text("last") == "yes"
    try:
        await visit.call(**way.about["each"]["take"], force=last or None, **args)
    except Refused as problem:
        return await _ask_of_one(visit, problem)
    return visit.redirect(address_of(visit.values["id"]), done="deleted")


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


async def _one(visit: Visit) -> tuple[Parts, Way, Linked]:
    """Return what belongs to the user, and which one of several the form names, or the address.

    :raises errors.UrlNotFound: the user has none such.
    """
    parts = await Parts.of(visit, visit.values["id"])
    way = parts.way(visit.values["strategy"])
    one = None if way is None else way.meant(visit.fields)
    if way is None or one is None:
        raise errors.UrlNotFound(visit.path)
    return parts, way, one


async def _ask_of_one(visit: Visit, problem: Refused | None = None) -> Answer:
    parts, way, one = await _one(visit)
    last = parts.ways_in <= 1 and len(way.each) <= 1
    return _asked(visit, way, one, problem, last=last)


async def _ask(visit: Visit, problem: Refused | None = None) -> Answer:
    parts = await Parts.of(visit, visit.values["id"])
    way = parts.way(visit.values["strategy"])
    if way is None:
        return await shown(visit, Mistaken(mark("There is no such strategy.")))
    return _asked(visit, way, None, problem, last=parts.ways_in <= 1)


def _asked(
    visit: Visit, way: Way, one: Linked | None, problem: Refused | None, *, last: bool
) -> Answer:
    """Ask whether it is meant to take credentials away.

    :param one: one of several; None for all of the strategy.
    """
    return visit.page(
        "console/users/credentials_delete.html",
        status_of(problem),
        kuid=visit.values["id"],
        here=address_of(visit.values["id"]),
        way=way,
        one=one,
        last=last,
        problem=problem,
    )
