"""The first minute: a page that makes the first administrator, and what comes after.

The secret for it comes in the fragment of the link that a new server prints (decision 8). A script
puts it into a form; from then on it stands in that form only, and in nothing that is kept.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from ostiary import errors
from ostiary.dispatch import SETUP_HEADER
from ostiary.pages import self_service
from ostiary.pages.credentials import asked_for, at_fault, read_fields
from ostiary.pages.declaring import Pages
from ostiary.pages.onward import Onward
from ostiary.pages.problems import Refused, status_of
from ostiary.pages.sign_in import step
from ostiary.pages.visit import Visit
from ostiary.pages.ways import ways
from ostiary.request import Answer

pages = Pages()

CREATE = ("security", "createFirstAdmin")
EXISTS = ("server", "adminExists")
NO_RIGHT = "security.rights."
"""How the ids of errors begin that say that a secret opens nothing."""

WELCOME = "/-/setup/welcome"
SECRET, NAME, KUID, RESET, OWN = (
    "setup.secret",
    "setup.name",
    "setup.kuid",
    "setup.reset",
    "setup.own",
)
"""Fields of the form; what a strategy calls its own never has a dot."""


@pages.get("/-/setup", public=True, arrival=True)
@pages.get("/-/setup/secret", public=True, arrival=True)
async def setup(visit: Visit) -> Answer:
    """Ask for the setup secret, or go on where none is needed."""
    if await _is_done(visit):
        return _done(visit)
    if visit.may(*CREATE):
        return await _offered(visit)
    return visit.page("setup/secret.html", wrong=False)


@pages.post("/-/setup/secret", public=True)
async def open_setup(visit: Visit) -> Answer:
    """Take the setup secret, and ask who the first administrator is to be."""
    try:
        # Nobody is made of nothing; but who does not hold the secret hears something else.
        await visit.ask(*CREATE, {}, also=_header(visit))
    except Refused as refused:
        if (closed := _closed(visit, refused)) is not None:
            return closed
    return await _offered(visit)


@pages.post("/-/setup", public=True)
async def make(visit: Visit) -> Answer:
    """Make the first administrator, and sign them in by what they have just given."""
    strategy = next(
        (
            one
            for one in await _strategies(visit)
            if one["name"] == visit.form.text("setup.strategy")
        ),
        None,
    )
    if strategy is None:
        return await _offered(visit)
    content = {"name": visit.form.text(NAME)} if visit.form.text(NAME) else {}
    try:
        fields = read_fields(visit.form, asked_for(strategy, "registration"))
        await visit.ask(
            *CREATE,
            {"content": content, "credentials": {strategy["name"]: fields}},
            also=_header(visit),
            _id=visit.form.text(KUID).strip() or None,
            reset=visit.form.text(RESET) == "yes" or None,
        )
    except Refused as refused:
        closed = _closed(visit, refused)
        return closed or await _offered(visit, refused, strategy)
    return await _sign_in(visit, strategy)


@pages.get(WELCOME)
async def welcome(visit: Visit) -> Answer:
    """Lead on: to other ways to sign in, to one's account, to the console."""
    return visit.page(
        "setup/welcome.html",
        others=[one.about for one in await ways(visit) if not one.held],
        own=await self_service.is_granted(visit),
        console=bool(visit.site.sections),
    )


@pages.post("/-/setup/own-account", needs="security:updateRole")
async def let_users(visit: Visit) -> Answer:
    """Let users look after their own accounts."""
    await self_service.grant(visit)
    return visit.redirect(WELCOME, done="saved")


async def _offered(
    visit: Visit, refused: Refused | None = None, tried: dict[str, Any] | None = None
) -> Answer:
    """Return the form; after a refusal with all that was typed, short of what is secret."""
    strategies = await _strategies(visit)
    fault = None if refused is None or tried is None else at_fault(refused, _asked(tried))
    return visit.page(
        "setup/form.html",
        status_of(refused),
        strategies=strategies,
        refused=refused,
        fault=fault,
        tried=None if tried is None else tried["name"],
        secret=visit.form.text(SECRET),
        is_open=visit.may(*CREATE),
        again=refused is not None,
        typed=[name for name in visit.form if visit.form.text(name)],
    )


async def _sign_in(visit: Visit, strategy: dict[str, Any]) -> Answer:
    """Sign the new administrator in, in as many steps as it takes, and do what they have asked for.

    The administrator is there; whatever goes wrong after that can be done again.
    """
    before, where = visit.token, Onward(then=f"{WELCOME}?done=administrator")
    answer = await step(
        visit, where, strategy["name"], read_fields(visit.form, asked_for(strategy, "login"))
    )
    if visit.token != before and visit.form.text(OWN) == "yes":
        with suppress(Refused):
            await self_service.grant(visit)
    return answer


async def _strategies(visit: Visit) -> list[dict[str, Any]]:
    """Return the strategies whose credentials can be typed into a form, and then sign in by one."""
    return [
        one
        for one in await visit.strategies()
        if not one["redirects"] and asked_for(one, "registration")
    ]


async def _is_done(visit: Visit) -> bool:
    """Tell whether there is an administrator, to who may know."""
    if not visit.may(*EXISTS):
        return False
    return bool((await visit.call(*EXISTS))["exists"])


def _closed(visit: Visit, refused: Refused) -> Answer | None:
    """Return what to tell who comes too late, or with a wrong secret; None if it is not that."""
    if refused.id == errors.AdminExists.id:
        return _done(visit, refused.status)
    if refused.id.startswith(NO_RIGHT):
        return visit.page("setup/secret.html", refused.status, wrong=True)
    return None


def _done(visit: Visit, status: int = 200) -> Answer:
    return visit.page("setup/done.html", status)


def _asked(strategy: dict[str, Any]) -> list[str]:
    return [field["name"] for field in asked_for(strategy, "registration")]


def _header(visit: Visit) -> dict[bytes, bytes]:
    secret = visit.form.text(SECRET).strip()
    return {SETUP_HEADER.encode(): secret.encode("ascii", "replace")} if secret else {}
