"""The ways to sign in that I have, and those that I could have."""

from __future__ import annotations

from ostiary.pages.account.parts import CREDENTIALS, draw, within
from ostiary.pages.account.verifying import verifiable
from ostiary.pages.declaring import Pages
from ostiary.pages.visit import Visit
from ostiary.pages.ways import ways
from ostiary.request import Answer

pages = Pages()


@pages.get(CREDENTIALS.path)
@within(CREDENTIALS)
async def credentials(visit: Visit) -> Answer:
    """Show what I hold of each strategy, and what can be done with it."""
    mine_first = sorted(await ways(visit), key=lambda one: not one.held)
    open_names = {one.name: verifiable(visit, one) for one in mine_first}
    return draw(visit, "account/credentials.html", ways=mine_first, verifiable=open_names)
