"""Actions of plugins, over HTTP and WebSocket: rights, arguments, errors, and what they are given."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from ostiary.patience import Patience
from ostiary.testing.packages import badge, installed
from ostiary.testing.wire import Api, HttpApi, WebSocketApi, serving

GATE = '''
from typing import Annotated, NotRequired, TypedDict

gate = Controller("gate")
Jammed = errors.PreconditionError.declare(
    "plugin.badge.jammed", 0x04_77_0001, 'Gate "{0}" is jammed.'
)

class Width(TypedDict):
    width: Annotated[int, "In metres."]
    why: NotRequired[str]

@gate.action(POST("/gates/{side}"), raises=[Jammed], strict=True)
async def open_gate(
    side: Annotated[str, "Of which side."], body: Width, wide: Annotated[bool, "Both wings."] = False
):
    """Open a gate."""
    if side == "jammed":
        raise Jammed(side)
    return {"_id": side, "width": body["width"], "wide": wide}

@gate.action(GET("/mine"), signed_in=True)
async def get_mine(store, directory, call, strategies):
    """Tell what the action was given."""
    async with store.read() as db:
        held = await db.scalar(select(badges.c.badge).where(badges.c.kuid == call.kuid))
    user = await directory.find(call.kuid)
    return {
        "badge": held,
        "user": user.kuid,
        "nobody": await directory.find("nobody"),
        "strategies": {name: type(one).__name__ for name, one in strategies.items()},
        "call": [call.controller, call.action, call.protocol, dict(call.args), dict(call.headers)],
    }

@gate.action(GET("/others"))
async def get_others(store):
    """Try what no plugin may: read the table of another store."""
    from sqlalchemy import text
    async with store.read() as db:
        return [list(row) for row in await db.execute(text("SELECT * FROM users"))]

@gate.action(GET("/fail/{how}"))
async def get_failure(how: str):
    """Fail."""
    match how:
        case "raise":
            raise KeyError("a secret")
        case "exit":
            raise SystemExit(3)
        case "nonsense":
            return {"when": object()}
        case "split":
            return Reply(1, headers={"x-gate": "a\\r\\nx-forged: 1"})
        case "status":
            return Reply(1, status="fine")
        case "hang":
            import asyncio
            await asyncio.sleep(3600)

@gate.action(GET("/teapot"))
async def get_teapot():
    """Say more than a value can."""
    return Reply({"tea": True}, status=203, headers={"x-gate": "open"})

@hookimpl
def ostiary_controllers():
    return [gate]
'''
NAME = "badge/gate"
PERSON = {"badge": "1"}
numbers = itertools.count()


@pytest.fixture(scope="module")
def gated(
    settings_here: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    """A closed server with an administrator, and with a plugin that brings a controller."""
    folder = tmp_path_factory.mktemp("gate")
    with installed(folder, badge(extra=GATE)):
        settings = settings_here("gated", plugins__allow=["local", "badge"])
        with serving(settings) as port, closing(HttpApi(port)) as http:
            yield _Gated(http)


class _Gated:
    """The server, and the tokens of its administrator."""

    def __init__(self, http: HttpApi) -> None:
        self.http, self.port = http, http.port
        headers = {"X-Ostiary-Setup": "the setup secret of a test"}
        fields = {"username": "root", "password": "a password long enough"}
        body = {"credentials": {"local": fields}}
        assert http.send("POST", "/_createFirstAdmin/root", body, headers).status == 200
        self.jwt = http.call("auth:login", fields, strategy="local").result["jwt"]

    def do(self, name: str, body: Any = None, **args: Any) -> Any:
        return self.http.call(name, body, jwt=self.jwt, **args)

    def person(self, *profile_ids: str) -> str:
        """Return the token of somebody new, who has a badge."""
        shown = f"badge-{next(numbers)}"
        content = {"profileIds": list(profile_ids or ("default",))}
        body = {"content": content, "credentials": {"badge": {"badge": shown}}}
        self.do("security:createUser", body, _id=shown).result  # noqa: B018 - it has succeeded
        answer = self.http.call("auth:login", {"badge": shown}, strategy="badge").result
        return str(answer["jwt"])

    def holder(self, *actions: str) -> str:
        """Return the token of somebody who may run these actions of the gate, and no others."""
        id = f"role-{next(numbers)}"
        controllers = {
            NAME: {"actions": dict.fromkeys(actions, True)},
            "auth": {"actions": {"getCurrentUser": True}},
        }
        assert self.do("security:createRole", {"controllers": controllers}, _id=id).status == 200
        policies = {"policies": [{"roleId": id}]}
        assert self.do("security:createProfile", policies, _id=id).status == 200
        return self.person(id)


@pytest.fixture(params=["http", "websocket"])
def api(gated: Any, request: pytest.FixtureRequest) -> Iterator[Api]:
    made = HttpApi(gated.port) if request.param == "http" else WebSocketApi(gated.port)
    with closing(made):
        yield made


def test_whoever_holds_the_right_runs_an_action_of_a_plugin(gated: Any, api: Api) -> None:
    jwt = gated.holder("openGate")
    answer = api.call(f"{NAME}:openGate", {"width": 3}, jwt=jwt, side="north", wide=True)
    assert answer.result == {"_id": "north", "width": 3, "wide": True}


@pytest.mark.parametrize("path", ["/_/gates/north", "/_plugin/badge/gates/north"])
def test_both_routes_of_kuzzle_lead_to_it(gated: Any, path: str) -> None:
    """Contract, 2.2."""
    answer = gated.http.send("POST", path, {"width": 3}, jwt=gated.jwt)
    assert answer.result["_id"] == "north"
    assert (answer.body["controller"], answer.body["action"]) == (NAME, "openGate")


def test_nobody_runs_it_unless_a_role_says_so(gated: Any, api: Api) -> None:
    """AZ-01"""
    anonymous = api.call(f"{NAME}:openGate", {"width": 3}, side="north")
    assert anonymous.error_id == "security.rights.unauthorized"
    for jwt in (gated.person(), gated.holder("getMine")):
        refused = api.call(f"{NAME}:openGate", {"width": 3}, jwt=jwt, side="north")
        assert refused.error_id == "security.rights.forbidden"


def test_a_role_may_name_what_the_plugin_has_and_with_force_what_it_has_not(gated: Any) -> None:
    """Contract, 6.2."""
    wrong = {"openDoor": "security.role.unknown_action", "*": None, "getMine": None}
    for action, error in wrong.items():
        body = {"controllers": {NAME: {"actions": {action: True}}}}
        answer = gated.do("security:createOrReplaceRole", body, _id="named")
        assert (answer.status == 200) == (error is None)
        assert error is None or answer.error_id == error
        assert gated.do("security:createOrReplaceRole", body, _id="named", force=True).status == 200
    elsewhere = {"controllers": {"badge/door": {"actions": {"*": True}}}}
    answer = gated.do("security:createOrReplaceRole", elsewhere, _id="named")
    assert answer.error_id == "security.role.unknown_controller"


def test_what_is_not_there_is_told_to_whoever_may_do_everything(gated: Any, api: Api) -> None:
    answer = api.call("badge/door:openGate", jwt=gated.jwt)
    assert answer.error_id == "api.process.controller_not_found"
    answer = api.call(f"{NAME}:closeGate", jwt=gated.jwt)
    assert answer.error_id == "api.process.action_not_found"


@pytest.mark.parametrize(
    "body, args, error",
    [
        (None, {"side": "north"}, "api.assert.body_required"),
        ({}, {"side": "north"}, "api.assert.missing_argument"),
        ({"width": "wide"}, {"side": "north"}, "api.assert.invalid_type"),
        ({"width": 3}, {}, "api.assert.missing_argument"),
        ({"width": 3}, {"side": "jammed"}, "plugin.badge.jammed"),
    ],
)
def test_arguments_bodies_and_errors_are_those_of_any_action(
    gated: Any, api: Api, body: Any, args: dict[str, str], error: str
) -> None:
    answer = api.call(f"{NAME}:openGate", body, jwt=gated.jwt, **args)
    assert answer.error_id == error
    if error == "plugin.badge.jammed":
        assert answer.status == 412
        assert (answer.error["code"], answer.error["props"]) == (0x04_77_0001, ["jammed"])


def test_an_action_is_given_what_is_its_plugins_and_nothing_else(gated: Any, api: Api) -> None:
    """ISO-15"""
    jwt = gated.holder("getMine")
    kuid = gated.http.call("auth:getCurrentUser", jwt=jwt).result["_id"]
    assert api.call(f"{NAME}:getMine", jwt=jwt, badge="of another").result == {
        "badge": kuid,
        "user": kuid,
        "nobody": None,
        "strategies": {"badge": "Strategy"},
        "call": [NAME, "getMine", api.protocol, {}, {}],
    }


def test_of_the_headers_it_sees_those_that_its_strategies_declare(gated: Any) -> None:
    """ISO-15"""
    headers = {"X-Door": "north", "X-Other": "south", "Cookie": "a=b"}
    answer = gated.http.send("GET", "/_/mine", headers=headers, jwt=gated.jwt)
    assert answer.result["call"][-1] == {"x-door": "north"}


def test_whoever_must_be_signed_in_is(gated: Any, api: Api) -> None:
    role = gated.do("security:getRole", _id="anonymous").result["_source"]["controllers"]
    opened = {**role, NAME: {"actions": {"getMine": True, "getTeapot": True}}}
    written = gated.do("security:updateRole", {"controllers": opened}, _id="anonymous")
    assert written.status == 200
    assert api.call(f"{NAME}:getTeapot").status == 203
    assert api.call(f"{NAME}:getMine").error_id == "security.rights.unauthorized"
    written = gated.do("security:updateRole", {"controllers": role}, _id="anonymous")
    assert written.status == 200


def test_the_tables_of_other_stores_are_out_of_reach(gated: Any, api: Api) -> None:
    """ISO-06: whatever the database says, it is an error, and no row."""
    answer = api.call(f"{NAME}:getOthers", jwt=gated.jwt)
    assert (answer.status, answer.body["result"]) == (500, None)


@pytest.mark.parametrize(
    "how, error",
    [
        ("raise", "plugin.runtime.unexpected_error"),
        ("exit", "plugin.runtime.unexpected_error"),
        ("nonsense", "plugin.controller.unserializable_response"),
        ("split", "plugin.controller.unserializable_response"),
        ("status", "plugin.controller.unserializable_response"),
    ],
)
def test_what_goes_wrong_in_a_plugin_is_its_own_error(
    gated: Any, api: Api, caplog: pytest.LogCaptureFixture, how: str, error: str
) -> None:
    """ISO-10, LEAK-05"""
    with caplog.at_level(logging.ERROR):
        answer = api.call(f"{NAME}:getFailure", jwt=gated.jwt, how=how)
    assert (answer.status, answer.error_id) == (500, error)
    assert "a secret" not in str(answer.body) + caplog.text
    assert f"{NAME}:getFailure" in caplog.text
    assert api.call("server:now", jwt=gated.jwt).status == 200


def test_an_action_that_hangs_is_given_up(
    gated: Any, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ISO-10"""
    monkeypatch.setattr("ostiary.calling.Patience", lambda _limit: Patience(0.01))
    answer = api.call(f"{NAME}:getFailure", jwt=gated.jwt, how="hang")
    assert (answer.status, answer.error_id) == (504, "ostiary.plugin.timeout")


def test_a_reply_carries_its_status_and_its_headers(gated: Any) -> None:
    answer = gated.http.send("GET", "/_/teapot", jwt=gated.jwt)
    assert (answer.status, answer.result, answer.headers["x-gate"]) == (203, {"tea": True}, "open")


def test_a_body_in_which_one_key_stands_twice_is_refused(gated: Any) -> None:
    """Decision 6."""
    headers = {"Content-Type": "application/json"}
    body = b'{"width": 3, "width": 4}'
    answer = gated.http.send("POST", "/_/gates/north", body, headers, gated.jwt)
    assert answer.error_id == "ostiary.request.duplicate_key"


def test_the_audit_log_tells_of_it_as_of_any_other(
    gated: Any, api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    """ASVS 16.3"""
    # Of somebody new: the same refusal again within a minute is only counted.
    jwt = gated.person("admin")
    with caplog.at_level(logging.INFO, logger="ostiary.audit"):
        api.call(f"{NAME}:openGate", {"width": 3}, jwt=jwt, side="north")
        api.call(f"{NAME}:openGate", {"width": 3}, jwt=jwt, side="jammed")
        api.call(f"{NAME}:getMine", jwt=jwt)
    done, refused = (line for line in caplog.messages if f"action={NAME}:" in line)
    assert done.startswith("ActionRun by ")
    assert " about north from 127.0.0.1 " in done
    assert refused.startswith("ActionRefused by ")
    assert "reason=plugin.badge.jammed" in refused


def test_the_server_lists_it(gated: Any) -> None:
    routes = gated.do("server:publicApi").result
    assert routes[NAME]["openGate"] == {
        "action": "openGate",
        "controller": NAME,
        "http": [
            {"verb": "POST", "path": path, "url": path}
            for path in ("/_plugin/badge/gates/:side", "/_/gates/:side")
        ],
    }
    info = gated.do("server:info").result["serverInfo"]["kuzzle"]
    assert info["api"]["routes"][NAME] == routes[NAME]
    assert info["plugins"]["badge"]["controllers"] == [NAME]


def test_the_document_of_plugins_is_valid_and_of_their_actions_alone(gated: Any) -> None:
    document = gated.http.send("GET", "/_openapi?scope=app", jwt=gated.jwt).body
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []
    assert {path.split("/")[1] for path in document["paths"]} == {"_", "_plugin"}
    for path in ("/_plugin/badge/gates/{side}", "/_/gates/{side}"):
        operation = document["paths"][path]["post"]
        assert operation["summary"] == "Open a gate."
        assert "plugin.badge.jammed" in operation["responses"]["412"]["description"]
    own = gated.http.send("GET", "/_openapi", jwt=gated.jwt).body
    assert not [path for path in own["paths"] if path.startswith(("/_/", "/_plugin"))]
