"""What controllers use: each service takes its store, its clock and its neighbours when made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from ostiary.cookies import Cookies
    from ostiary.plugins import Strategies
    from ostiary.services.accounts import Accounts
    from ostiary.services.changes import Changes
    from ostiary.services.connections import Connections
    from ostiary.services.credentials import Credentials
    from ostiary.services.defaults import Defaults
    from ostiary.services.grants import Grants
    from ostiary.services.inventory import Inventory
    from ostiary.services.journal import Journal
    from ostiary.services.limits import Limits
    from ostiary.services.login_limits import LoginLimits
    from ostiary.services.logins import Logins
    from ostiary.services.mappings import Mappings
    from ostiary.services.places import Places
    from ostiary.services.profiles import Profiles
    from ostiary.services.roles import Roles
    from ostiary.services.rooms import Rooms
    from ostiary.services.tokens import Tokens
    from ostiary.services.users import Users


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Everything that a controller may ask for."""

    strategies: Strategies
    accounts: Accounts
    changes: Changes
    connections: Connections
    cookies: Cookies
    credentials: Credentials
    defaults: Defaults
    grants: Grants
    inventory: Inventory
    journal: Journal
    limits: Limits
    login_limits: LoginLimits
    logins: Logins
    mappings: Mappings
    places: Places
    profiles: Profiles
    roles: Roles
    rooms: Rooms
    tokens: Tokens
    users: Users
    public_api: Callable[[], Mapping[str, Any]]
    openapi: Callable[[], Mapping[str, Any]]
    restricted_profile_ids: tuple[str, ...]
    secrets_in_urls: bool
    documents_fetch_count: int
    documents_write_count: int
