"""The ``security`` controller: the credentials of any user."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired, TypedDict

from ostiary import errors
from ostiary.actions import DELETE, GET, POST, PUT
from ostiary.controllers.auth import StrategyName
from ostiary.controllers.authority import check_target
from ostiary.controllers.searches import BARE_QUERY, Lang, Query, Size, Start
from ostiary.controllers.users import Kuid, NewKuid, security
from ostiary.narrowing import call_of
from ostiary.request import Request
from ostiary.services import Services
from ostiary.services.search import Page

WRITING = (errors.UnknownStrategy, errors.CredentialsRejected)


Force = Annotated[
    bool, "Also where nothing else lets the user in and the strategy would keep its last ones."
]


class CredentialsBody(TypedDict):
    """The body of ``security:searchUsersByCredentials``."""

    query: NotRequired[Query]
    sort: NotRequired[Annotated[Any, "A field, an object of fields and orders, or a list of both."]]


@security.action(
    POST("/credentials/{strategy}/{_id}/_create"),
    strict=True,
    raises=[
        *WRITING,
        errors.UserNotFound,
        errors.CredentialsExist,
        errors.TargetTooPowerful,
    ],
)
async def create_credentials(
    services: Services, request: Request, strategy: StrategyName, id: Kuid, body: dict[str, Any]
) -> dict[str, Any]:
    """Give a user credentials for a strategy; existing ones are never overwritten."""
    await services.strategies.settle(strategy)
    services.strategies.find(strategy)
    if await services.users.find(id) is None:
        # Who is only being made might turn out to be out of reach.
        raise errors.UserNotFound(id)
    await check_target(services, request, id)
    return await services.credentials.create(strategy, id, body, call_of(request))


@security.action(
    PUT("/credentials/{strategy}/{_id}/_update"),
    strict=True,
    raises=[
        *WRITING,
        errors.UserNotFound,
        errors.NoCredentials,
        errors.TargetTooPowerful,
    ],
)
async def update_credentials(
    services: Services, request: Request, strategy: StrategyName, id: Kuid, body: dict[str, Any]
) -> dict[str, Any]:
    """Change some fields of a user's credentials."""
    await check_target(services, request, id)
    return await services.credentials.update(strategy, id, body, call_of(request))


@security.action(POST("/credentials/{strategy}/{_id}/_validate"), strict=True, raises=WRITING)
async def validate_credentials(
    services: Services,
    request: Request,
    strategy: StrategyName,
    body: dict[str, Any],
    id: NewKuid = None,
) -> bool:
    """Tell whether a user, who need not exist yet, could be given these credentials."""
    await services.credentials.validate(strategy, id, body, call_of(request))
    return True


@security.action(
    DELETE("/credentials/{strategy}/{_id}"),
    raises=[
        errors.UnknownStrategy,
        errors.NoCredentials,
        errors.LastWayIn,
        errors.TargetTooPowerful,
    ],
)
async def delete_credentials(
    services: Services,
    request: Request,
    strategy: StrategyName,
    id: Kuid,
    body: dict[str, Any] | None = None,
    force: Force = False,
) -> dict[str, bool]:
    """Take a user's credentials for a strategy away; the body may hold `force`."""
    force = forced(force, body)
    await check_target(services, request, id)
    await services.credentials.delete(strategy, id, force=force)
    return {"acknowledged": True}


@security.action(
    GET("/credentials/{strategy}/{_id}"), raises=[errors.UnknownStrategy, errors.NoCredentials]
)
async def get_credentials(services: Services, strategy: StrategyName, id: Kuid) -> dict[str, Any]:
    """Return what may be seen of a user's credentials."""
    return await services.credentials.view(strategy, id)


@security.action(GET("/credentials/{strategy}/{_id}/_exists"), raises=[errors.UnknownStrategy])
async def has_credentials(services: Services, strategy: StrategyName, id: Kuid) -> bool:
    """Tell whether a user has credentials for a strategy."""
    return await services.credentials.held(strategy, id)


@security.action(
    GET("/credentials/{strategy}/{_id}/_byId"),
    raises=[errors.UnknownStrategy, errors.NoCredentials],
)
async def get_credentials_by_id(
    services: Services,
    strategy: StrategyName,
    id: Annotated[str, "What the strategy knows them by, such as a user name."],
) -> dict[str, Any]:
    """Return what may be seen of credentials, by the id that the strategy itself gives them."""
    return await services.credentials.by_id(strategy, id)


@security.action(GET("/credentials/{strategy}/_fields"), raises=[errors.UnknownStrategy])
async def get_credential_fields(services: Services, strategy: StrategyName) -> list[str]:
    """List the fields of a strategy's credentials."""
    await services.strategies.settle(strategy)
    return list(services.strategies.find(strategy).field_names)


@security.action(GET("/credentials/_fields"))
async def get_all_credential_fields(services: Services) -> dict[str, list[str]]:
    """List the fields of the credentials of every strategy."""
    await services.strategies.settle()
    return {name: list(services.strategies.find(name).field_names) for name in services.strategies}


@security.action(
    POST("/credentials/{strategy}/users/_search"),
    raises=[*BARE_QUERY, errors.UnknownStrategy, errors.MissingOptionalMethod],
)
async def search_users_by_credentials(
    services: Services,
    strategy: StrategyName,
    body: CredentialsBody | None = None,
    from_: Start = None,
    size: Size = None,
    lang: Lang = "elasticsearch",
) -> dict[str, Any]:
    """Search the credentials of a strategy, which decides what may be searched for."""
    await services.strategies.settle(strategy)
    services.strategies.find(strategy)
    given: Any = {name: body[name] for name in ("query", "sort") if name in body} if body else {}
    asked, offset, limit = services.search.credentials(
        given, lang=lang, page=Page(start=from_, size=size)
    )
    found = await services.credentials.search(strategy, asked, offset=offset, limit=limit)
    return {"hits": found.hits, "total": found.total}


def forced(argument: bool, body: dict[str, Any] | None) -> bool:
    """Tell whether a deletion is forced, by an argument or in the body.

    :raises errors.InvalidType: what the body says is neither yes nor no.
    """
    told = (body or {}).get("force", False)
    if not isinstance(told, bool):
        raise errors.InvalidType("body.force", "boolean")
    return argument or told
