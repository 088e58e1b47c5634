"""The ``security`` controller: who is held back after failed logins, and letting them try again."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired, TypedDict

from ostiary import errors
from ostiary.actions import DELETE, POST
from ostiary.controllers.audit import SIZE, START, check_page
from ostiary.controllers.authority import check_grant, check_target
from ostiary.controllers.users import security
from ostiary.request import Request
from ostiary.services import Services
from ostiary.services.held_back import HeldBack
from ostiary.services.rights import ADMIN


class HeldBackBody(TypedDict):
    """The body of ``security:searchHeldBack``."""

    user: NotRequired[Annotated[str, "Only the accounts and devices of the user of this kuid."]]


@security.action(
    POST("/held-back/_search"), raises=[errors.InvalidArgument, errors.GetLimitExceeded]
)
async def search_held_back(
    services: Services,
    body: HeldBackBody | None = None,
    from_: Annotated[int, "How many to pass over."] = START,
    size: Annotated[int, "How many to return at most."] = SIZE,
) -> dict[str, Any]:
    """Search who has to wait after failed logins, those who wait for longest first.

    Failures are counted under hashes. `kind` is `account`, `address` or `device`, or null where
    the audit log knows nothing that leads to the hash; an account without `kuid` is one that
    nobody is known to have. `allowances` tells how many failures are free, and for how many
    milliseconds without failure they are counted; it is null where none are. `requests` tells whom
    the process that answers has refused requests within the last minute, because there were
    more of them in a second than their profiles allow.
    """
    check_page(services, from_, size)
    user = (body or {}).get("user")
    found, total = await services.holding_back.search(user=user, size=size, start=from_)
    allowed = services.login_limits.allowances
    return {
        "hits": [one.to_json() for one in found],
        "total": total,
        "allowances": None
        if allowed is None
        else {
            "perAccount": allowed.per_account,
            "perAddress": allowed.per_address,
            "window": allowed.window,
        },
        "requests": [one.to_json() for one in services.limits.refused()],
    }


@security.action(
    DELETE("/held-back/{_id}"),
    raises=[
        errors.InvalidArgument,
        errors.NotHeldBack,
        errors.TargetTooPowerful,
        errors.MissingRights,
    ],
)
async def release_held_back(
    services: Services,
    request: Request,
    id: Annotated[str, "Who is held back, by the id in the list."],
) -> dict[str, str]:
    """Let somebody try again now who has to wait after failed logins.

    Whoever may do less than a user does not give guesses at that user's secret; if it is not
    known whose account it is, it may be anybody's.
    """
    held = await services.holding_back.find(_subject(id))
    if held is None:
        raise errors.NotHeldBack(id)
    await _check(services, request, held)
    await services.holding_back.release(held)
    return {"_id": id}


async def _check(services: Services, request: Request, held: HeldBack) -> None:
    """Refuse whoever may do less than those whose accounts can be guessed at again."""
    name = held.name
    if name is not None and name.kuid is not None:
        await check_target(services, request, name.kuid)
    elif name is None or name.kind != "address":
        # The accounts that are tried from an address are held back by themselves.
        await check_grant(services, request, (ADMIN,))


def _subject(id: str) -> bytes:
    try:
        return bytes.fromhex(id)
    except ValueError:
        raise errors.InvalidArgument("_id", "an id of the list of who is held back") from None
