"""Who asks when a browser sends a cookie: the same over HTTP and WebSocket (contract, 5.8)."""

from __future__ import annotations

from ostiary import errors
from ostiary.arguments import read_flag
from ostiary.origins import Origins
from ostiary.request import Request
from ostiary.services import Services
from ostiary.services.limits import handle_of

WANTED = "cookieAuth"
"""The argument of who wants the token to be kept in a cookie."""

LOGIN, LOGOUT = ("auth", "login"), ("auth", "logout")
ABOUT_THE_COOKIE = {LOGIN, ("auth", "checkToken"), LOGOUT}
"""Actions that deal with the cookie when asked to, instead of being run in its name."""

RETURN_TO = "returnTo"
LEADING = {"strategy", RETURN_TO, "codeChallenge", "expiresIn", WANTED}
"""All that may stand in a link that leads a browser to a login, where a cookie is at stake."""


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
    elsewhere = not wanted and await _signs_in_elsewhere(request, services)
    try:
        origins.admit_cookie(request.connection)
    except errors.CrossSite:
        if not _on_its_way(request, origins, wanted=wanted, elsewhere=elsewhere):
            raise
        # It is led to a login by a page, or back from one: the cookie is not heard.
        return
    if token is None:
        return
    if request.jwt is not None:
        raise errors.VerificationError("there are a token and a cookie")
    if not elsewhere:
        await _hear(request, services, token, wanted=wanted)


async def _hear(request: Request, services: Services, token: str, *, wanted: bool) -> None:
    """Let a token from a cookie say who asks, unless the request is about the cookie itself."""
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


async def _signs_in_elsewhere(request: Request, services: Services) -> bool:
    """Tell whether this is a step of a login at a provider, which is for whoever comes.

    What a browser holds from before says nothing of who comes, and must not stand in the way: it
    may be over, or its user's role may have no logins. A link knows itself for whom it is.
    """
    if (request.controller, request.action) != LOGIN or request.connection.protocol != "http":
        return False
    name = request.args.get("strategy")
    if not isinstance(name, str):
        return False
    await services.strategies.settle(name)
    return services.strategies.knows(name) and services.strategies.find(name).redirects


def _on_its_way(request: Request, origins: Origins, *, wanted: bool, elsewhere: bool) -> bool:
    """Tell whether a browser is led to a login at a provider, or comes back from it.

    The first has nothing by which somebody could be signed in as somebody else; the other is
    bound to the cookie of that login. A cookie that is wanted is of use to pages of this site only.

    :param elsewhere: the login is one at a provider, and ends without a cookie.
    """
    if (request.controller, request.action) != LOGIN or request.connection.protocol != "http":
        return False
    handle = handle_of(request)
    if handle is not None:
        return handle[0] == "state"
    if request.body is not None:
        return False
    if elsewhere:
        return True
    bare = RETURN_TO in request.args and request.args.keys() <= LEADING
    return bare and (not wanted or origins.same_site(request.connection))
