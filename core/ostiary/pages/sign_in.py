"""Signing in, by whatever is installed and in as many steps as it takes; and signing out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ostiary.pages import strategy_forms
from ostiary.pages.credentials import TYPED_UNSEEN, asked_for, read_fields
from ostiary.pages.declaring import Pages
from ostiary.pages.onward import Onward, leave, onward
from ostiary.pages.problems import Refused, status_of
from ostiary.pages.steps import CHALLENGE, asked, read_answer
from ostiary.pages.visit import Told, Visit
from ostiary.request import Answer

pages = Pages()

ASKED, FORBIDDEN = 202, 403


@pages.get("/", public=True)
async def sign_in(visit: Visit) -> Answer:
    """Offer the strategies that are installed; who is signed in goes on."""
    where = onward(visit)
    if visit.me is None or where.challenge is not None:
        return await offered(visit, where)
    if where.to is None:
        return visit.redirect(where.then)
    return visit.page("go_on.html", where=where)


@pages.post("/-/sign-in/{strategy}", public=True)
async def take(visit: Visit) -> Answer:
    """Take a step of a login."""
    where, name = onward(visit), visit.values["strategy"]
    if CHALLENGE in visit.form:
        return await step(visit, where, name, read_answer(visit))
    known = {one["name"]: one for one in await visit.strategies()}
    body = read_fields(visit.form, asked_for(known[name], "login")) if name in known else {}
    return await step(visit, where, name, body)


@pages.post("/-/sign-out", public=True)
async def sign_out(visit: Visit) -> Answer:
    """End the session."""
    where = onward(visit)
    if visit.token is not None:
        try:
            await visit.call("auth", "logout", cookieAuth=True)
        except Refused as refused:
            if refused.status != FORBIDDEN:
                raise
            # Who lacks the right to end the session must not leave it in a browser of others.
            visit.forget()
            return visit.redirect(where.address_of("/"), done="left")
    return visit.redirect(where.address_of("/"), done="signed-out")


async def step(visit: Visit, where: Onward, name: str, body: Mapping[str, Any]) -> Answer:
    """Take a step of a login, and show what comes next, or what is wrong."""
    wanted = {"strategy": name, **where.arguments(name)}
    try:
        told = await visit.ask("auth", "login", body, as_stranger=True, **wanted)
    except Refused as refused:
        led_on = await strategy_forms.led_on(visit, where, name, refused)
        return led_on or await offered(visit, where, refused, name)
    return _gone_on(visit, where, name, told)


async def offered(
    visit: Visit, where: Onward, refused: Refused | None = None, tried: str = ""
) -> Answer:
    """Show the ways to sign in, after a refusal with what was typed, short of what is secret."""
    strategies = [one for one in await visit.strategies() if one["offered"]]
    return visit.page(
        "sign_in.html",
        status_of(refused),
        strategies=[(one, *_drawn(one), strategy_forms.open_to(visit, one)) for one in strategies],
        refused=refused,
        tried=tried,
        where=where,
    )


def _drawn(strategy: Mapping[str, Any]) -> tuple[list[Any], list[Any]]:
    """Return the fields of a login that are filled in, and those that few have something for.

    Where a provider signs people in, the others are what it sends back.
    """
    fields = asked_for(strategy, "login")
    if strategy["redirects"]:
        return [], [one for one in fields if one["kind"] in TYPED_UNSEEN]
    return [one for one in fields if one["required"]], [
        one for one in fields if not one["required"]
    ]


def _gone_on(visit: Visit, where: Onward, name: str, told: Told) -> Answer:
    result = told.result
    if told.status == ASKED:
        return asked(visit, where, name, result)
    if "statusCode" in result:
        return leave(visit, result["headers"]["Location"])
    if not told.signed_in:
        # It was no login that came to its end, but a link that somebody had begun.
        return visit.redirect(where.then, done="linked")
    if where.to is not None:
        return leave(visit, f"{where.to}#signedIn={name}")
    return visit.redirect(where.then)
