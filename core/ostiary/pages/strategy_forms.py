"""The forms that strategies declare; those for who cannot sign in are each a page of its own.

A mail leads to one with a code in the fragment; a login may be refused and go on with one. Then the
code stands in a hidden field of what answers the form, and in no address.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ostiary.pages.credentials import at_fault, read_fields
from ostiary.pages.declaring import Pages
from ostiary.pages.onward import Onward, leave, onward
from ostiary.pages.problems import Refused, status_of
from ostiary.pages.visit import Told, Visit
from ostiary.request import Answer
from ostiary.settings import FORMS

pages = Pages()

CODE = "form.code"
"""The field that holds a code; what a strategy calls its own never has a dot."""

FORBIDDEN, MISSING = 403, 404


@pages.get(f"{FORMS}/{{strategy}}/{{form}}", public=True, arrival=True)
async def show(visit: Visit) -> Answer:
    """Show a form."""
    where = onward(visit)
    strategy, form = await _found(visit)
    return _page(visit, where, strategy, form, code=None)


@pages.post(f"{FORMS}/{{strategy}}/{{form}}", public=True)
async def send(visit: Visit) -> Answer:
    """Do what a form is for, and sign in whom that signs in."""
    where = onward(visit)
    strategy, form = await _found(visit)
    try:
        told = await run(visit, form)
    except Refused as refused:
        code = code_in(visit, form)
        return _page(visit, where, strategy, form, code=code, refused=refused)
    session = session_in(told)
    if session is not None:
        return await _signed_in(visit, where, strategy, form, session)
    return _done(visit, where, form)


async def run(visit: Visit, form: Mapping[str, Any], **also: str) -> Told:
    """Run the action of a form with what was filled in.

    :param also: further members of the body.
    :raises Refused: the server has refused.
    """
    body = {**read_fields(visit.form, form["fields"]), **also}
    if form["code"] is not None:
        body[form["code"]] = code_in(visit, form)
    stranger = _strangers(visit, form)
    return await visit.ask(form["controller"], form["action"], body, as_stranger=stranger)


def code_in(visit: Visit, form: Mapping[str, Any]) -> str:
    """Return the code that was sent with a form; whoever pastes the whole link means the code."""
    return visit.form.text(CODE).strip().rpartition(f"#{form['code']}=")[2]


def session_in(told: Told) -> Mapping[str, Any] | None:
    """Return the session that the action of a form has opened; None if it has opened none."""
    result = told.result
    opened = isinstance(result, dict) and isinstance(result.get("jwt"), str)
    return result if opened else None


async def led_on(visit: Visit, where: Onward, name: str, refused: Refused) -> Answer | None:
    """Return the form with which a refused login goes on; None if there is none for it."""
    for strategy in await visit.strategies():
        for form in strategy["forms"] if strategy["name"] == name else ():
            code = refused.error.get(form["refusals"].get(refused.id, ""))
            if isinstance(code, str) and _may(visit, form):
                return _page(visit, where, strategy, form, code=code, refused=refused)
    return None


def open_to(visit: Visit, strategy: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the forms of a strategy that need no code, and that who looks may send."""
    return [one for one in _public(strategy) if one["code"] is None and _may(visit, one)]


def open_beside(visit: Visit, strategy: Mapping[str, Any], kind: str) -> list[dict[str, Any]]:
    """Return the forms for a name of some kind, not verified yet, that who is signed in may send."""
    return [one for one in strategy["forms"] if kind in one["beside"] and _may(visit, one)]


def _public(strategy: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [one for one in strategy["forms"] if not one["signedIn"]]


def _may(visit: Visit, form: Mapping[str, Any]) -> bool:
    """Tell whether who looks may send a form, be it as if they were not signed in."""
    return _strangers(visit, form) or visit.may(form["controller"], form["action"])


def _strangers(visit: Visit, form: Mapping[str, Any]) -> bool:
    return not form["signedIn"] and visit.stranger_may(form["controller"], form["action"])


async def _found(visit: Visit) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the strategy and the form that an address names.

    :raises Refused: there is none, or who looks may not send it.
    """
    for strategy in await visit.strategies():
        for form in _public(strategy):
            if (strategy["name"], form["name"]) == (visit.values["strategy"], visit.values["form"]):
                if _may(visit, form):
                    return strategy, form
                sorry = visit.say(
                    "This server lets nobody do this who has not signed in. Ask who administers it."
                )
                raise Refused(FORBIDDEN, {"message": sorry}, {})
    raise Refused(MISSING, {"message": visit.say("There is no such page.")}, {})


def _page(
    visit: Visit,
    where: Onward,
    strategy: Mapping[str, Any],
    form: Mapping[str, Any],
    *,
    code: str | None,
    refused: Refused | None = None,
) -> Answer:
    """Return the page of a form.

    :param code: None if it is not known yet: a script finds it in the fragment, or a person there.
    """
    # A login that goes on here is refused for no field of this form.
    own = refused is not None and refused.id not in form["refusals"]
    names = [one["name"] for one in form["fields"]] if own else []
    return visit.page(
        "strategy_form.html",
        status_of(refused),
        where=where,
        strategy=strategy,
        form=form,
        code=code,
        refused=refused,
        led=not own,
        fault=None if refused is None else at_fault(refused, names),
        others=[one for one in open_to(visit, strategy) if one["name"] != form["name"]],
    )


async def _signed_in(
    visit: Visit,
    where: Onward,
    strategy: Mapping[str, Any],
    form: Mapping[str, Any],
    session: Mapping[str, Any],
) -> Answer:
    """Go on with the session that an action has opened."""
    if where.challenge is not None:
        # Another page wants a code for it, and only a login gives one: this session is of no use.
        before, visit.token = visit.token, session["jwt"]
        await visit.call("auth", "logout")
        visit.token = before
        return _done(visit, where, form)
    visit.keep(session["jwt"], session["expiresAt"])
    if where.to is not None:
        return leave(visit, f"{where.to}#signedIn={strategy['name']}")
    return visit.redirect(where.then)


def _done(visit: Visit, where: Onward, form: Mapping[str, Any]) -> Answer:
    return visit.page("strategy_form_done.html", where=where, form=form)
