"""Tokens: everything that lets anybody in now, the sessions of all users and their API keys."""

from __future__ import annotations

from collections.abc import Sequence

from ostiary.pages.console.looking import address, given
from ostiary.pages.console.meaning import Meant, resolved
from ostiary.pages.declaring import Pages, Section
from ostiary.pages.languages import mark
from ostiary.pages.problems import Refused, status_of
from ostiary.pages.visit import Visit
from ostiary.request import Answer

PATH = "/-/console/tokens"
SIZE = 30
FILTERS = ("kind", "user", "strategy", "address")
API_KEY = "apiKey"

pages = Pages(Section(PATH, mark("Tokens"), "security:searchSessions"))


@pages.get(PATH)
async def tokens(visit: Visit) -> Answer:
    """Show sessions or API keys, those that were issued last first."""
    sought, meant = await resolved(visit, PATH, given(visit.query, FILTERS), ("user",))
    return await _shown(visit, sought, visit.query.text("next"), meant=meant)


@pages.post(f"{PATH}/end")
async def end(visit: Visit) -> Answer:
    """End one session, or one API key."""
    keys = given(visit.form, FILTERS).get("kind") == API_KEY
    action = "deleteApiKey" if keys else "revokeSession"
    return await _ended(visit, action, userId=visit.form.text("owner"), _id=visit.form.text("id"))


@pages.post(f"{PATH}/end-all", needs="security:revokeTokens")
async def end_all(visit: Visit) -> Answer:
    """End every session of a user; their API keys stay."""
    return await _ended(visit, "revokeTokens", _id=visit.form.text("owner"))


async def _ended(visit: Visit, action: str, **args: str) -> Answer:
    sought = given(visit.form, FILTERS)
    try:
        await visit.call("security", action, **args)
    except Refused as refused:
        return await _shown(visit, sought, refused=refused)
    return visit.redirect(address(PATH, sought), done="ended")


async def _shown(
    visit: Visit,
    sought: dict[str, str],
    after: str = "",
    *,
    meant: Sequence[Meant] = (),
    refused: Refused | None = None,
) -> Answer:
    keys = sought.get("kind") == API_KEY
    # What keys have not, they are not searched by.
    asked = {name: sought[name] for name in ("kind", "user") if name in sought} if keys else sought
    body = asked | {"search_after": after} if after else asked
    found = await visit.call("security", "searchSessions", body, size=SIZE)
    following = found["next"]
    return visit.page(
        "console/tokens.html",
        status_of(refused),
        sought=sought,
        meant=meant,
        keys=keys,
        found=found,
        strategies=await visit.strategies(),
        refused=refused,
        first=not after,
        start=address(PATH, sought),
        next=None if following is None else address(PATH, sought, {"next": following}),
        can_end=visit.may("security", "deleteApiKey" if keys else "revokeSession"),
    )
