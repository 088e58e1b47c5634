"""My account: who I am, how I prove it, where I am signed in."""

from __future__ import annotations

from ostiary.pages.declaring import Pages
from ostiary.pages.visit import Visit
from ostiary.request import Answer

pages = Pages()


@pages.get("/-/account")
async def account(visit: Visit) -> Answer:
    """Show who is signed in."""
    return visit.page("account.html")
