"""Letting users look after themselves: a few rights that a closed server begins without.

Users get what their own account needs, and strangers the forms that strategies declare for who
cannot sign in. Forms for who is signed in are for users, and so is looking after each of several
credentials. It is given through the API, by who may change roles.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ostiary.pages.visit import Visit

USERS, STRANGERS = "default", "anonymous"
"""The roles of users who are nothing else, and of who has not signed in."""

OWN_ACCOUNT = (
    "createMyCredentials",
    "credentialsExist",
    "deleteMyCredentials",
    "getMyCredentials",
    "getMySessions",
    "getMySignIns",
    "getStrategies",
    "refreshToken",
    "revokeMySession",
    "updateMyCredentials",
    "validateMyCredentials",
)
"""What users need to look after their own account, of the controller ``auth``; no API keys, which
outlive a session."""

Actions = Mapping[str, Iterable[str]]


async def is_granted(visit: Visit) -> bool | None:
    """Tell whether users may look after themselves; None if who looks cannot know, or change it."""
    if not (visit.may_run("security:getRole") and visit.may_run("security:updateRole")):
        return None
    for id, wanted in (await _wanted(visit)).items():
        role = await visit.call("security", "getRole", _id=id)
        if _missing(role["_source"]["controllers"], wanted):
            return False
    return True


async def grant(visit: Visit) -> None:
    """Let users look after themselves; what the roles say besides stays.

    :raises Refused: who asks may not.
    """
    for id, wanted in (await _wanted(visit)).items():
        role = (await visit.call("security", "getRole", _id=id))["_source"]
        controllers = role["controllers"]
        if missing := _missing(controllers, wanted):
            added = {
                name: {"actions": _actions(controllers, name) | dict.fromkeys(actions, True)}
                for name, actions in missing.items()
            }
            body = {**role, "controllers": {**controllers, **added}}
            await visit.call("security", "updateRole", body, _id=id)


async def _wanted(visit: Visit) -> dict[str, Actions]:
    """Return the actions that each role has to grant, by controller."""
    users: dict[str, list[str]] = {"auth": list(OWN_ACCOUNT)}
    strangers: dict[str, list[str]] = {}
    for strategy in await visit.strategies():
        if (each := strategy["each"]) is not None:
            for one in (each["mine"], each["giveUp"]):
                users.setdefault(one["controller"], []).append(one["action"])
        for form in strategy["forms"]:
            role = users if form["signedIn"] else strangers
            role.setdefault(form["controller"], []).append(form["action"])
    return {USERS: users, STRANGERS: strangers}


def _missing(controllers: Mapping[str, Any], wanted: Actions) -> dict[str, list[str]]:
    """Return what is wanted and a role does not grant, by controller."""
    missing = {}
    for name, actions in wanted.items():
        entry = _actions(controllers, name)
        lacking = [one for one in actions if entry.get(one, entry.get("*")) is not True]
        if lacking:
            missing[name] = lacking
    return missing


def _actions(controllers: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return what a role says of a controller, or else of every one."""
    entry = controllers.get(name) or controllers.get("*") or {}
    actions: dict[str, Any] = entry.get("actions", {})
    return actions
