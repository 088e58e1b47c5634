"""The ``auth`` controller: what one may do oneself, listed and tested."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

from ostiary import errors
from ostiary.actions import GET, POST
from ostiary.controllers.auth import auth
from ostiary.controllers.authority import caller
from ostiary.request import Request
from ostiary.services import Services
from ostiary.services.accounts import Account
from ostiary.services.rights import Rights

NO_ARGUMENTS = ("controller", "action", "body", "jwt", "volatile", "requestId")
"""Members of a request that are not its arguments."""


class TestedRequest(TypedDict):
    """The body of ``checkRights``: a request; any other member is an argument of it."""

    controller: Annotated[str, "Its controller."]
    action: Annotated[str, "Its action."]


@auth.action(POST("/_checkRights"))
async def check_rights(
    services: Services, request: Request, body: TestedRequest
) -> dict[str, bool]:
    """Tell whether the caller could run a request."""
    account = await caller(services, request)
    return {"allowed": allows(account, request, body)}


@auth.action(
    GET("/_me/_rights"),
    GET("/users/_me/_rights", deprecated="2.4.0"),
    raises=[errors.TooManyRights],
)
async def get_my_rights(services: Services, request: Request) -> dict[str, Any]:
    """List what the current user may do."""
    account = await caller(services, request)
    return listing(account.rights)


def allows(account: Account, request: Request, body: TestedRequest) -> bool:
    """Tell whether somebody could run the request that a body describes."""
    args = {name: value for name, value in body.items() if name not in NO_ARGUMENTS}
    tested = Request(
        controller=body["controller"],
        action=body["action"],
        args=args,
        body=None,
        jwt=None,
        connection=request.connection,
        id=request.id,
    )
    return account.rights.allow(tested)


def listing(rights: Rights) -> dict[str, Any]:
    """Return rights as clients see them."""
    hits = rights.listing()
    return {"hits": hits, "total": len(hits)}
