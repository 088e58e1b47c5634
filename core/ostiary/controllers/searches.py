"""The ``security`` controller: searching users, profiles, roles and API keys."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired, TypedDict

from ostiary import errors
from ostiary.actions import GET, POST
from ostiary.arguments import Duration
from ostiary.controllers.users import security
from ostiary.services import Services
from ostiary.services.profiles import PROFILES
from ostiary.services.roles import ROLES
from ostiary.services.search import SCROLL, Page
from ostiary.services.user_rows import USERS

Start = Annotated[int | None, "How many documents to pass over."]
Size = Annotated[int | None, "How many documents to return at most."]
Lang = Annotated[str, "The language of the query: elasticsearch or koncorde."]
Timespan = Annotated[
    Duration | None, "Keep the search for so long, to be gone on with: a timespan such as 30s."
]
ScrollId = Annotated[str, "The id that the search, or the last page of it, gave."]
Query = Annotated[dict[str, Any], "What the documents have to be; nothing is all of them."]
Result = dict[str, Any]

BARE_QUERY = (
    errors.InvalidArgument,
    errors.KoncordeRestrictedKeyword,
    errors.FilterNotTranslated,
    errors.UnknownQueryKeyword,
    errors.InvalidQueryKeyword,
    errors.UnsupportedSearch,
    errors.GetLimitExceeded,
)
WHOLE_SEARCH = (*BARE_QUERY, errors.InvalidSearchQuery, errors.PageTooLarge)
"""What a search of documents can end with, beside what one of the query alone can."""
SCROLLED = (errors.ScrollTooLong, errors.MutuallyExclusive)


class Body(TypedDict):
    """The body of a search.

    ``post_filter``, ``from``, ``size`` and ``track_total_hits`` may stand in it as well.
    """

    query: NotRequired[Query]
    sort: NotRequired[Annotated[Any, "A field, an object of fields and orders, or a list of both."]]
    search_after: NotRequired[
        Annotated[list[Any], "Begin after these values of the sorted fields."]
    ]


class RolesBody(Body):
    """The body of ``security:searchRoles``."""

    controllers: NotRequired[
        Annotated[
            list[Any], "Instead of a query: roles that name one of these controllers, or all."
        ]
    ]


class ProfilesBody(Body):
    """The body of ``security:searchProfiles``."""

    roles: NotRequired[
        Annotated[list[Any], "Instead of a query: profiles with one of these roles."]
    ]


@security.action(POST("/users/_search"), raises=[*WHOLE_SEARCH, *SCROLLED])
async def search_users(
    services: Services,
    body: Body | None = None,
    from_: Start = None,
    size: Size = None,
    scroll: Timespan = None,
    lang: Lang = "elasticsearch",
) -> Result:
    """Search users."""
    page = Page(start=from_, size=size)
    asked: Any = body or {}
    found = await services.search.search(USERS, asked, lang=lang, page=page, scroll=scroll)
    return found.to_json()


@security.action(
    GET("/users/_scroll/{scrollId}"),
    raises=[errors.UnknownScrollId, errors.ScrollTooLong, errors.PageTooLarge],
)
async def scroll_users(services: Services, scroll_id: ScrollId, scroll: Timespan = None) -> Result:
    """Return the next page of a search for users."""
    return (await services.search.scroll(USERS, scroll_id, scroll or SCROLL)).to_json()


@security.action(POST("/profiles/_search"), raises=[*WHOLE_SEARCH, *SCROLLED])
async def search_profiles(
    services: Services,
    body: ProfilesBody | None = None,
    from_: Start = None,
    size: Size = None,
    scroll: Timespan = None,
    lang: Lang = "elasticsearch",
) -> Result:
    """Search profiles."""
    page = Page(start=from_, size=size)
    asked, ids = _instead_of_query(body, "roles")
    if ids:
        asked["query"], lang = {"terms": {"policies.roleId": ids}}, "elasticsearch"
    found = await services.search.search(PROFILES, asked, lang=lang, page=page, scroll=scroll)
    return found.to_json()


@security.action(
    GET("/profiles/_scroll/{scrollId}"),
    raises=[errors.UnknownScrollId, errors.ScrollTooLong, errors.PageTooLarge],
)
async def scroll_profiles(
    services: Services, scroll_id: ScrollId, scroll: Timespan = None
) -> Result:
    """Return the next page of a search for profiles."""
    return (await services.search.scroll(PROFILES, scroll_id, scroll or SCROLL)).to_json()


@security.action(POST("/roles/_search"), raises=[*WHOLE_SEARCH, errors.MutuallyExclusive])
async def search_roles(
    services: Services,
    body: RolesBody | None = None,
    from_: Start = None,
    size: Size = None,
    lang: Lang = "elasticsearch",
) -> Result:
    """Search roles."""
    page = Page(start=from_, size=size)
    asked, names = _instead_of_query(body, "controllers")
    if names:
        named = [{"exists": {"field": f"controllers.{name}"}} for name in (*names, "*")]
        asked["query"], lang = {"bool": {"should": named}}, "elasticsearch"
    found = await services.search.search(ROLES, asked, lang=lang, page=page)
    return found.to_json()


@security.action(POST("/users/{userId}/api-keys/_search"), raises=BARE_QUERY, ignored=["scroll"])
async def search_api_keys(
    services: Services,
    user_id: Annotated[str, "The kuid of the owner."],
    body: dict[str, Any] | None = None,
    from_: Start = None,
    size: Size = None,
    lang: Lang = "elasticsearch",
) -> Result:
    """Search the API keys of a user; the body is the query itself."""
    page = Page(start=from_, size=size)
    return (await services.search.api_keys(user_id, body or {}, lang=lang, page=page)).to_json()


def _instead_of_query(body: Any, name: str) -> tuple[dict[str, Any], list[str]]:
    """Return a body without a list that older clients send instead of a query, and the list."""
    asked = dict(body or {})
    listed = asked.pop(name, None)
    if listed is None:
        return asked, []
    if "query" in asked:
        raise errors.MutuallyExclusive(f"body.{name}", "body.query")
    if not all(isinstance(one, str) for one in listed):
        raise errors.InvalidType(f"body.{name}", "array of strings")
    return asked, listed
