"""The actions that exist are declared as in Kuzzle: routes, arguments, what is required."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ostiary.actions import Action
from ostiary.testing.registry import registry_of
from ostiary.testing.wire import HttpApi

FACTS: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parent / "data" / "api.json").read_text(encoding="utf-8")
)
ACTIONS = {f"{action.controller}:{action.name}": action for action in registry_of("local")}
LATER = {
    "admin:dump": "decision 31: there is nothing to dump for whoever maintains Kuzzle",
}
"""Actions of Kuzzle that are not there, with the reason."""

COUNTS = {"auth": 19, "security": 55}
"""Actions of Kuzzle in the controllers that are there as a whole."""

EXTRA: dict[str, str] = {
    "auth:describeStrategies": "issue 4: pages and clients draw what a strategy asks for",
    "auth:login state": "issue 4, decision 29: a client returns from where a strategy has sent it",
    "auth:createMyCredentials returnTo": "issue 6: likewise, when an account is linked",
    "auth:login returnTo": "issue 6: a browser goes on to a page that the operator lists",
    "auth:login codeChallenge": "issue 6: and the page hands in a one-time code",
    "auth:login leadBack": "issue 8: pages sign in for applications elsewhere, by any strategy",
    "auth:login noRedirect": "issue 6: pages cannot read a 302, and an invitation may stand in no link",
    "auth:createMyCredentials state": "issue 6: it is finished as a login of several steps is",
    "auth:createMyCredentials noRedirect": "issue 6: pages cannot read a 302",
    "auth:deleteMyCredentials force": "issue 6: the last way in is not unlinked by mistake",
    "security:deleteCredentials force": "issue 6: nor taken",
    "auth:getMySessions": "issue 3: users see where they are signed in",
    "auth:revokeMySession": "issue 3: and end it",
    "security:getSessions": "issue 3: the same for administrators",
    "security:revokeSession": "issue 3: the same for administrators",
    "security:disableUser": "issue 3: users are shut out without being deleted",
    "security:enableUser": "issue 3: and let in again",
    "server:describePlugins": "issue 8: which ways to sign in there are, and how they do",
    "server:describeSettings": "issue 8: people see what holds and where it was given, without secrets",
    "security:searchAuditLog": "issue 4: who did what, for administrators",
    "server:getHistory": "issue 8: the console plots sign-ins, refusals and latency",
    "security:explainUserRights": "issue 8: what lets a user do what they may do",
    "security:previewRole": "issue 8: what saving would do is seen before",
    "security:previewProfile": "issue 8: likewise",
    **{
        f"security:{name} ifUnchangedSince": "issue 8: two who edit do not undo each other's change"
        for name in (
            "createOrReplaceRole",
            "createOrReplaceProfile",
            "updateRole",
            "updateProfile",
        )
    },
    "security:updateUser ifUnchangedSince": "issue 8: nor that of a user",
    "security:updateUser remove": "issue 8: what an editor has lost is lost, and nothing else",
    "server:describeActions": "issue 8: an editor of roles says what each action does",
    "auth:getMySignIns": "issue 8: my account shows who has tried to be me",
    "security:searchSessions": "issue 8: the console lists the sessions and keys of everybody",
    "security:searchHeldBack": "issue 8: and who is held back now",
    "security:releaseHeldBack": "issue 8: and lets them try again",
    "security:createApiKey force": "KEY-08: administrators override the longest lifetime knowingly",
    **{
        f"kuzzle-plugin-auth-passport-local/{name}": reason
        for name, reason in {
            "identifier:getVerificationToken": "issue 5: an application of the operator's sends it",
            "identifier:requestVerification": "issue 5: or the server does, if it sends mail",
            "identifier:verify": "issue 5: addresses are proved to be the user's",
            "password:requestReset": "issue 5: users ask for a new password by mail",
        }.items()
    },
}
"""Actions, ``controller:action``, or arguments after a space, that Kuzzle does not have."""

LOADING = "it does what many single actions do, and ends with the error of the first that fails"
LOADED = (
    "api.assert.empty_argument",
    "api.assert.invalid_argument",
    "security.credentials.unknown_strategy",
    "security.profile.missing_anonymous_role",
    "security.profile.not_found",
    "security.role.login_required",
    "security.role.not_found",
    "security.role.unknown_action",
    "security.role.unknown_controller",
    "security.user.already_exists",
    "security.user.no_profile",
    "services.storage.search_as_an_id",
)
"""What writing roles, profiles and users can end with."""

RESET = "kuzzle-plugin-auth-passport-local/password:reset"
LOCAL = "plugin.kuzzle-plugin-auth-passport-local."

NOT_RAISED: dict[tuple[str, str], str] = {
    (
        "auth:login",
        "plugin.strategy.unknown_kuid",
    ): "a user who is gone looks like a wrong password (AUTH-03)",
    (
        "auth:login",
        "plugin.strategy.invalid_verify_return",
    ): "whatever is no verdict is invalid_verify_resolve",
    ("*", "plugin.runtime.unexpected_error"): "every request can meet a plugin's fault",
    ("*", "security.credentials.database_inconsistency"): "contract 13: the user exists: 412",
    ("security:createUser", "api.assert.forbidden_argument"): "it is told which profiles to give",
    ("security:upsertUser", "api.assert.forbidden_argument"): "it is told which profiles to give",
    ("security:createRestrictedUser", "security.user.no_profile"): "settings name at least one",
    ("security:deleteUser", "security.credentials.rejected"): "decision 17: the user goes first",
    **{
        (
            f"security:{action}",
            "api.assert.empty_argument",
        ): "no policies are one of the default role"
        for action in ("createProfile", "createOrReplaceProfile", "updateProfile")
    },
    **{
        ("security:restrictDefaultRights", id): "settings were checked at the start"
        for id in (
            "api.assert.missing_argument",
            "api.assert.body_required",
            "api.assert.invalid_type",
            "api.assert.empty_argument",
            "security.role.login_required",
            "security.role.unknown_controller",
            "security.role.unknown_action",
        )
    },
}
"""Errors of Kuzzle that an action (``*``: any) does not answer with, with the reason."""

SEARCHES = {
    f"{action.controller}:{action.name}"
    for action in registry_of("local")
    if "earch" in action.name or "scroll" in action.name
}
"""Actions that read a filter, or go on with one."""

RAISED_HERE: dict[tuple[str, str], str] = {
    **{
        (action, id): reason
        for action in SEARCHES
        for id, reason in {
            "api.assert.invalid_argument": "a query, a sort or a duration that cannot be read",
            "api.assert.koncorde_restricted_keyword": "credentials are searched in both languages",
            "api.assert.mutually_exclusive": "Kuzzle gives the error no id",
            "services.koncorde.elastic_translation_error": "every search has two languages",
            "services.storage.get_limit_exceeded": "every search is bounded (INP-09)",
            "services.storage.invalid_query_keyword": "Kuzzle lists no error of its database",
            "services.storage.invalid_search_query": "every search is read alike",
            "services.storage.scroll_duration_too_great": "Kuzzle lists it for the next pages only",
            "services.storage.unknown_query_keyword": "Kuzzle lists no error of its database",
        }.items()
    },
    **{
        (f"{controller}:{verb}{whose}Credentials", "security.credentials.rejected"): (
            "what a strategy refuses; Kuzzle lists it for other actions only"
        )
        for controller, whose in (("auth", "My"), ("security", ""))
        for verb in ("create", "update", "validate")
    },
    (
        "*",
        "api.assert.invalid_type",
    ): "every argument has a type, also where api.json names no error",
    ("*", "api.assert.missing_argument"): "Kuzzle lists it for some arguments only",
    ("*", "api.assert.body_required"): "Kuzzle lists it for some bodies only",
    (
        "realtime:subscribe",
        "api.assert.unsupported_protocol",
    ): "so does Kuzzle; nothing can be sent",
    ("*", "ostiary"): "errors of ours (decision 9)",
    **{
        (
            f"auth:{name}MyCredentials",
            "api.process.too_many_logins_requests",
        ): "AUTH-23: guesses at the current password are limited as logins are"
        for name in ("create", "update", "delete")
    },
    **{
        ("auth:createMyCredentials", id): "issue 6: an account of elsewhere is linked as by a login"
        for id in ("plugin.strategy.missing_user", "plugin.strategy.invalid_verify_resolve")
    },
    ("auth:login", "security.credentials.rejected"): "issue 6: a browser finishes a link here",
    ("auth:createToken", "security.rights.unauthorized"): "nobody has a token without a session",
    ("auth:createToken", "security.token.invalid"): "the session may end while it is made",
    ("auth:refreshToken", "security.credentials.unknown_strategy"): "Kuzzle fails with a 500",
    ("auth:createApiKey", "security.rights.unauthorized"): "KEY-01: no session, no key",
    ("auth:deleteApiKey", "security.rights.unauthorized"): "nobody has keys without a session",
    ("security:createApiKey", "security.rights.unauthorized"): "KEY-01: no session, no key",
    (RESET, "api.process.too_many_logins_requests"): "AUTH-23: guesses at tokens are limited",
    (RESET, "plugin.strategy.missing_user"): "a hook around logins may refuse this one",
    ("security:createApiKey", "security.token.ttl_exceeded"): "KEY-08: maxTTL binds them, too",
    **{("admin:loadSecurities", id): LOADING for id in LOADED},
    **{
        (f"admin:{name}", id): "names that no URL could hold are not declared"
        for name in ("loadMappings", "loadFixtures")
        for id in ("api.assert.invalid_argument", "services.storage.search_as_an_id")
    },
    **{
        (action, id): "INP-03: what can be created can be read and deleted by its URL"
        for action in (
            "security:createUser",
            "security:createRestrictedUser",
            "security:createFirstAdmin",
            "security:upsertUser",
            "security:getUser",
            "security:createRole",
            "security:createOrReplaceRole",
            "security:createProfile",
            "security:createOrReplaceProfile",
            "index:create",
            "collection:create",
            "auth:createApiKey",
            "security:createApiKey",
        )
        for id in ("api.assert.invalid_argument", "services.storage.search_as_an_id")
    },
    (
        "security:upsertUser",
        "security.user.anonymous_profile_required",
    ): "AZ-07: it can name anonymous",
    **{
        (action, "services.storage.get_limit_exceeded"): "INP-09: ids are bounded"
        for action in ("security:mGetUsers", "security:mGetProfiles", "security:mGetRoles")
    },
}
"""Errors that an action (``*``: any) answers with and Kuzzle does not, with the reason."""

REQUIRED_HERE = {
    "admin:loadSecurities": "so does Kuzzle, although no member of it is required",
    "security:updateProfile": "so does Kuzzle, although no member of it is required",
    "security:updateUserMapping": "so does Kuzzle, although no member of it is required",
    "security:updateProfileMapping": "so does Kuzzle, although no member of it is required",
    "security:updateRoleMapping": "so does Kuzzle, although no member of it is required",
    "security:createFirstAdmin": "contract 13: without a body nobody could sign in",
    "security:updateUser": "so does Kuzzle, although no member of it is required: user.update.noBody",
}
"""Actions that need a body of which no member is required."""

existing = pytest.mark.parametrize("name", [name for name in ACTIONS if name in FACTS])


def arguments_of(action: Action) -> dict[str, bool]:
    read = {argument.name: argument.required for argument in action.arguments}
    return read | dict.fromkeys(action.ignored, False)


def test_every_action_is_one_of_kuzzle_or_listed() -> None:
    assert ACTIONS.keys() - FACTS.keys() == {name for name in EXTRA if " " not in name}


def test_every_action_of_kuzzle_is_there_or_listed() -> None:
    """Decision 31: of the controllers that the contract describes."""
    assert FACTS.keys() - ACTIONS.keys() == LATER.keys()
    for controller, count in COUNTS.items():
        found = [name for name in ACTIONS if name.startswith(f"{controller}:")]
        assert len([name for name in found if name not in EXTRA]) == count


@existing
def test_the_routes_are_those_of_the_contract_deprecated_ones_included(name: str) -> None:
    routes = [[route.verb, route.kuzzle_path, route.deprecated] for route in ACTIONS[name].routes]
    assert sorted(routes, key=str) == sorted(FACTS[name]["routes"], key=str)


@existing
def test_the_sdk_picks_the_route_that_it_picks_with_kuzzle(name: str) -> None:
    """Of equally short routes it takes the last GET one, else the first."""
    routes = ACTIONS[name].routes
    if not routes:
        assert FACTS[name]["sdk"] is None
        return
    shortest = min(len(route.kuzzle_path) for route in routes)
    short = [route for route in routes if len(route.kuzzle_path) == shortest]
    reading = [route for route in short if route.verb == "GET"]
    picked = reading[-1] if reading else short[0]
    assert [picked.verb, picked.kuzzle_path] == FACTS[name]["sdk"]


@existing
def test_the_arguments_are_those_of_the_contract(name: str) -> None:
    wanted = {
        argument: required for argument, required in FACTS[name]["args"].items() if argument != "*"
    }
    extra = {argument for argument in arguments_of(ACTIONS[name]) if f"{name} {argument}" in EXTRA}
    found = arguments_of(ACTIONS[name])
    assert {key: value for key, value in found.items() if key not in extra} == wanted


@existing
def test_the_errors_are_those_of_the_contract(name: str) -> None:
    # Of the errors of a strategy its own actions know, and no other.
    wanted = {id for id in FACTS[name]["errors"] if name == RESET or not id.startswith(LOCAL)}
    wanted -= {id for action, id in NOT_RAISED if action in (name, "*")}
    more = {id for action, id in RAISED_HERE if action in (name, "*")}
    found = ACTIONS[name].errors
    assert wanted - found == set()
    assert {
        id for id in found - wanted if id not in more and not id.startswith(("ostiary.", LOCAL))
    } == set()


@existing
def test_a_body_is_needed_where_the_contract_needs_one(name: str) -> None:
    body, facts = ACTIONS[name].body, FACTS[name]["body"]
    members = {} if body is None else {member.name: member.required for member in body.members}
    if members:
        assert members == {key: value for key, value in facts.items() if key != "*"}
    else:
        assert (body is None) == (facts == {})
    if body is not None and name not in REQUIRED_HERE:
        assert body.required == any(facts.values())


def test_no_difference_is_listed_that_is_none() -> None:
    for name, id in NOT_RAISED:
        if name != "*":
            assert id in FACTS[name]["errors"], (name, id)
            assert id not in ACTIONS[name].errors, (name, id)
    raised = {id for action in ACTIONS.values() for id in action.errors}
    for name, id in RAISED_HERE:
        assert name in ACTIONS or name == "*"
        assert id in raised or id == "ostiary"
    for name in EXTRA:
        action, _, argument = name.partition(" ")
        assert argument in ("", *arguments_of(ACTIONS[action]))


def test_public_api_lists_every_route_for_the_sdk(http: HttpApi) -> None:
    listed = http.call("server:publicApi").result
    for name, action in ACTIONS.items():
        controller, _, short = name.partition(":")
        entry = listed[controller][short]
        assert (entry["controller"], entry["action"]) == (controller, short)
        assert [(route["verb"], route["url"], route["path"]) for route in entry["http"]] == [
            (route.verb, route.kuzzle_path, route.kuzzle_path) for route in action.routes
        ]
    assert sum(map(len, listed.values())) == len(ACTIONS)
