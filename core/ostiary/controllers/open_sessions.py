"""The ``auth`` and ``security`` controllers: who is signed in, from where, and ending that."""

from __future__ import annotations

from typing import Annotated, Any

from ostiary import errors
from ostiary.actions import DELETE, GET
from ostiary.controllers.auth import auth
from ostiary.controllers.authority import check_target
from ostiary.controllers.users import Kuid, security
from ostiary.request import ANONYMOUS, Request
from ostiary.services import Services
from ostiary.services.accounts import Account

SessionId = Annotated[str, "The session's id, as it is listed."]


@auth.action(GET("/_me/sessions"), signed_in=True)
async def get_my_sessions(services: Services, request: Request) -> dict[str, Any]:
    """List the sessions of the current user; ``current`` marks the one that asks."""
    assert request.session is not None
    return await _listed(services, request, request.session.account)


@auth.action(DELETE("/_me/sessions/{_id}"), signed_in=True, raises=[errors.SessionNotFound])
async def revoke_my_session(services: Services, request: Request, id: SessionId) -> dict[str, str]:
    """End one session of the current user, at once and everywhere."""
    await services.sessions.revoke(request.kuid, id)
    return {"_id": id}


@security.action(GET("/users/{_id}/sessions"), raises=[errors.UserNotFound])
async def get_sessions(services: Services, request: Request, id: Kuid) -> dict[str, Any]:
    """List the sessions of a user."""
    account = None if id == ANONYMOUS else await services.accounts.find(id)
    if account is None:
        raise errors.UserNotFound(id)
    return await _listed(services, request, account)


@security.action(
    DELETE("/users/{userId}/sessions/{_id}"),
    raises=[errors.SessionNotFound, errors.TargetTooPowerful],
)
async def revoke_session(
    services: Services,
    request: Request,
    user_id: Annotated[str, "The user's kuid."],
    id: SessionId,
) -> dict[str, str]:
    """End one session of a user, at once and everywhere."""
    await check_target(services, request, user_id)
    await services.sessions.revoke(user_id, id)
    return {"_id": id}


async def _listed(services: Services, request: Request, account: Account) -> dict[str, Any]:
    sessions, total = await services.sessions.of(account)
    return {"hits": [session.to_json(request.session) for session in sessions], "total": total}
