"""The ``security`` controller: searching the audit log."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired, TypedDict

from ostiary import errors
from ostiary.actions import POST
from ostiary.controllers.users import security
from ostiary.services import Services
from ostiary.services.audit_log import Wanted

START, SIZE = 0, 10
FILTERS = ("event", "user", "author", "about", "strategy", "address", "since", "until")


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


@security.action(POST("/audit/_search"), raises=[errors.InvalidArgument, errors.GetLimitExceeded])
async def search_audit_log(
    services: Services,
    body: AuditBody | None = None,
    from_: Annotated[int, "How many entries to pass over."] = START,
    size: Annotated[int, "How many entries to return at most."] = SIZE,
) -> dict[str, Any]:
    """Search the audit log, the newest entries first."""
    for name, number in (("from", from_), ("size", size)):
        if number < 0:
            raise errors.InvalidArgument(name, "0 or more")
    if from_ + size > services.documents_fetch_count:
        raise errors.GetLimitExceeded
    asked: dict[str, Any] = {name: (body or {}).get(name) for name in FILTERS}
    before = (body or {}).get("search_after")
    wanted = Wanted(**asked)
    entries, total = await services.audit_log.search(
        wanted, size=size, start=from_, before=None if before is None else int(before)
    )
    return {"hits": [entry.to_json() for entry in entries], "total": total}
