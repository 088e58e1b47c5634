"""What lets one user in: giving and changing credentials; ending sessions; making and deleting keys."""

from __future__ import annotations

from ostiary.pages.console.users.forms import credentials_of
from ostiary.pages.console.users.one import run, shown
from ostiary.pages.console.users.paths import CREDENTIALS, ONE
from ostiary.pages.console.users.taking import held
from ostiary.pages.declaring import Pages
from ostiary.pages.languages import mark
from ostiary.pages.problems import Mistaken, Refused
from ostiary.pages.visit import Visit
from ostiary.request import Answer

pages = Pages()


@pages.post(CREDENTIALS, needs="security:getCredentials")
async def write_credentials(visit: Visit) -> Answer:
    """Give a user credentials of a strategy, or change some fields of theirs."""
    way, _ = await held(visit)
    if way.refused is not None:
        # Whether there are any, and so what is to be done, is not known.
        return await shown(visit, way.refused)
    action = "createCredentials" if way.seen is None else "updateCredentials"
    fields = credentials_of(visit, way.about)
    if not fields:
        return await shown(visit, Mistaken(mark("Nothing was filled in.")))
    return await run(visit, "saved", action, fields, strategy=way.name, _id=visit.values["id"])


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
