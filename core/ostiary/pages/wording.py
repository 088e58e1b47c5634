"""Errors in the words of people: what has happened, and what they can do about it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ostiary.errors import CATALOGUE
from ostiary.pages.languages import mark
from ostiary.pages.visit import Refused, Visit

WORDS = {
    "api.process.too_many_requests": mark("Too many requests at once. Try again in a moment."),
    "api.process.overloaded": mark("The server has too much to do. Try again in a moment."),
    "ostiary.storage.unavailable": mark("The database is not there at the moment. Try again soon."),
    "security.rights.forbidden": mark("You do not have the right to do this."),
    "security.rights.unauthorized": mark("Sign in first: without that you may not do this."),
}
"""Sentences for errors, by id; the others are told in the server's own words."""

SENTENCES = re.compile(r"(?<=[.!?]) ")


def explained(visit: Visit, refused: Refused) -> str:
    """Return what to tell a person of an error.

    What it says beyond its declaration is told as it is.
    """
    text = WORDS.get(refused.id)
    if text is not None:
        return visit.say(text, *refused.props)
    declared = CATALOGUE.get(refused.id)
    if declared is None:
        return refused.message
    plain = declared.message.format(*refused.props)
    if not refused.message.startswith(plain):
        return refused.message
    told = visit.say(declared.message, *_values(visit, declared.message, refused.props))
    return told + refused.message.removeprefix(plain)


def _values(visit: Visit, text: str, props: tuple[Any, ...]) -> Iterator[str]:
    """Yield what fills a text: what stands between quotation marks is a name and stays one.

    Else it may be a sentence of its own, or several, such as the refusal that a strategy declares.
    """
    for index, prop in enumerate(map(str, props)):
        quoted = f'"{{{index}}}"' in text
        yield prop if quoted else " ".join(visit.say(one) for one in SENTENCES.split(prop))
