"""The ``security`` controller: searching what lets anybody in, sessions and API keys."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired, TypedDict

from ostiary import errors
from ostiary.actions import POST
from ostiary.controllers.audit import SIZE, check_page
from ostiary.controllers.users import security
from ostiary.request import Request
from ostiary.services import Services
from ostiary.services.holding import Position, Sought
from ostiary.services.sessions import OpenSession

SESSION, API_KEY = "session", "apiKey"
OF_SESSIONS = ("strategy", "address")
LONGEST_INSTANT = 15


class HoldingBody(TypedDict):
    """The body of ``security:searchSessions``; what is absent is not asked for."""

    kind: NotRequired[Annotated[str, "`session`, or `apiKey` for API keys."]]
    user: NotRequired[Annotated[str, "The kuid of whose they are."]]
    strategy: NotRequired[Annotated[str, "The strategy by which a session was begun."]]
    address: NotRequired[Annotated[str, "Where a session's token was asked for."]]
    search_after: NotRequired[Annotated[str, "What the page before gave as `next`."]]


@security.action(
    POST("/sessions/_search"), raises=[errors.InvalidArgument, errors.GetLimitExceeded]
)
async def search_sessions(
    services: Services,
    request: Request,
    body: HoldingBody | None = None,
    size: Annotated[int, "How many to return at most."] = SIZE,
) -> dict[str, Any]:
    """Search the open sessions of all users, or their API keys, those that were issued last first.

    `security:revokeSession`, `security:deleteApiKey` and `security:revokeTokens` end what is found.
    `total` counts up to 10,000, and means so many at least from there on; `next` is null at the end.
    """
    check_page(services, 0, size)
    asked: dict[str, Any] = {**(body or {})}
    kind, after = asked.pop("kind", SESSION), _position(asked.pop("search_after", None))
    if kind not in (SESSION, API_KEY):
        raise errors.InvalidArgument("body.kind", f"{SESSION} or {API_KEY}")
    sought = Sought(**{name: asked.get(name) for name in Sought.__struct_fields__})
    if kind == SESSION:
        page = await services.holding.sessions(sought, size=size, after=after)
    else:
        for name in OF_SESSIONS:
            if asked.get(name) is not None:
                raise errors.InvalidArgument(f"body.{name}", f"absent, where kind is {kind}")
        page = await services.holding.keys(sought, size=size, after=after)
    hits = [
        {
            "kind": kind,
            "kuid": kuid,
            **(one.to_json(request.session) if isinstance(one, OpenSession) else one.to_json()),
        }
        for kuid, one in page.found
    ]
    following = None if page.last is None else "{}.{}".format(*page.last)
    return {"hits": hits, "total": page.total, "next": following}


def _position(text: str | None) -> Position | None:
    if text is None:
        return None
    instant, dot, id = text.partition(".")
    if not (dot and instant.isascii() and instant.isdecimal() and len(instant) <= LONGEST_INSTANT):
        raise errors.InvalidArgument("body.search_after", "what a page gave as next")
    return int(instant), id
