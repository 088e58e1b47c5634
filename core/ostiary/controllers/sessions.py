"""The ``auth`` controller: checking, making, renewing and ending tokens."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired, TypedDict

from ostiary import errors
from ostiary.actions import POST
from ostiary.arguments import Duration
from ostiary.controllers.auth import CookieAuth, ExpiresIn, auth, handed_over, origin_of
from ostiary.narrowing import call_of
from ostiary.request import ANONYMOUS, Reply, Request
from ostiary.services import Services


class TokenToCheck(TypedDict):
    """The body of ``auth:checkToken``."""

    token: NotRequired[Annotated[str, "The token to check; none is anonymous."]]


@auth.action(POST("/_checkToken"))
async def check_token(
    services: Services,
    request: Request,
    cookie_auth: Annotated[bool, "Check the token in the cookie."] = False,
    body: TokenToCheck | None = None,
) -> dict[str, Any]:
    """Tell whether a token is valid, until when and whose."""
    if cookie_auth:
        token = services.cookies.session_of(request.connection)
    else:
        token = body.get("token", "") if body else ""
    if not token:
        return {"valid": True, "kuid": ANONYMOUS, "expiresAt": None}
    session = services.tokens.peek(token)
    if session is None:
        try:
            session = await services.tokens.find(token)
        except errors.TokenInvalid as error:
            return {"valid": False, "state": str(error)}
    expires_at = -1 if session.expires_at is None else session.expires_at
    return {"valid": True, "kuid": session.account.kuid, "expiresAt": expires_at}


@auth.action(
    POST("/_createToken"),
    signed_in=True,
    raises=[errors.InvalidExpiration, errors.TtlExceeded, errors.TokenInvalid],
)
async def create_token(
    services: Services,
    request: Request,
    expires_in: ExpiresIn = None,
    single_use: Annotated[bool, "The token dies with its first use."] = False,
) -> dict[str, Any]:
    """Make one more token for the current user, which always has an end.

    Being checked by ``auth:checkToken`` is a use, too.
    """
    assert request.session is not None
    issued = await services.tokens.derive(
        request.session, expires_in, origin_of(request), single_use=single_use
    )
    shown = issued.to_json()
    token = {"token": shown["jwt"], "expiresAt": shown["expiresAt"], "ttl": shown["ttl"]}
    return token | {"singleUse": single_use}


@auth.action(
    POST("/_refreshToken"),
    signed_in=True,
    raises=[
        errors.RefreshForbidden,
        errors.TokenInvalid,
        errors.TtlExceeded,
        errors.UnknownStrategy,
    ],
)
async def refresh_token(
    services: Services,
    request: Request,
    expires_in: ExpiresIn = None,
    strategy: Annotated[str | None, "A strategy to ask whether the session may go on."] = None,
    cookie_auth: CookieAuth = False,
) -> dict[str, Any] | Reply:
    """Replace the token of the request by a new one; the old one lives on for a grace period.

    The strategy that the session was signed in with is always asked, too.
    """
    assert request.session is not None
    expires_in = await _lifetime(services, request, strategy, expires_in)
    issued = await services.tokens.refresh(request.session, expires_in, origin_of(request))
    services.connections.move(request.session.fingerprint, issued.session)
    return handed_over(services, request, issued, in_cookie=cookie_auth)


@auth.action(POST("/_logout"), raises=[errors.AuthenticationRequired])
async def logout(
    services: Services,
    request: Request,
    global_: Annotated[bool, "End every session of the user, not this one alone."] = False,
    cookie_auth: Annotated[bool, "Remove the cookie, too, that holds the token."] = False,
) -> dict[str, bool] | Reply:
    """Revoke the token of the request."""
    if request.session is None and not cookie_auth:
        raise errors.AuthenticationRequired("auth", "logout", ANONYMOUS)
    if request.session is not None:
        if global_:
            await services.tokens.revoke_all(request.kuid)
        else:
            await services.tokens.revoke(request.session)
            services.connections.end(request.session.fingerprint)
    answer = {"acknowledged": True}
    return Reply(answer, cookies=(services.cookies.no_session(),)) if cookie_auth else answer


async def _lifetime(
    services: Services, request: Request, strategy: str | None, wanted: Duration | None
) -> Duration | None:
    """Return the lifetime of a refreshed token, unless a strategy says that there is none.

    The last word has the one that the session was signed in with.
    """
    assert request.session is not None
    await services.strategies.settle()
    if strategy:
        services.strategies.find(strategy)
    for name in dict.fromkeys((strategy, request.session.strategy)):
        # Who signed in with a plugin that is gone stays signed in.
        if name and services.strategies.knows(name):
            told = await services.strategies.renew(name, request.kuid, call_of(request))
            wanted = wanted if told is None else told
    return wanted
