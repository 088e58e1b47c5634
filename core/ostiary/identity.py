"""Who asks when a browser sends a cookie: the same over HTTP and WebSocket (contract, 5.8)."""

from __future__ import annotations

from ostiary import errors
from ostiary.arguments import read_flag
from ostiary.origins import Origins
from ostiary.request import Request
from ostiary.services import Services

WANTED = "cookieAuth"
"""The argument of who wants the token to be kept in a cookie."""

LOGOUT = ("auth", "logout")
ABOUT_THE_COOKIE = {("auth", "login"), ("auth", "checkToken"), LOGOUT}
"""Actions that deal with the cookie when asked to, instead of being run in its name."""


async def read_cookie(request: Request, services: Services, origins: Origins) -> None:
    """Let the cookie of a session say who asks, as a token in the request would.

    :raises errors.CookieUnsupported: the server keeps no tokens in cookies.
    :raises errors.CrossSite: another site may have made the browser send it.
    :raises errors.VerificationError: the request has a token besides.
    """
    wanted = WANTED in request.args and read_flag(
        WANTED, request.args[WANTED], request.connection.protocol == "http"
    )
    token = services.cookies.session_of(request.connection)
    if token is None and not wanted:
        return
    if not services.cookies.sessions:
        raise errors.CookieUnsupported
    origins.admit_cookie(request.connection)
    if token is None:
        return
    if request.jwt is not None:
        raise errors.VerificationError("there are a token and a cookie")
    name = (request.controller, request.action)
    if not wanted or name not in ABOUT_THE_COOKIE:
        request.jwt = token
    elif name == LOGOUT:
        # Kuzzle has nobody ask here, and leaves the token alive.
        if await services.tokens.is_good(token):
            request.jwt = token
        else:
            # No page can remove the cookie by itself, and with it nothing else is answered.
            request.leaving = True
