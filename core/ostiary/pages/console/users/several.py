"""Doing something with several users of the list at once."""

from __future__ import annotations

from collections.abc import Mapping

from ostiary.pages.console.users.paths import LIST, SEVERAL
from ostiary.pages.declaring import Pages
from ostiary.pages.problems import Refused
from ostiary.pages.visit import Visit
from ostiary.request import Answer

PARTIAL = 206

pages = Pages()

ACTIONS: Mapping[str, str] = {
    "disable": "security:disableUser",
    "enable": "security:enableUser",
    "delete": "security:mDeleteUsers",
}
"""What is done with several users at once, and the action that does it."""


@pages.post(SEVERAL, needs="security:searchUsers")
async def several(visit: Visit) -> Answer:
    """Disable, enable or delete the users that are ticked, once that is confirmed."""
    what, kuids = visit.form.text("do"), list(dict.fromkeys(visit.form.all("kuid")))
    if what not in ACTIONS or not kuids:
        return visit.redirect(LIST)
    if visit.form.text("confirmed") != "yes":
        return visit.page("console/users/several.html", what=what, kuids=kuids, failed=None)
    failed = await (_delete if what == "delete" else _switch)(visit, what, kuids)
    if failed:
        return visit.page(
            "console/users/several.html", PARTIAL, what=what, kuids=kuids, failed=failed
        )
    return visit.redirect(LIST, done="deleted" if what == "delete" else "saved")


async def _switch(visit: Visit, what: str, kuids: list[str]) -> list[Refused]:
    failed = []
    for kuid in kuids:
        try:
            await visit.call("security", f"{what}User", _id=kuid)
        except Refused as refused:
            failed.append(refused)
    return failed


async def _delete(visit: Visit, _what: str, kuids: list[str]) -> list[Refused]:
    try:
        await visit.call("security", "mDeleteUsers", {"ids": kuids})
    except Refused as refused:
        each = refused.error.get("errors")
        if not isinstance(each, list):
            raise
        return [Refused(int(one["status"]), one, refused.headers) for one in each]
    return []
