"""The ``auth`` controller: who one is, and signing in."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from ostiary import errors
from ostiary.actions import GET, POST, PUT, Controller
from ostiary.arguments import Duration
from ostiary.controllers.returns import (
    led_back,
    on_its_way,
    refused,
    returning_of,
    sent_by_form,
)
from ostiary.controllers.steps import ASKED, asked, fields_of, holder_of, readable
from ostiary.controllers.users import REWRITTEN
from ostiary.narrowing import call_of
from ostiary.offering import offered
from ostiary.properties import SYSTEM_MEMBERS, properties_of
from ostiary.request import Reply, Request
from ostiary.services import Services
from ostiary.services.exchanges import Question
from ostiary.services.flows import Flow, Handle, NextStep
from ostiary.services.linking import Linked
from ostiary.services.logins import Proved, SignedIn
from ostiary.services.returning import Returning
from ostiary.services.sessions import Issued, Origin
from ostiary.services.subjects import Place

auth = Controller("auth")
SEE_OTHER = 303

StrategyName = Annotated[str, "Name of the authentication strategy."]
ExpiresIn = Annotated[
    Duration | None, "Lifetime of the token: milliseconds, a timespan such as 2h, or -1 for ever."
]
CookieAuth = Annotated[
    bool, "Keep the token in a cookie instead of the answer; over WebSocket there are none."
]

NoRedirect = Annotated[
    bool, "Send a client elsewhere with status 200 instead of 302: scripts can read it then."
]


@auth.action(
    GET("/_login/{strategy}"),
    POST("/_login/{strategy}"),
    raises=[
        errors.UnknownStrategy,
        errors.LoginRefused,
        errors.FlowOver,
        errors.TooManyLogins,
        errors.TtlExceeded,
        errors.InvalidVerdict,
        errors.InvalidKuid,
        errors.LastAdministrator,
        errors.SecretInUrl,
        errors.CredentialsExist,
        errors.CredentialsRejected,
        errors.ReturnRefused,
    ],
    redirects=True,
)
async def login(
    services: Services,
    request: Request,
    strategy: StrategyName,
    expires_in: ExpiresIn = None,
    cookie_auth: CookieAuth = False,
    # Declared here, and read where the handle is: it may stand in the body as well.
    state: Annotated[str | None, "What a client brings back from where it was sent."] = None,
    return_to: Annotated[
        str | None,
        "Where a browser goes at the end of a login at a provider; the operator lists it.",
    ] = None,
    code_challenge: Annotated[
        str | None,
        "S256 of what will come with the one-time code that the browser gets (RFC 7636).",
    ] = None,
    lead_back: Annotated[
        bool,
        "Answer with where the browser has to be sent, with a one-time code: a page signs in for "
        "another one.",
    ] = False,
    no_redirect: NoRedirect = False,
    body: dict[str, Any] | None = None,
) -> dict[str, Any] | Reply:
    """Authenticate a user and return an authentication token.

    The fields of the body depend on the strategy. A strategy that sends its
    users to a provider answers with a redirection (302) instead of a token; with
    the `state` that the address had, the client comes back. A script that has
    something to send along, such as an invitation, asks with `noRedirect` and
    sends its browser to the `Location` in the answer.

    A strategy of several steps answers with a challenge (202): it has a
    `question`, and the `fields` of the answer. That is this action again, with
    the `challenge` among the fields of the body. It can be answered once.

    With `returnTo` a browser that comes back from a provider goes on to that page
    (302): with a cookie if there was `cookieAuth`, else with a one-time code in
    the fragment. The page sends it as `loginCode` with the `codeVerifier`, in a
    body of this action, and gets the token. What goes wrong leads there as well, with the id of
    the error, unless a script asks, which sends JSON.

    A page that signs in for another one, by any strategy, asks with `leadBack`, `returnTo` and
    `codeChallenge`. The answer to the last step then holds no token, but in `headers.Location` where
    the page sends the browser: the fragment has `loginCode` and `strategy`.

    Where a user has begun to link credentials with `auth:createMyCredentials`, a later step may
    come here without a token. The last one answers with what may be seen of the credentials and
    the `kuid`: nobody is signed in by it.
    """
    await services.strategies.settle(strategy)
    address = sent_by_form(services, request, strategy)
    if address is not None:
        return Reply.redirect(address, SEE_OTHER)
    fields, handle = fields_of(services, request, strategy, body or {})
    if handle is not None:
        return await _go_on(
            services, request, strategy, fields, expires_in, handle, in_cookie=cookie_auth
        )
    returning = returning_of(
        services, request, expires_in, in_cookie=cookie_auth, by_page=lead_back
    )
    try:
        outcome = await _step(services, request, strategy, fields, expires_in, returning=returning)
    except errors.OstiaryError as error:
        if returning is None or no_redirect or not on_its_way(services, request, strategy):
            raise
        return await refused(services, request, returning, error)
    if isinstance(outcome, Proved):
        assert returning is not None
        return readable(await led_back(services, request, strategy, returning, outcome))
    answer = _answer(services, request, outcome, in_cookie=cookie_auth)
    return readable(answer) if no_redirect and isinstance(answer, Reply) else answer


@auth.action(GET("/strategies"))
async def get_strategies(services: Services) -> list[str]:
    """List the authentication strategies."""
    await services.strategies.settle()
    return list(services.strategies)


@auth.action(GET("/strategies/_describe"))
async def describe_strategies(services: Services) -> list[dict[str, Any]]:
    """Describe the authentication strategies, so that a page can offer them to who signs in.

    They come in the order of the setting `pages.strategies`; those that it hides are not `offered`.
    A strategy may have forms for who cannot sign in: actions of its plugin that take what is filled
    in as their body, and perhaps a code, which comes by mail or with the error of a refused login.
    Those that stand `beside` names are offered where a user's names are shown, for each of such a
    kind that is not verified, which the member `value` of the body takes; those with `signedIn` are
    for nobody else. With `each` a strategy names the actions that list each of several credentials
    of a user, and give it up.
    """
    await services.strategies.settle()
    return offered(services.strategies, services.strategy_order)


@auth.action(
    GET("/_me"),
    GET("/users/_me", deprecated="2.4.0"),
)
async def get_current_user(services: Services, request: Request) -> msgspec.Raw:
    """Return the current user, and the strategies they hold credentials of."""
    session = request.session
    account = await services.accounts.find(request.kuid) if session is None else session.account
    assert account is not None
    if account.encoded is None:
        await services.strategies.settle()
        known = [name for name in account.strategies if services.strategies.knows(name)]
        content = {**account.user.to_json(), "strategies": known}
        account.encoded = msgspec.Raw(msgspec.json.encode(content))
    return account.encoded


@auth.action(
    PUT("/_me"),
    PUT("/_updateSelf", deprecated="2.4.0"),
    signed_in=True,
    strict=True,
    ignored=REWRITTEN,
    raises=[errors.ForbiddenArgument, errors.UserTooLarge],
)
async def update_self(services: Services, request: Request, body: dict[str, Any]) -> dict[str, Any]:
    """Merge some properties into one's own; profiles are for administrators to give."""
    for name in SYSTEM_MEMBERS:
        if body.get(name):
            raise errors.ForbiddenArgument(f"body.{name}")
    user = await services.users.update(request.kuid, properties_of(body), request.kuid)
    return user.to_json()


def handed_over(
    services: Services,
    request: Request,
    issued: Issued,
    *,
    in_cookie: bool,
    device: str | None = None,
) -> dict[str, Any] | Reply:
    """Return the answer with a new token, or with a cookie that holds it.

    :param device: the cookie by which the device is known at its next login, if it gets one.
    """
    answer = issued.to_json()
    cookies = []
    if in_cookie and request.connection.protocol == "http":
        cookies.append(services.cookies.session(answer.pop("jwt"), issued.expires_at))
    if device:
        cookies.append(device)
    return Reply(answer, cookies=tuple(cookies)) if cookies else answer


def place_of(services: Services, request: Request) -> Place:
    """Return where somebody proves who they are, as such attempts are counted."""
    connection = request.connection
    return Place(connection.address, services.cookies.device_of(connection))


def origin_of(request: Request, strategy: str | None = None) -> Origin:
    """Return where a token is asked for."""
    agent = request.connection.header("user-agent")
    return Origin(strategy, agent and agent[:512], request.connection.address)


async def _go_on(
    services: Services,
    request: Request,
    strategy: str,
    fields: dict[str, Any],
    expires_in: Duration | None,
    handle: Handle,
    *,
    in_cookie: bool,
) -> dict[str, Any] | Reply:
    """Take a later step of a login, or hand in a one-time code."""
    flow = await services.flows.find(strategy, handle, holder_of(services, request, handle.kind))
    if handle.kind == "code":
        origin, place = origin_of(request, strategy), place_of(services, request)
        redeemed = await services.exchanges.redeem(strategy, flow, origin, place)
        return _answer(services, request, redeemed, in_cookie=in_cookie)
    try:
        if flow.link is not None:
            await _check_right_to_link(services, request, flow.link.kuid)
        outcome = await _step(services, request, strategy, fields, expires_in, flow=flow)
        if flow.returning is not None and (flow.leads_back or isinstance(outcome, Proved)):
            led = await led_back(services, request, strategy, flow.returning, outcome)
            return led if flow.leads_back else readable(led)
    except errors.OstiaryError as error:
        if flow.returning is None or not flow.leads_back:
            raise
        return await refused(services, request, flow.returning, error)
    return _answer(services, request, outcome, in_cookie=in_cookie)


async def _check_right_to_link(services: Services, request: Request, kuid: str) -> None:
    """Refuse to go on with a link whose user may not give themselves credentials any more.

    :raises errors.FlowOver: that is so, or the user is gone.
    """
    account = await services.accounts.find(kuid)
    asked = Request(
        controller=auth.name,
        action="createMyCredentials",
        args={},
        body=None,
        jwt=None,
        connection=request.connection,
        id=request.id,
    )
    if account is None or not account.rights.allow(asked):
        raise errors.FlowOver


async def _step(
    services: Services,
    request: Request,
    strategy: str,
    fields: dict[str, Any],
    expires_in: Duration | None,
    *,
    flow: Flow | None = None,
    returning: Returning | None = None,
) -> SignedIn | Linked | NextStep | Proved:
    """Take a step of a login."""
    return await services.logins.sign_in(
        strategy,
        fields,
        call_of(request),
        expires_in,
        origin_of(request, strategy),
        place_of(services, request),
        flow=flow,
        holder=holder_of(services, request),
        returning=returning,
    )


def _answer(
    services: Services,
    request: Request,
    outcome: SignedIn | Linked | NextStep | Question | Proved,
    *,
    in_cookie: bool,
) -> dict[str, Any] | Reply:
    """Return what a client is told that waits for the answer itself."""
    assert not isinstance(outcome, Proved), "a one-time code is for who is led on"
    if isinstance(outcome, Question):
        return Reply(outcome.value, status=ASKED)
    if isinstance(outcome, NextStep):
        return asked(services, outcome)
    if isinstance(outcome, Linked):
        return outcome.view
    socket = request.connection.socket
    if socket is not None:
        services.connections.sign_in(socket, outcome.issued.session)
    device = outcome.device and services.cookies.device(outcome.device)
    return handed_over(services, request, outcome.issued, in_cookie=in_cookie, device=device)
