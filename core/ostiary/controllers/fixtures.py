"""The ``admin`` controller: loading roles, profiles and users, and names of collections."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, NotRequired, TypedDict

from ostiary import errors
from ostiary.actions import POST
from ostiary.controllers.admin import ACKNOWLEDGED, admin
from ostiary.controllers.authority import caller
from ostiary.controllers.indexes import NAMING
from ostiary.controllers.roles import WRITING as WRITING_ROLES
from ostiary.controllers.users import (
    CREATING,
    GIVING_PROFILES,
    credentials_in,
    profile_ids_in,
)
from ostiary.narrowing import call_of
from ostiary.properties import properties_of
from ostiary.request import Request
from ostiary.services import Services
from ostiary.services.loading import EXISTING, Author, Existing, Securities, UserToLoad

KINDS: dict[type[Any], str] = {dict: "object", list: "array"}
AT_ONCE = (False, None, "false")
"""What ``refresh`` is where a client does not want to wait."""

ExistingUsers = Annotated[
    str, "`fail`, `skip` or `overwrite`: what to do with users who exist already."
]
Force = Annotated[bool, "Allow controllers that are not there, and actions that plugins lack."]
Refresh = Annotated[Any, "`false` answers before anything is loaded; the log tells the end."]
Named = Annotated[dict[str, Any], "By index, the collections."]


class Fixtures(TypedDict):
    """The body of ``admin:loadSecurities``."""

    roles: NotRequired[Annotated[dict[str, Any], "Bodies of `createOrReplaceRole`, by id."]]
    profiles: NotRequired[Annotated[dict[str, Any], "Bodies of `createOrReplaceProfile`, by id."]]
    users: NotRequired[Annotated[dict[str, Any], "Bodies of `createUser`, by kuid."]]


@admin.action(
    POST("/admin/_loadSecurities"),
    strict=True,
    raises=[
        *WRITING_ROLES,
        *CREATING,
        *GIVING_PROFILES,
        errors.AdministratorsKeepRights,
        errors.AnonymousRoleRequired,
        errors.LastAdministrator,
        errors.MissingArgument,
        errors.PreventOverwrite,
        errors.RoleNotFound,
        errors.TargetTooPowerful,
        errors.UnexpectedArgument,
    ],
)
async def load_securities(
    services: Services,
    request: Request,
    body: Fixtures,
    on_existing_users: ExistingUsers = "fail",
    force: Force = False,
    refresh: Refresh = "wait_for",
) -> dict[str, bool]:
    """Load roles, then profiles, then users, until the first error; what is written stays.

    Roles and profiles are replaced if they exist. Nobody gives more than they held at the
    beginning. A user who is overwritten keeps their credentials of strategies that are not named.
    """
    existing = _existing(on_existing_users)
    securities = read_securities(body)
    author = Author(call_of(request), await caller(services, request))
    await services.loading.check_existing(securities.users, existing)
    work = services.loading.load(securities, author, existing, force=force)
    if refresh in AT_ONCE:
        services.background.start(f"loading securities for {request.kuid!r}", work)
    else:
        await work
    return ACKNOWLEDGED


@admin.action(
    POST("/admin/_loadMappings"), raises=[*NAMING, errors.InvalidType], ignored=["refresh"]
)
async def load_mappings(services: Services, body: Named) -> dict[str, bool]:
    """Declare indexes and collections; the mappings of documents mean nothing here."""
    await _declare(services, body, dict)
    return ACKNOWLEDGED


@admin.action(
    POST("/admin/_loadFixtures"),
    raises=[*NAMING, errors.InvalidType, errors.NoDocuments],
    ignored=["refresh"],
)
async def load_fixtures(services: Services, body: Named) -> dict[str, bool]:
    """Declare indexes and collections; their lists must be empty, for documents are not kept."""
    for index, collection, documents in _collections(body, list):
        if documents:
            raise errors.NoDocuments(f"{index}:{collection}")
    await _declare(services, body, list)
    return ACKNOWLEDGED


def read_securities(body: Fixtures) -> Securities:
    """Return what is to be loaded, if everything has the right form."""
    users = _entries(body.get("users", {}), "body.users")
    return Securities(
        roles=_entries(body.get("roles", {}), "body.roles"),
        profiles=_entries(body.get("profiles", {}), "body.profiles"),
        users=tuple(read_user(id, user, f"body.users.{id}.") for id, user in users.items()),
    )


def read_user(kuid: str, user: Mapping[str, Any], within: str) -> UserToLoad:
    """Return a user from what ``security:createUser`` would take as its body.

    :param within: what stands before the names of members in errors.
    """
    if not kuid:
        # None given would be one made up, another each time.
        raise errors.MissingArgument(f"{within}_id")
    for name in ("content", "credentials"):
        if not isinstance(user.get(name, {}), dict):
            raise errors.InvalidType(within + name, "object")
    content = user.get("content", {})
    profile_ids = profile_ids_in(content, f"{within}content.", kuid, required=True)
    assert profile_ids is not None
    return UserToLoad(kuid, profile_ids, properties_of(content), credentials_in(user, within))


def _existing(given: str) -> Existing:
    for choice in EXISTING:
        if given == choice:
            return choice
    raise errors.UnexpectedArgument(given, ", ".join(EXISTING))


async def _declare(services: Services, body: Mapping[str, Any], kind: type[Any]) -> None:
    for index, collection, _ in tuple(_collections(body, kind)):
        await services.places.declare(index, collection)


def _collections(body: Mapping[str, Any], kind: type[Any]) -> Iterator[tuple[str, str, Any]]:
    """Yield each index and collection, and what it is to hold; an index alone holds none."""
    for index, collections in body.items():
        if not isinstance(collections, dict):
            raise errors.InvalidType(f"body.{index}", "object")
        yield index, "", kind()
        for collection, held in collections.items():
            if not isinstance(held, kind):
                raise errors.InvalidType(f"body.{index}.{collection}", KINDS[kind])
            yield index, collection, held


def _entries(entries: Mapping[str, Any], path: str) -> Mapping[str, Mapping[str, Any]]:
    for id, entry in entries.items():
        if not isinstance(entry, dict):
            raise errors.InvalidType(f"{path}.{id}", "object")
    return entries
