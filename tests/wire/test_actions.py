"""Every action over HTTP and over WebSocket: who may, what it needs, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ostiary.actions import Action
from ostiary.composition import make_registry
from ostiary.settings import Settings
from ostiary.testing.wire import Api, WebSocketApi, differences

ACTIONS = {f"{action.controller}:{action.name}": action for action in make_registry()}
ANYBODY = {
    "auth:checkToken",
    "auth:describeStrategies",
    "auth:getCurrentUser",
    "auth:getMyRights",
    "auth:login",
    "server:publicApi",
    "server:openapi",
}
"""What anonymous may do on a closed server (contract, 7), and draw a sign-in page from."""

USERS = {
    "auth:checkToken",
    "auth:getCurrentUser",
    "auth:getMyRights",
    "auth:logout",
    "auth:updateSelf",
    "server:publicApi",
}
"""What the default profile may do (contract, 7)."""

FILLED = {
    "strategy": "local",
    "_id": "nobody-at-all",
    "userId": "nobody-at-all",
    "scrollId": "nothing",
    "index": "nowhere",
    "collection": "users",
    "database": "memoryStorage",
}


def arguments(action: Action, without: str = "") -> dict[str, str]:
    required = [argument.name for argument in action.arguments if argument.required]
    return {name: FILLED[name] for name in required if name != without}


def body(action: Action) -> Any:
    return {} if action.body is not None and action.body.required else None


@pytest.mark.parametrize("name", sorted(ACTIONS.keys() - ANYBODY))
def test_anonymous_is_refused_with_401(api: Api, name: str) -> None:
    """CFG-02: the rights of a closed server are the least."""
    outcome = api.call(name, body(ACTIONS[name]), **arguments(ACTIONS[name]))
    assert (outcome.status, outcome.error_id) == (401, "security.rights.unauthorized")
    assert outcome.error["props"] == [*name.split(":"), "-1"]


@pytest.mark.parametrize("name", sorted(ANYBODY))
def test_anonymous_is_not_refused(api: Api, name: str) -> None:
    outcome = api.call(name, body(ACTIONS[name]), **arguments(ACTIONS[name]))
    assert "openapi" in outcome.body or "rights" not in str(outcome.body["error"])


@pytest.mark.parametrize("name", sorted(ACTIONS.keys() - USERS - {"auth:login", "server:openapi"}))
def test_a_user_without_the_right_is_refused_with_403(api: Api, plain: Any, name: str) -> None:
    outcome = api.call(name, body(ACTIONS[name]), jwt=plain.jwt, **arguments(ACTIONS[name]))
    assert (outcome.status, outcome.error_id) == (403, "security.rights.forbidden")
    assert outcome.error["props"] == [*name.split(":"), plain.kuid]


@pytest.mark.parametrize("name", [name for name, one in ACTIONS.items() if one.signed_in])
def test_an_action_on_oneself_wants_somebody_even_where_all_is_allowed(
    dev: Any, protocol: str, name: str
) -> None:
    with closing(dev.open(protocol)) as api:
        outcome = api.call(name, body(ACTIONS[name]), **arguments(ACTIONS[name]))
    assert (outcome.status, outcome.error_id) == (401, "security.rights.unauthorized")


@pytest.mark.parametrize(
    "name, argument",
    [
        (name, one.name)
        for name, action in ACTIONS.items()
        for one in action.arguments
        if one.required
    ],
)
def test_an_action_refuses_to_miss_an_argument(
    api: Api, closed: Any, name: str, argument: str
) -> None:
    action = ACTIONS[name]
    given = arguments(action, without=argument)
    outcome = api.call(name, body(action), jwt=closed.admin.jwt, **given)
    assert (outcome.status, outcome.error_id) == (400, "api.assert.missing_argument")
    assert outcome.error["props"] == [argument]


@pytest.mark.parametrize(
    "name", [name for name, action in ACTIONS.items() if action.body and action.body.required]
)
def test_an_action_refuses_to_miss_its_body(api: Api, closed: Any, name: str) -> None:
    outcome = api.call(name, jwt=closed.admin.jwt, **arguments(ACTIONS[name]))
    assert (outcome.status, outcome.error_id) == (400, "api.assert.body_required")


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, action in ACTIONS.items()
        if any(argument.name == "strategy" for argument in action.arguments)
    ],
)
def test_an_unknown_strategy_has_a_name_of_its_own(api: Api, closed: Any, name: str) -> None:
    given = {**arguments(ACTIONS[name]), "strategy": "carrier-pigeon"}
    jwt = None if name == "auth:login" else closed.admin.jwt
    outcome = api.call(name, body(ACTIONS[name]), jwt=jwt, **given)
    assert (outcome.status, outcome.error_id) == (400, "security.credentials.unknown_strategy")
    assert outcome.error["props"] == ["carrier-pigeon"]


@pytest.mark.parametrize("name", ["auth:nothing", "nothing:nothing"])
def test_who_lacks_rights_does_not_learn_what_exists(api: Api, plain: Any, name: str) -> None:
    """A caller without the right gets the same answer whether the action exists or not."""
    assert api.call(name).status == 401
    assert api.call(name, jwt=plain.jwt).status == 403


def test_who_holds_a_wildcard_learns_what_exists(api: Api, closed: Any) -> None:
    no_action = api.call("auth:nothing", jwt=closed.admin.jwt)
    assert (no_action.status, no_action.error_id) == (404, "api.process.action_not_found")
    no_controller = api.call("nothing:nothing", jwt=closed.admin.jwt)
    assert no_controller.status == 404
    assert no_controller.error_id == "api.process.controller_not_found"


@dataclass(frozen=True)
class Case:
    """A request of the administrator, and the error that answers it."""

    name: str
    id: str
    props: list[str]
    status: int = 400
    body: Any = None
    args: dict[str, Any] = field(default_factory=dict)


NOBODY = {"_id": "nobody-at-all"}
DEFAULT = {"profileIds": ["default"]}
CASES = [
    Case("auth:checkToken", "api.assert.invalid_type", ["body.token", "string"], body={"token": []}),
    Case(
        "auth:updateSelf", "api.assert.forbidden_argument", ["body._kuzzle_info"],
        body={"_kuzzle_info": {"author": "me"}},
    ),
    Case(
        "security:createUser", "api.assert.invalid_type", ["body.content", "object"],
        body={"content": "x"},
    ),
    Case(
        "security:createUser", "api.assert.invalid_type", ["body.credentials.local", "object"],
        body={"content": DEFAULT, "credentials": {"local": []}},
    ),
    Case(
        "security:createUser", "services.storage.search_as_an_id", [],
        body={"content": DEFAULT}, args={"_id": "_search"},
    ),
    Case(
        "security:createRestrictedUser", "api.assert.invalid_type", ["body.credentials", "object"],
        body={"credentials": []},
    ),
    Case(
        "security:createRestrictedUser", "security.user.already_exists", ["root"], 412,
        body={}, args={"_id": "root"},
    ),
    Case(
        "security:createRestrictedUser", "security.credentials.unknown_strategy", ["pigeon"],
        body={"credentials": {"pigeon": {}}},
    ),
    Case("security:createFirstAdmin", "api.process.admin_exists", [], 412, body={}),
    Case(
        "security:createFirstAdmin", "api.assert.forbidden_argument", ["body.content.profileIds"],
        body={"content": {"profileIds": ["admin"]}},
    ),
    Case("security:getUser", "services.storage.search_as_an_id", [], args={"_id": "_search"}),
    Case("security:getUser", "security.user.not_found", ["nobody-at-all"], 404, args=NOBODY),
    Case(
        "security:updateUser", "security.user.no_profile", ["root"],
        body={"profileIds": []}, args={"_id": "root"},
    ),
    Case(
        "security:updateUser", "ostiary.user.last_administrator", ["root"], 412,
        body={"profileIds": ["default"]}, args={"_id": "root"},
    ),
    Case(
        "security:deleteUser", "ostiary.user.last_administrator", ["root"], 412,
        args={"_id": "root"},
    ),
    Case(
        "security:deleteUser", "services.storage.not_found", ["-1", "kuzzle", "users"], 404,
        args={"_id": "-1"},
    ),
    Case(
        "security:getCredentials", "ostiary.credentials.missing", ["nobody-at-all", "local"], 412,
        args={**NOBODY, "strategy": "local"},
    ),
    Case(
        "security:deleteCredentials", "ostiary.credentials.missing", ["nobody-at-all", "local"],
        412, args={**NOBODY, "strategy": "local"},
    ),
    Case(
        "security:createCredentials", "ostiary.credentials.exist", ["root", "local"], 412,
        body={"username": "r", "password": "another long password"},
        args={"_id": "root", "strategy": "local"},
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    "case", CASES, ids=lambda case: " ".join([case.name, case.id, *case.props])
)
def test_a_wrong_request_is_answered_with_its_error(api: Api, closed: Any, case: Case) -> None:
    outcome = api.call(case.name, case.body, jwt=closed.admin.jwt, **case.args)
    assert (outcome.status, outcome.error_id) == (case.status, case.id)
    assert outcome.error["props"] == case.props


def test_a_user_is_told_who_made_and_changed_them(api: Api, closed: Any) -> None:
    admin = closed.admin.jwt
    made = api.call("security:createUser", {"content": DEFAULT}, jwt=admin).result
    changed = api.call("security:updateUser", {"a": 1}, jwt=admin, _id=made["_id"]).result
    info = {"author": "root", "createdAt": "<ms>", "updatedAt": None, "updater": None}
    assert differences({**DEFAULT, "_kuzzle_info": info}, made["_source"]) == []
    info = {**info, "updatedAt": "<ms>", "updater": "root"}
    assert differences({**DEFAULT, "a": 1, "_kuzzle_info": info}, changed["_source"]) == []
    assert api.call("security:getUser", jwt=admin, _id=made["_id"]).result == changed


def test_nobody_gives_profiles_that_exceed_their_own(api: Api, closed: Any) -> None:
    """AZ-20: assigning a profile needs at least its rights."""
    clerk = closed.person("clerk")
    refused = api.call("security:createUser", {"content": {"profileIds": ["admin"]}}, jwt=clerk.jwt)
    assert (refused.status, refused.error_id) == (403, "ostiary.rights.escalation")
    raised = api.call(
        "security:updateUser", {"profileIds": ["admin"]}, jwt=clerk.jwt, _id=clerk.kuid
    )
    assert (raised.status, raised.error_id) == (403, "ostiary.rights.escalation")
    granted = api.call(
        "security:createUser", {"content": {"profileIds": ["member"]}}, jwt=clerk.jwt
    )
    assert granted.status == 200


def test_unknown_arguments_are_ignored(api: Api, closed: Any) -> None:
    given = {"refresh": "wait_for", "retryOnConflict": 3, "verb": "POST", "odd": None}
    made = api.call("security:createUser", {"content": DEFAULT}, jwt=closed.admin.jwt, **given)
    assert made.status == 200


def test_a_key_that_stands_twice_is_refused(closed: Any, protocol: str) -> None:
    """ASVS 1.5.3, decision 6: two parsers must not read two different users."""
    twice = '{"content": {"profileIds": ["default"], "a": 1, "a": 2}}'
    with closing(closed.open(protocol)) as api:
        if isinstance(api, WebSocketApi):
            head = {"controller": "security", "action": "createUser", "jwt": closed.admin.jwt}
            answer = api.frame(f'{json.dumps(head)[:-1]}, "body": {twice}}}')
        else:
            url = "/users/_create"
            answer = api.send("POST", url, twice.encode(), jwt=closed.admin.jwt).body
    assert answer["error"]["id"] == "ostiary.request.duplicate_key"


@pytest.fixture(scope="module")
def strict(
    tmp_path_factory: pytest.TempPathFactory,
    settings: Callable[..., Settings],
    new_site: Callable[[Settings], Any],
) -> Iterator[Any]:
    """A server that nobody has raised the limits of."""
    folder: Path = tmp_path_factory.mktemp("strict")
    limits = {"limits__loginsPerSecond": 1, "security__standard__profiles__default__rateLimit": 1}
    with new_site(settings(folder, **limits)) as site:
        yield site


def answers(site: Any, count: int, **message: Any) -> list[dict[str, Any]]:
    """Send the same request several times at once on one WebSocket."""
    with closing(site.open("websocket")) as api:
        for _ in range(count):
            api.socket.send(json.dumps(message))
        return [json.loads(api.socket.recv(20)) for _ in range(count)]


def test_logins_are_limited_by_connection(strict: Any) -> None:
    credentials = {"username": "nobody", "password": "x"}
    message = {"controller": "auth", "action": "login", "strategy": "local"}
    refused = [
        one for one in answers(strict, 4, **message, body=credentials) if one["status"] == 429
    ]
    assert refused
    assert {one["error"]["id"] for one in refused} == {"api.process.too_many_logins_requests"}


def test_requests_are_limited_by_user_and_logging_out_is_not(strict: Any) -> None:
    jwt = strict.person("default").jwt
    message = {"controller": "auth", "action": "getCurrentUser", "jwt": jwt}
    refused = [one for one in answers(strict, 4, **message) if one["status"] == 429]
    assert refused
    assert {one["error"]["id"] for one in refused} == {"api.process.too_many_requests"}
    out = answers(strict, 1, controller="auth", action="logout", jwt=jwt)
    assert out[0]["status"] == 200


def test_a_document_is_raw_over_http_and_in_an_envelope_over_websocket(api: Api) -> None:
    """Clients of WebSocket find an answer by its room (contract, 3.3)."""
    body = api.call("server:openapi").body
    document = body["result"] if api.protocol == "websocket" else body
    assert document["openapi"].startswith("3.1")


def test_restricting_the_default_rights_closes_an_open_server(
    tmp_path: Path,
    settings: Callable[..., Settings],
    new_site: Callable[[Settings], Any],
    protocol: str,
) -> None:
    with new_site(settings(tmp_path, dev=True)) as site, closing(site.open(protocol)) as api:
        assert api.call("security:getUser", _id="root").status == 200
        outcome = api.call("security:restrictDefaultRights")
        assert (outcome.status, outcome.result) == (200, None)
        assert api.call("security:getUser", _id="root").status == 401
        rights = api.call("auth:getMyRights").result["hits"]
    assert {f"{one['controller']}:{one['action']}" for one in rights} == ANYBODY
