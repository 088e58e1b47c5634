"""Errors in the words of people: what has happened, and what they can do about it."""

from __future__ import annotations

from ostiary.pages.languages import mark
from ostiary.pages.visit import Refused, Visit

TOO_MANY, MINUTE = 429, 60

WORDS = {
    "api.process.too_many_requests": mark("Too many requests at once. Try again in a moment."),
    "api.process.overloaded": mark("The server has too much to do. Try again in a moment."),
    "ostiary.storage.unavailable": mark("The database is not there at the moment. Try again soon."),
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
    "security.rights.forbidden": mark("You do not have the right to do this."),
    "security.rights.unauthorized": mark("Sign in first: without that you may not do this."),
}
"""Sentences for errors, by id; the others are told in the server's own words."""


def explained(visit: Visit, refused: Refused) -> str:
    """Return what to tell a person of an error."""
    wait = refused.headers.get("retry-after")
    if refused.status == TOO_MANY and wait is not None:
        return _later(visit, int(wait))
    text = WORDS.get(refused.id)
    if text is None:
        return refused.message
    return visit.say(text, *refused.props)


def _later(visit: Visit, seconds: int) -> str:
    if seconds <= MINUTE:
        return visit.say("That was tried too often. Try again in {0} seconds.", seconds)
    minutes = -(-seconds // MINUTE)
    return visit.say("That was tried too often. Try again in {0} minutes.", minutes)
