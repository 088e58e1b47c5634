"""Signing in, and signing out."""

from __future__ import annotations

from typing import Any

from ostiary.pages.declaring import Pages
from ostiary.pages.visit import Refused, Visit
from ostiary.request import Answer

pages = Pages()

HOME = "/-/account"


@pages.get("/", public=True)
async def sign_in(visit: Visit) -> Answer:
    """Offer the strategies that are installed."""
    if visit.me is not None and "then" not in visit.query:
        return visit.redirect(HOME)
    return await _offered(visit)


@pages.post("/-/sign-in/{strategy}", public=True)
async def take(visit: Visit) -> Answer:
    """Sign in with a strategy."""
    name = visit.values["strategy"]
    fields = await _login_fields(visit, name)
    body = {one: visit.form.text(one) for one in fields if visit.form.text(one)}
    try:
        await visit.ask("auth", "login", body, strategy=name, cookieAuth=True)
    except Refused as refused:
        return await _offered(visit, refused, name)
    return visit.redirect(_then(visit))


@pages.post("/-/sign-out", public=True)
async def sign_out(visit: Visit) -> Answer:
    """End the session."""
    if visit.token is not None:
        await visit.call("auth", "logout", cookieAuth=True)
    return visit.redirect("/", done="signed-out")


async def _offered(visit: Visit, refused: Refused | None = None, tried: str = "") -> Answer:
    strategies = await visit.site.strategies()
    status = 200 if refused is None else refused.status
    return visit.page(
        "sign_in.html",
        status,
        strategies=strategies,
        refused=refused,
        tried=tried,
        then=_then(visit),
    )


async def _login_fields(visit: Visit, name: str) -> list[str]:
    for one in await visit.site.strategies():
        if one["name"] == name:
            return [field["name"] for field in one["fields"] if field["login"]]
    return []


def _then(visit: Visit) -> str:
    """Return where to go on: a page of ours, whatever stands in the address."""
    given: Any = visit.form.text("then") or visit.query.text("then")
    return given if given.startswith("/-/") and given.isascii() and given.isprintable() else HOME
