"""Forms that have outlived their session: what was typed into them is sent again, and not lost."""

from __future__ import annotations

from ostiary.pages.account.removing import CONFIRMED
from ostiary.pages.credentials import is_secret
from ostiary.pages.forms import FIELD
from ostiary.pages.languages import mark
from ostiary.pages.strategy_forms import CODE
from ostiary.pages.visit import Visit
from ostiary.request import Answer

FORBIDDEN = 403

LEFT_OUT = "leftOut"
"""The field with the names of secrets that were typed: they are asked for once it is clear who sends."""

ENDED = mark("Your session has ended, and nothing was done. What you have typed is kept here.")
ANOTHER = mark(
    "This page was opened in another session than yours is now, and nothing was done."
    " What you have typed is kept here."
)


def told(visit: Visit) -> str:
    """Return why a form was not heard."""
    return visit.say(ENDED if visit.me is None else ANOTHER)


async def offer(visit: Visit) -> Answer:
    """Show what was typed, short of what is secret, in a form that whoever is signed in can send.

    Nobody confirms for another that their last way in is given up.
    """
    secret = await _secrets(visit)
    kept = [
        name
        for name in visit.form
        if name not in (FIELD, CODE, CONFIRMED, LEFT_OUT) and name.rpartition(".")[2] not in secret
    ]
    typed = [name for name in visit.form if name not in kept and visit.form.text(name)]
    names = dict.fromkeys([*typed, *visit.form.all(LEFT_OUT)])
    left_out = {name: secret.get(name.rpartition(".")[2]) for name in names}
    return visit.page(
        "outlived.html",
        FORBIDDEN,
        text=told(visit),
        kept=[(name, value) for name in kept for value in visit.form.all(name)],
        code=CODE in visit.form,
        left_out=[(name, label) for name, label in left_out.items() if label],
    )


async def _secrets(visit: Visit) -> dict[str, str]:
    """Return the labels of secrets, by what strategies call them; in forms something may stand before."""
    strategies = await visit.strategies()
    forms = [form for strategy in strategies for form in strategy["forms"]]
    asked = [field for form in forms for field in form["fields"]]
    asked += [field for one in strategies for field in (*one["fields"], *one["proof"])]
    return {field["name"]: field["label"] for field in asked if is_secret(field)}
