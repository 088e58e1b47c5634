"""Browsers on their way: where one wants to go after its login, and how it gets there.

A login at a provider ends in a browser's address bar, not in a script. So the answer is a
redirection to a page that the operator has listed, with a cookie, or with a one-time code that the
page hands in. Nothing that opens anything stands in a URL but that code, in the fragment.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from ostiary import errors
from ostiary.acting import source
from ostiary.arguments import Duration
from ostiary.controllers.steps import (
    CODE_CHALLENGE,
    RETURN_TO,
    STATE,
    asked,
    brought_back,
    holder_of,
    said,
)
from ostiary.origins import posted_elsewhere
from ostiary.request import Reply, Request
from ostiary.services import Services
from ostiary.services.flows import NextStep
from ostiary.services.linking import Linked
from ostiary.services.logins import Proved, SignedIn
from ostiary.services.returning import CHALLENGE, Returning
from ostiary.strategies import Redirect

OWN = re.compile(r"/-(/[A-Za-z0-9_~-]+)+(\?[A-Za-z0-9_~.%&=/-]*)?")
"""An address of a page of this server: relative, without a segment that could lead out of ``/-/``."""

OF_THE_CALLBACK = ("cookieAuth", "expiresIn")
LONGEST_QUERY = 8192
"""Bytes of what a provider's page has posted that are put into an address."""


def returning_of(
    services: Services,
    request: Request,
    expires_in: Duration | None,
    *,
    in_cookie: bool,
    by_page: bool,
) -> Returning | None:
    """Return where a browser wants to go at the end of its login; None: it gets JSON.

    :param by_page: a page asks that sends the browser there itself.
    :raises errors.ReturnRefused: the operator has not listed that address, or no browser asks.
    :raises errors.MissingArgument: nothing is said of what will come with the one-time code, or of
        where a page sends the browser.
    :raises errors.InvalidArgument: that is no SHA-256 in base64url.
    :raises errors.TtlExceeded: the token would not be issued.
    """
    to = _listed(services, request)
    if to is None:
        if by_page:
            raise errors.MissingArgument(RETURN_TO)
        return None
    services.tokens.check_lifetime(expires_in)
    if in_cookie and not by_page:
        return Returning(to, None, expires_in)
    challenge = said(request, CODE_CHALLENGE)
    if challenge is None:
        raise errors.MissingArgument(CODE_CHALLENGE)
    if not CHALLENGE.fullmatch(challenge):
        raise errors.InvalidArgument(CODE_CHALLENGE, "a SHA-256 as 43 characters of base64url")
    return Returning(to, challenge, expires_in, by_page)


def returning_from_link(services: Services, request: Request) -> Returning | None:
    """Return where a browser wants to go when it has linked an account; it gets no token there.

    :raises errors.ReturnRefused: the operator has not listed that address, or no browser asks.
    """
    to = _listed(services, request)
    return None if to is None else Returning(to, None)


async def led_back(
    services: Services,
    request: Request,
    strategy: str,
    returning: Returning,
    outcome: SignedIn | Linked | NextStep | Proved,
) -> Reply:
    """Return the answer that sends a browser on with what has come of its login."""
    if isinstance(outcome, SignedIn):
        cookies = [services.cookies.session(outcome.issued.token, outcome.issued.expires_at)]
        if outcome.device:
            cookies.append(services.cookies.device(outcome.device))
        # Without a fragment of its own the page would get that of the provider (RFC 9110, 10.2.2).
        return Reply.redirect(returning.with_fragment(signedIn=strategy), cookies=tuple(cookies))
    if isinstance(outcome, Linked):
        return Reply.redirect(returning.with_fragment(linked=strategy))
    if isinstance(outcome, NextStep) and isinstance(outcome.what, Redirect):
        return asked(services, outcome)
    holder, address = holder_of(services, request), request.connection.address
    exchanges = services.exchanges
    if isinstance(outcome, Proved):
        code = await exchanges.offer(strategy, returning, outcome, holder, address)
    else:
        question: Mapping[str, Any] = asked(services, outcome).value
        code = await exchanges.offer_question(strategy, returning, question, holder, address)
    # Where a page has signed in for another, that one has not chosen the strategy itself.
    chosen = {"strategy": strategy} if returning.by_page else {}
    return Reply.redirect(returning.with_fragment(loginCode=code, **chosen))


async def refused(
    services: Services, request: Request, returning: Returning, error: errors.OstiaryError
) -> Reply:
    """Return the answer that sends a browser on whose login has failed; the page is told the id."""
    action = f"{request.controller}:{request.action}"
    await services.refusals.of_action(error, action, None)
    source().told = True
    return Reply.redirect(returning.with_fragment(error=error.id))


def on_its_way(services: Services, request: Request, strategy: str) -> bool:
    """Tell whether a browser that a link or a form has sent here would be left with the answer.

    A script, which sends JSON, reads the answer itself; so does what is shown a form.
    """
    bare = request.body is None or request.connection.sends_form
    return bare and services.strategies.find(strategy).redirects


def sent_by_form(services: Services, request: Request, strategy: str) -> str | None:
    """Return where a browser goes that a provider's page has made post its answer (Form Post
    Response Mode): to this address once more, by GET, which the cookie of the login comes with.

    Its query has the state, and of the fields those that only providers fill in; and what the
    operator has put into the address of the callback itself (contract, 16). None: it has posted
    nothing of that kind, or the cookie is there.
    """
    if not posted_elsewhere(request) or services.cookies.flow_of(request.connection) is not None:
        return None
    kept = brought_back(services.strategies.find(strategy).described)
    given = {name: request.args.get(name) for name in OF_THE_CALLBACK}
    given |= {name: request.body.get(name) for name in (STATE, *kept)}
    query = urlencode({name: one for name, one in given.items() if isinstance(one, str)})
    # Of the address nothing but the query: it can lead nowhere else (RFC 3986, 5.2.2).
    return f"?{query}" if len(query) <= LONGEST_QUERY else None


def _listed(services: Services, request: Request) -> str | None:
    """Return the address that a client asks for, if the operator has listed it, or it is ours."""
    to = said(request, RETURN_TO)
    # Whole, as it stands: nothing of it is read or decoded (RFC 9700, 4.1.3). Who comes back over
    # HTTP cannot be the socket that has begun.
    known = to is None or to in services.return_addresses or OWN.fullmatch(to)
    if not known or (to is not None and request.connection.socket is not None):
        raise errors.ReturnRefused
    return to
