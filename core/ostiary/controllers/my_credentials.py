"""The ``auth`` controller: one's own credentials; the caller is the only kuid there is."""

from __future__ import annotations

from typing import Annotated, Any

from ostiary import errors
from ostiary.actions import DELETE, GET, POST, PUT
from ostiary.controllers.auth import NoRedirect, StrategyName, auth, place_of
from ostiary.controllers.credentials import WRITING, Force
from ostiary.controllers.returns import returning_from_link
from ostiary.controllers.steps import asked, fields_of, holder_of, readable
from ostiary.narrowing import call_of
from ostiary.request import Reply, Request
from ostiary.services import Services
from ostiary.services.flows import Handle
from ostiary.services.linking import Linked, Sent

PROOF = "proof"
"""The member of a body that proves who asks for further credentials."""

SINCE = "2.4.0"
"""The version of the API since when the routes below ``/_me`` are to be used."""

PROVING = (errors.NoCredentials, errors.TooManyLogins, errors.SecretInUrl)
"""What a change can end with that may have to be proved to be the owner's."""


@auth.action(
    POST("/_me/credentials/{strategy}/_create"),
    POST("/credentials/{strategy}/_me/_create", deprecated=SINCE),
    signed_in=True,
    strict=True,
    redirects=True,
    raises=[
        *WRITING,
        errors.CredentialsExist,
        errors.LoginRefused,
        errors.ProofNeeded,
        errors.TooManyLogins,
        errors.SecretInUrl,
        errors.FlowOver,
        errors.InvalidVerdict,
        errors.ReturnRefused,
    ],
)
async def create_my_credentials(
    services: Services,
    request: Request,
    strategy: StrategyName,
    body: dict[str, Any],
    # Declared here, and read where the handle is: it may stand in the body as well.
    state: Annotated[str | None, "What a client brings back from where it was sent."] = None,
    no_redirect: NoRedirect = False,
    # Likewise.
    return_to: Annotated[
        str | None,
        "Where a browser goes at the end, if it is sent elsewhere; the operator lists it.",
    ] = None,
) -> dict[str, Any] | Reply:
    """Give oneself credentials for another strategy.

    A strategy may want a proof that they are one's own, and ask for more in the ways of
    `auth:login`: the answer to a challenge, or the `code` and `state` that come back from a
    provider, are sent to this action, or to `auth:login` where the client has no token, as a
    browser that comes back. Who begins this in a session that is not young any more proves who
    they are, too: with a member `proof` of the body, which holds what a strategy asks for before
    credentials that they have are changed.
    """
    await services.strategies.settle()
    links = services.strategies.links(strategy)
    fields, handle = await _fields(services, request, strategy, body, links=links)
    call, returning = call_of(request), returning_from_link(services, request)
    if not links:
        return await services.credentials.create(strategy, request.kuid, fields, call)
    place, holder = place_of(services, request), holder_of(services, request)
    sent = Sent(strategy, fields, call, place, holder, returning)
    session = request.session
    assert session is not None
    if handle is None:
        outcome = await services.linking.begin(sent, session)
    else:
        outcome = await services.linking.resume(sent, handle)
    if isinstance(outcome, Linked):
        return outcome.view
    reply = asked(services, outcome)
    return readable(reply) if no_redirect else reply


@auth.action(
    PUT("/_me/credentials/{strategy}/_update"),
    PUT("/credentials/{strategy}/_me/_update", deprecated=SINCE),
    signed_in=True,
    strict=True,
    raises=[*WRITING, *PROVING],
)
async def update_my_credentials(
    services: Services, request: Request, strategy: StrategyName, body: dict[str, Any]
) -> dict[str, Any]:
    """Change some fields of one's own credentials.

    If one of them is a secret, the other sessions of the user end. The strategy may ask for a proof that it is their owner who does it, such as the
    `currentPassword` in the body. Without one it refuses; wrong ones are counted as failed logins.
    """
    since = await _prove(services, request, strategy, body)
    return await services.credentials.update(
        strategy, request.kuid, body, call_of(request), keep=_session(request), since=since
    )


@auth.action(
    POST("/_me/credentials/{strategy}/_validate"),
    POST("/credentials/{strategy}/_me/_validate", deprecated=SINCE),
    signed_in=True,
    strict=True,
    raises=WRITING,
)
async def validate_my_credentials(
    services: Services, request: Request, strategy: StrategyName, body: dict[str, Any]
) -> bool:
    """Tell whether one could give oneself these credentials."""
    await services.credentials.validate(strategy, request.kuid, body, call_of(request))
    return True


@auth.action(
    DELETE("/_me/credentials/{strategy}"),
    DELETE("/credentials/{strategy}/_me", deprecated=SINCE),
    signed_in=True,
    strict=True,
    raises=[errors.UnknownStrategy, errors.LastWayIn, *PROVING],
)
async def delete_my_credentials(
    services: Services,
    request: Request,
    strategy: StrategyName,
    body: dict[str, Any] | None = None,
    force: Force = False,
) -> dict[str, bool]:
    """Give up one's own credentials for a strategy; the other sessions of the user end.

    The body holds the proof that it is their owner who does it, if the strategy asks for one, and
    may hold `force`.
    """
    force = _forced(force, body)
    since = await _prove(services, request, strategy, body or {})
    await services.credentials.delete(
        strategy, request.kuid, keep=_session(request), since=since, force=force
    )
    return {"acknowledged": True}


@auth.action(
    GET("/_me/credentials/{strategy}"),
    GET("/credentials/{strategy}/_me", deprecated=SINCE),
    signed_in=True,
    raises=[errors.UnknownStrategy, errors.NoCredentials],
)
async def get_my_credentials(
    services: Services, request: Request, strategy: StrategyName
) -> dict[str, Any]:
    """Return what may be seen of one's own credentials."""
    return await services.credentials.view(strategy, request.kuid)


@auth.action(
    GET("/_me/credentials/{strategy}/_exists"),
    GET("/credentials/{strategy}/_me/_exists", deprecated=SINCE),
    signed_in=True,
    raises=[errors.UnknownStrategy],
)
async def credentials_exist(services: Services, request: Request, strategy: StrategyName) -> bool:
    """Tell whether one has credentials for a strategy."""
    return await services.credentials.held(strategy, request.kuid)


async def _fields(
    services: Services, request: Request, strategy: str, body: dict[str, Any], *, links: bool
) -> tuple[dict[str, Any], Handle | None]:
    """Return the fields of new credentials, and the handle of a later step.

    At the first step it is proved who asks for them, if that is needed. The proof is not for the
    strategy that they are of.
    """
    handle = None
    if links:
        body, handle = fields_of(services, request, strategy, body)
    session = request.session
    assert session is not None
    needed = None
    if handle is None:
        needed = services.reauthentication.needed_to_add(strategy, session)
    if needed is not None:
        for name in needed:
            _refuse_secrets(services, request, name)
        await services.reauthentication.demand_one(
            needed, request.kuid, _proof(body), call_of(request), place_of(services, request)
        )
    if links or needed is not None:
        body = {name: value for name, value in body.items() if name != PROOF}
    return body, handle


def _proof(body: dict[str, Any]) -> dict[str, Any]:
    proof = body.get(PROOF, {})
    if not isinstance(proof, dict):
        raise errors.InvalidType(f"body.{PROOF}", "object")
    return proof


async def _prove(services: Services, request: Request, strategy: str, body: dict[str, Any]) -> int:
    """Have the caller prove that the credentials are theirs; return until which change it holds."""
    await services.strategies.settle(strategy)
    _refuse_secrets(services, request, strategy)
    return await services.reauthentication.demand(
        strategy, request.kuid, body, call_of(request), place_of(services, request)
    )


def _refuse_secrets(services: Services, request: Request, strategy: str) -> None:
    """Refuse a proof that stands in a URL."""
    if request.in_url and not services.secrets_in_urls:
        for field in services.strategies.find(strategy).described:
            if field.secret and field.name in request.args:
                raise errors.SecretInUrl(field.name)


def _session(request: Request) -> str | None:
    """Return the id of the session that asks; an API key is none."""
    session = request.session
    return None if session is None or session.api_key else session.id


def _forced(argument: bool, body: dict[str, Any] | None) -> bool:
    """Tell whether a deletion is forced, by an argument or in the body.

    :raises errors.InvalidType: what the body says is neither yes nor no.
    """
    told = (body or {}).get("force", False)
    if not isinstance(told, bool):
        raise errors.InvalidType("body.force", "boolean")
    return argument or told
