"""The ``security`` and ``auth`` controllers: searching the audit log, and one's own part of it."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired, TypedDict

from ostiary import errors
from ostiary.actions import GET, POST
from ostiary.arguments import read_integer
from ostiary.controllers.auth import auth
from ostiary.controllers.users import security
from ostiary.request import Request
from ostiary.services import Services
from ostiary.services.audit_filters import Wanted

START, SIZE = 0, 10
INTEGERS = ("since", "until", "search_after", "newerThan")
FILTERS = ("event", "user", "author", "about", "strategy", "address", "since", "until")


def check_page(services: Services, start: int, size: int) -> None:
    """Refuse a page that lies nowhere, or holds more than clients may ask for (INP-09)."""
    for name, number in (("from", start), ("size", size)):
        if number < 0:
            raise errors.InvalidArgument(name, "0 or more")
    if start + size > services.documents_fetch_count:
        raise errors.GetLimitExceeded


class AuditBody(TypedDict):
    """The body of ``security:searchAuditLog``; what is absent is not asked for."""

    event: NotRequired[Annotated[str, "The name of an event, such as `SignInRefused`."]]
    user: NotRequired[Annotated[str, "Who did it, or whom it was done to."]]
    author: NotRequired[Annotated[str, "Who did it."]]
    about: NotRequired[Annotated[str, "Whom or what it was done to."]]
    strategy: NotRequired[Annotated[str, "The strategy of a login or of credentials."]]
    address: NotRequired[Annotated[str, "Where the request came from."]]
    since: NotRequired[Annotated[int, "From this instant on, in milliseconds since the epoch."]]
    until: NotRequired[Annotated[int, "Before this instant."]]
    search_after: NotRequired[Annotated[int, "Begin after the entry with this `_id`."]]
    newerThan: NotRequired[
        Annotated[
            int,
            "Only entries that were written after the one with this `_id`, the oldest first. Whoever "
            "goes on from the `position` of each answer misses none, whoever writes meanwhile.",
        ]
    ]


@security.action(
    POST("/audit/_search"),
    raises=[errors.InvalidArgument, errors.GetLimitExceeded, errors.MutuallyExclusive],
)
async def search_audit_log(
    services: Services,
    body: AuditBody | None = None,
    from_: Annotated[int, "How many entries to pass over."] = START,
    size: Annotated[int, "How many entries to return at most."] = SIZE,
) -> dict[str, Any]:
    """Search the audit log, the newest entries first.

    `total` counts up to 10,000, and means so many at least from there on. `position` is the `_id`
    up to which the log was looked through: given as `newerThan` it asks for what came after that.
    """
    check_page(services, from_, size)
    asked: dict[str, Any] = {**(body or {})}
    for name in INTEGERS:
        if asked.get(name) is not None:
            asked[name] = read_integer(f"body.{name}", asked[name], False)
    before, after = asked.get("search_after"), asked.get("newerThan")
    if before is not None and after is not None:
        raise errors.MutuallyExclusive("body.search_after", "body.newerThan")
    filters: dict[str, Any] = {name: asked.get(name) for name in FILTERS}
    wanted = Wanted(**filters)
    found = await services.audit_log.search(
        wanted, size=size, start=from_, before=before, after=after
    )
    return {
        "hits": [entry.to_json() for entry in found.entries],
        "total": found.total,
        "position": str(found.position),
    }


@auth.action(
    GET("/_me/sign-ins"), signed_in=True, raises=[errors.InvalidArgument, errors.GetLimitExceeded]
)
async def get_my_sign_ins(
    services: Services,
    request: Request,
    size: Annotated[int, "How many to return at most."] = SIZE,
    before: Annotated[int | None, "Begin before the one with this `_id`."] = None,
) -> dict[str, Any]:
    """List the sign-ins of the current user, and attempts on their account, the newest first.

    Of attempts there is as much as the audit log knows: `outcome` is `signedIn`, `refused`,
    `heldBack` after too many failures, or `proofRefused` where a change of credentials wanted a
    proof; `count` tells how many alike there were within a minute, and `proved` that the
    secret was right. Why, and what was typed, nobody is told.
    """
    assert request.session is not None
    check_page(services, 0, size)
    account = request.session.account
    found = await services.sign_ins.of(account, size=size, before=before)
    return {"hits": [one.to_json() for one in found]}
