"""The restricted rights: what the three base roles may do, and how often their users may ask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from msgspec import Meta

from ostiary.settings.declaring import Kind

Controllers = Mapping[str, Mapping[str, Mapping[str, bool]]]


def controllers(value: Any) -> dict[str, dict[str, dict[str, bool]]]:
    """Read what a role may do, as roles are written in the API.

    :raises ValueError: it says something else, or grants with anything but ``true`` (AZ-13).
    """
    if not isinstance(value, Mapping) or not value:
        raise ValueError("not a table of controllers")
    for granted in value.values():
        if not isinstance(granted, Mapping) or list(granted) != ["actions"]:
            raise ValueError("not a table of actions")
        actions = granted["actions"]
        if not isinstance(actions, Mapping) or not all(
            type(may) is bool for may in actions.values()
        ):
            raise ValueError("not true or false")
    return {name: {"actions": dict(granted["actions"])} for name, granted in value.items()}


Granted = Annotated[
    Controllers,
    Kind(controllers, 'a table such as {auth = {actions = {login = true}}}, with "*" for all'),
]


@dataclass(frozen=True, kw_only=True)
class BaseRole:
    """One base role."""

    controllers: Annotated[Granted, "The actions that it grants, by controller."]


@dataclass(frozen=True, kw_only=True)
class AnonymousRole(BaseRole):
    """The role of who is not signed in."""

    def __post_init__(self) -> None:
        """Refuse a server in which nobody could sign in."""
        for controller in ("auth", "*"):
            actions = self.controllers.get(controller, {}).get("actions", {})
            if actions.get("login") or actions.get("*"):
                return
        raise ValueError("the anonymous role must keep the action login of the controller auth")


@dataclass(frozen=True, kw_only=True)
class BaseProfile:
    """One base profile; its only role is the one of the same name."""

    rate_limit: Annotated[int, Meta(ge=0), "Requests a second of each user; 0 is no limit."]


def _role(**granted: list[str]) -> dict[str, dict[str, dict[str, bool]]]:
    return {name: {"actions": dict.fromkeys(actions, True)} for name, actions in granted.items()}


@dataclass(frozen=True, kw_only=True)
class BaseRoles:
    """The base roles."""

    admin: Annotated[BaseRole, "Of administrators."] = BaseRole(controllers=_role(**{"*": ["*"]}))
    default: Annotated[BaseRole, "Of users."] = BaseRole(
        controllers=_role(
            auth=["checkToken", "getCurrentUser", "getMyRights", "logout", "updateSelf"],
            server=["publicApi"],
        )
    )
    anonymous: Annotated[AnonymousRole, "Of who is not signed in."] = AnonymousRole(
        controllers=_role(
            # Who may sign in may see how: decision 1 is older than the description.
            auth=["checkToken", "describeStrategies", "getCurrentUser", "getMyRights", "login"],
            server=["publicApi", "openapi"],
        )
    )

    def by_id(self) -> dict[str, Controllers]:
        """Return what each role grants."""
        return {
            "admin": self.admin.controllers,
            "default": self.default.controllers,
            "anonymous": self.anonymous.controllers,
        }


@dataclass(frozen=True, kw_only=True)
class BaseProfiles:
    """The base profiles."""

    admin: Annotated[BaseProfile, "Of administrators."] = BaseProfile(rate_limit=0)
    default: Annotated[BaseProfile, "Of users."] = BaseProfile(rate_limit=10)
    anonymous: Annotated[BaseProfile, "Of who is not signed in, counted by address."] = BaseProfile(
        rate_limit=200
    )

    def rate_limits(self) -> dict[str, int]:
        """Return the requests a second of each profile."""
        return {
            "admin": self.admin.rate_limit,
            "default": self.default.rate_limit,
            "anonymous": self.anonymous.rate_limit,
        }
