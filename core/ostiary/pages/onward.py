"""Where a browser goes when it has signed in: a page of this server, or one that is listed.

What another application asks for comes in the query of the first page and stands in each form of
the way from then on. It is looked at again whenever it comes: what is not listed is never gone to.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, unquote, urlencode, urlsplit

from msgspec import Struct

from ostiary.pages.problems import Refused
from ostiary.pages.visit import Visit
from ostiary.request import Answer
from ostiary.services.returning import CHALLENGE

HOME = "/-/account"

THEN, ADDRESS, CODE_CHALLENGE = "go.then", "go.to", "go.challenge"
"""The hidden fields of forms; what a strategy calls its own never has a dot."""

QUERY = {THEN: "then", ADDRESS: "returnTo", CODE_CHALLENGE: "codeChallenge"}

BAD_REQUEST = 400

DOTS = {".", ".."}
"""Segments of a path that lead elsewhere in it."""


class Onward(Struct, frozen=True):
    """Where to go.

    :ivar then: a page of ours.
    :ivar to: an address that the operator has listed; None stays here.
    :ivar challenge: S256 of what the page there keeps for the one-time code that it wants
        (RFC 7636); None if the cookie of the session will do.
    """

    then: str = HOME
    to: str | None = None
    challenge: str | None = None

    @property
    def host(self) -> str | None:
        """Whose page it is that the browser goes to; None if it is ours."""
        return None if self.to is None else urlsplit(self.to).netloc

    @property
    def hidden(self) -> dict[str, str]:
        """The fields by which a form goes on to the same place."""
        named = {THEN: self.then, ADDRESS: self.to, CODE_CHALLENGE: self.challenge}
        return {name: value for name, value in named.items() if value is not None}

    def address_of(self, path: str) -> str:
        """Return the address of a page of ours from which the way goes on to the same place."""
        wanted = {QUERY[name]: value for name, value in self.hidden.items()}
        if self.then == HOME:
            del wanted["then"]
        return f"{path}?{urlencode(wanted)}" if wanted else path

    def arguments(self, strategy: str) -> dict[str, Any]:
        """Return what a login is asked for with, so that it ends there."""
        if self.challenge is not None:
            return {"returnTo": self.to, "codeChallenge": self.challenge, "leadBack": True}
        here = f"/-/signed-in/{strategy}?then={quote(self.then)}"
        return {"returnTo": self.to or here, "cookieAuth": True}


def onward(visit: Visit) -> Onward:
    """Return where somebody wants to go, as the form or the address says.

    :raises Refused: to where nobody is sent.
    """
    then, to, challenge = (
        visit.form.text(name) or visit.query.text(QUERY[name])
        for name in (THEN, ADDRESS, CODE_CHALLENGE)
    )
    if to and to not in visit.site.behind.return_addresses:
        raise refusal(
            visit.say(
                "The application that has sent you here wants you to go on to an address that is not"
                " known here. Do not go there; tell the application's operator."
            )
        )
    if challenge and not (to and CHALLENGE.fullmatch(challenge)):
        raise refusal(visit.say("The application that has sent you here does not do it rightly."))
    return Onward(then if is_page(then) else HOME, to or None, challenge or None)


def is_page(address: str) -> bool:
    """Tell whether an address, which anybody may have written into a link, is one of our pages.

    Browsers take dots out of a path, written plainly or as ``%2e`` (URL Standard, 4.4): what begins
    as a page does can be an action of the API, which they would ask for in the name of the session.
    """
    path = address.partition("?")[0].partition("#")[0]
    return (
        (path == "/" or path.startswith("/-/"))
        and "\\" not in address
        and DOTS.isdisjoint(unquote(path).split("/"))
        and address.isascii()
        and address.isprintable()
    )


def leave(visit: Visit, address: str) -> Answer:
    """Send the browser to another site.

    Not by a redirection: what a form is sent to may not redirect to another site
    (``form-action``; CSP 3, 6.4.2).
    """
    return visit.page("leave.html", address=address, host=urlsplit(address).netloc)


def refusal(text: str) -> Refused:
    """Return what shows a page that says why there is nowhere to go."""
    return Refused(BAD_REQUEST, {"id": "", "message": text}, {})
