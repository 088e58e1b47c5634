"""Errors in the words of people: what has happened, and what they can do about it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ostiary.errors import CATALOGUE
from ostiary.pages.languages import mark
from ostiary.pages.problems import Mistaken, Problem, Refused
from ostiary.pages.visit import Visit

TOO_MANY, MINUTE = 429, 60

WORDS = {
    "api.process.too_many_requests": mark("Too many requests at once. Try again in a moment."),
    "api.process.overloaded": mark("The server has too much to do. Try again in a moment."),
    "network.http.request_too_large": mark(
        "That is more than this server takes at once. Go back and send less."
    ),
    **dict.fromkeys(
        ("network.http.body_parse_failed", "ostiary.request.unacceptable_text"),
        mark("What was sent cannot be read. Go back, reload the page and try again."),
    ),
    "ostiary.storage.unavailable": mark("The database is not there at the moment. Try again soon."),
    "ostiary.storage.took_too_long": mark(
        "That took too long to find, and was broken off. Narrow it down further."
    ),
    "ostiary.login.flow_over": mark("That took too long, or was begun elsewhere. Begin again."),
    "ostiary.plugin.logins_closed": mark(
        "Nobody can sign in at the moment. The log of the server says why."
    ),
    **dict.fromkeys(
        (
            "ostiary.plugin.disabled",
            "ostiary.plugin.timeout",
            "ostiary.plugin.unavailable",
            "plugin.runtime.unexpected_error",
            "plugin.strategy.invalid_verify_resolve",
            "security.credentials.unknown_strategy",
        ),
        mark("This does not work at the moment. Try again later, or in another way."),
    ),
    "ostiary.rights.target": mark(
        'This user may do more than you: only who may do as much changes "{0}".'
    ),
    "ostiary.rights.escalation": mark(
        'The profile "{0}" lets more be done than you may do yourself, so you cannot give it.'
    ),
    "ostiary.user.last_administrator": mark(
        '"{0}" is the last administrator who is let in: make another one first.'
    ),
    "ostiary.credentials.last_way_in": mark("Nothing else would let this user in."),
    "security.user.not_found": mark('There is no user "{0}" any more.'),
    "security.user.no_profile": mark("A user has at least one profile: tick one."),
    "security.rights.forbidden": mark("You do not have the right to do this."),
    "security.rights.unauthorized": mark("Sign in first: without that you may not do this."),
}
"""Sentences for errors, by id; the others are told in the server's own words."""

SENTENCES = re.compile(r"(?<=[.!?]) ")


def explained(visit: Visit, problem: Problem) -> str:
    """Return what to tell a person of what has kept something from being done."""
    if isinstance(problem, Mistaken):
        return visit.say(problem.text, *problem.values)
    return _refusal(visit, problem)


def _refusal(visit: Visit, refused: Refused) -> str:
    """Return what to tell of an error.

    What it says beyond its declaration, such as what an operator has written, is told as it is where
    no catalogue has it.
    """
    wait = refused.headers.get("retry-after")
    if refused.status == TOO_MANY and wait is not None:
        return _later(visit, int(wait))
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
    return " ".join((told, *_sentences(visit, refused.message.removeprefix(plain))))


def _later(visit: Visit, seconds: int) -> str:
    if seconds <= MINUTE:
        return visit.say("That was tried too often. Try again in {0} s.", seconds)
    minutes = -(-seconds // MINUTE)
    return visit.say("That was tried too often. Try again in {0} min.", minutes)


def _values(visit: Visit, text: str, props: tuple[Any, ...]) -> Iterator[str]:
    """Yield what fills a text: what stands between quotation marks is a name and stays one.

    Else it may be a sentence of its own, or several, such as the refusal that a strategy declares.
    """
    for index, prop in enumerate(map(str, props)):
        quoted = f'"{{{index}}}"' in text
        yield prop if quoted else " ".join(_sentences(visit, prop))


def _sentences(visit: Visit, text: str) -> list[str]:
    return [visit.say(one) for one in SENTENCES.split(text.strip()) if one]
