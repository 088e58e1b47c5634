"""Every error that an action declares is met, over both protocols and on both databases.

``data/requests.json`` holds a request of each action that succeeds, ``data/faults.json`` what
is wrong with it for each error: ``of`` are the actions that a fault is for, as a pattern; the
first one that fits counts. A declared error without a fault fails.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from ostiary import errors
from ostiary.actions import Action, Argument
from ostiary.settings import Settings
from ostiary.testing.linked import passes
from ostiary.testing.packages import badge, installed
from ostiary.testing.registry import registry_of

FAULTS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "data" / "faults.json").read_text(encoding="utf-8")
)
ACTIONS = {f"{action.controller}:{action.name}": action for action in registry_of("local")}
WRONG = {"boolean": "yes", "integer": "many", "string": {"a": 1}, "array": 1, "object": 1}
INVALID = errors.InvalidType.id

LOCAL = "kuzzle-plugin-auth-passport-local"
PASSWORD = f"{LOCAL}/password"

UNMET = {
    **{
        (f"admin:{name}", "api.process.action_locked"): "two at once: test_resets.py, test_admin.py"
        for name in ("resetSecurity", "resetDatabase", "shutdown")
    },
    (
        "server:healthCheck",
        "core.fatal.service_unavailable",
    ): "the store would have to go between two statements: test_about.py",
    **{
        (
            name,
            "ostiary.rights.too_many",
        ): "actions and places by the hundred: test_listing_rights.py"
        for name in ("auth:getMyRights", "security:getUserRights", "security:getProfileRights")
    },
    **{
        (f"security:{name}", "ostiary.rights.too_many"): "as many again: test_rights_told.py"
        for name in ("explainUserRights", "previewRole", "previewProfile")
    },
    (
        "auth:login",
        "ostiary.user.last_administrator",
    ): "a strategy has to give profiles: tests/unit/services/test_directory.py",
    (
        f"{PASSWORD}:reset",
        "api.process.too_many_logins_requests",
    ): "guesses by the hundred: test_password_resets.py",
    **{
        (f"{PASSWORD}:reset", f"plugin.{LOCAL}.{id}"): "rules for passwords: plugins/local/tests"
        for id in (
            *("common_password", "expected_password", "guessable_password", "login_in_password"),
            *("password_too_long", "reused_password", "weak_password"),
        )
    },
    (
        f"{PASSWORD}:reset",
        "plugin.strategy.missing_user",
    ): "a hook around logins has to refuse: test_password_resets.py",
    (
        "auth:createMyCredentials",
        "api.process.too_many_logins_requests",
    ): "guesses by the hundred: test_linking.py",
    **{
        ("auth:login", id): "a link has to come back: test_linking.py"
        for id in ("ostiary.credentials.exist", "security.credentials.rejected")
    },
    **{
        ("security:releaseHeldBack", id): "somebody has to be held back: test_held_back.py"
        for id in ("ostiary.rights.escalation", "ostiary.rights.target")
    },
    ("security:upsertUser", "security.user.not_found"): "the user would have to go meanwhile",
    (
        "realtime:subscribe",
        "ostiary.realtime.too_many_rooms",
    ): "rooms by the hundred: test_realtime.py",
    (
        "security:getCredentialsById",
        "ostiary.credentials.missing",
    ): "the user would have to be gone, and their credentials not yet",
    **{
        (f"security:{name}", "ostiary.search.page_too_large"): "tests/unit/services/search"
        for name in (
            "searchUsers",
            "searchProfiles",
            "searchRoles",
            "scrollUsers",
            "scrollProfiles",
        )
    },
}
"""Errors that an action declares and no single request can meet, with the reason."""

ONE_PROTOCOL = {
    ("realtime:subscribe", "api.assert.unsupported_protocol"): "http",
    ("auth:login", "ostiary.request.secret_in_url"): "http",
    ("auth:createMyCredentials", "ostiary.request.secret_in_url"): "http",
    ("auth:updateMyCredentials", "ostiary.request.secret_in_url"): "http",
    ("auth:deleteMyCredentials", "ostiary.request.secret_in_url"): "http",
    ("realtime:subscribe", "core.realtime.invalid_scope"): "websocket",
    ("realtime:subscribe", "core.realtime.invalid_users"): "websocket",
}
"""Errors that only requests of one protocol can meet."""

TIGHT = {
    "security__authToken__maxTTL": "2h",
    "security__restrictedProfileIds": ["ghost"],
    "security__apiKey__maxTTL": "2h",
    "security__apiKey__maxPerUser": 1,
    "limits__documentsFetchCount": 2,
    "limits__documentsWriteCount": 2,
    "limits__loginFailuresPerAccount": 1,
    "plugins__<name>__local__resetPasswordExpiresIn": 1,
}


@pytest.fixture(scope="session")
def tight(
    settings_here: Callable[..., Settings], new_site: Callable[..., Any], mail: Mapping[str, Any]
) -> Iterator[Any]:
    """A server whose every limit is low."""
    rare = {"plugins__<name>__local__mail": {**mail, "maxPerAddress": 1, "maxPerAccount": 1}}
    with new_site(settings_here("tight", **TIGHT, **rare)) as running:
        yield running


@pytest.fixture(scope="session")
def odd(
    settings_here: Callable[..., Settings],
    new_site: Callable[..., Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Any]:
    """A server with a strategy that does not keep to what hooks promise."""
    verdict = "return {'number': Verified(1)}.get(credentials['badge'])"
    folder = tmp_path_factory.mktemp("packages")
    with installed(folder, badge(verify=verdict), passes()), ExitStack() as stack:
        asking = {"security__newCredentials__youngSession": 0}
        settings = settings_here("odd", plugins__allow=["local", "badge", "pass"], **asking)
        yield stack.enter_context(new_site(settings))


@pytest.fixture(scope="session")
def opened(settings_here: Callable[..., Settings], new_site: Callable[..., Any]) -> Iterator[Any]:
    """A server where everybody may do everything, and nobody has signed up."""
    settings = settings_here("opened", dev=True)
    with new_site(settings, administered=False) as running:
        yield running


def fault_of(name: str, id: str, protocol: str) -> dict[str, Any]:
    """Return what is wrong with a request that meets an error."""
    for fault in FAULTS:
        if fault["error"] == id and fnmatchcase(name, fault["of"]):
            return fault
    match id:
        case "api.assert.body_required":
            return {"body": None}
        case "api.assert.missing_argument":
            needed = [one.name for one in ACTIONS[name].arguments if one.required]
            return {"args": {needed[0]: None}} if needed else {"body": {}}
        case "api.assert.invalid_type":
            return ill_typed(ACTIONS[name], protocol)
    return {}


def ill_typed(action: Action, protocol: str) -> dict[str, Any]:
    """Give an argument, or else a member of the body, a value of another type.

    Over HTTP a flag is true whatever its value.
    """
    flags = () if protocol == "http" else ("boolean",)
    for kinds in (("string", "integer", "array", "object"), flags):
        for argument in action.arguments:
            if kind_of(argument) in kinds:
                return {"args": {argument.name: WRONG[kind_of(argument)]}}
    for member in action.body.members if action.body else ():
        if kind_of(member) in WRONG:
            return {"body": {member.name: WRONG[kind_of(member)]}}
    return {}


def kind_of(argument: Argument) -> str:
    """Return the type of an argument, where a value of another one is refused as such."""
    kind = argument.wire.schema.get("type", "")
    if errors.InvalidType not in argument.wire.raises:
        return ""
    return kind if isinstance(kind, str) else str(kind[0])


def declared() -> Iterator[Any]:
    """Yield each error of each action with each protocol by which it can be met."""
    for name, action in ACTIONS.items():
        for id in sorted(action.errors - {id for one, id in UNMET if one == name}):
            for protocol in ("http", "websocket"):
                if ONE_PROTOCOL.get((name, id), protocol) != protocol:
                    continue
                if id != INVALID or fault_of(name, id, protocol):
                    yield pytest.param(protocol, name, id, id=f"{protocol} {name} {id}")


@pytest.mark.parametrize("protocol, name, id", list(declared()))
def test_it_is_met(
    request: pytest.FixtureRequest,
    database: str,
    world_of: Callable[[Any], Any],
    asked: Callable[..., Any],
    protocol: str,
    name: str,
    id: str,
) -> None:
    fault = fault_of(name, id, protocol)
    assert fault, "no fault of this action is known to meet this error"
    good = asked(name)
    wrong = replace(
        good,
        who=fault.get("who", good.who),
        args={**good.args, **fault.get("args", {})},
        body=fault.get("body", good.body),
    )
    wrong = replace(wrong, args={key: one for key, one in wrong.args.items() if one is not None})
    site = request.getfixturevalue(fault.get("site", "workshop"))
    world = world_of(site)
    with world.stack, closing(site.open(protocol)) as api:
        for _ in range(fault.get("times", 1) - 1):
            world.ask(api, wrong)
        get = fault.get("get")
        if get is not None:
            outcome = api.send("GET", world.filled(get))
        else:
            outcome = world.ask(api, wrong, queried=fault.get("queried", False))
    assert outcome.status != 200, "it succeeded"
    assert outcome.error_id == id, outcome.error


@pytest.mark.parametrize("name, id", UNMET)
def test_what_is_met_elsewhere_is_still_declared(name: str, id: str) -> None:
    assert id in ACTIONS[name].errors
