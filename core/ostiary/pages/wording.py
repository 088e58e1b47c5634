"""Errors in the words of people: what has happened, and what they can do about it."""

from __future__ import annotations

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


def explained(visit: Visit, refused: Refused) -> str:
    """Return what to tell a person of an error."""
    text = WORDS.get(refused.id)
    if text is None:
        return refused.message
    return visit.say(text, *refused.props)
