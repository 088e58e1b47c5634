"""A session recorded from a real Kuzzle, replayed over HTTP and over WebSocket.

``data/session.json`` holds the requests and the masked answers, in their order. What
Ostiary answers otherwise on purpose stands in ``data/deviations.json``, with the reason: by
the name of the request, with a protocol behind it where it is so over that one alone. What
the recorded session did besides, to roles and profiles, is done by the same API.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ostiary.settings import Settings
from ostiary.testing.wire import (
    MEMBERS,
    Api,
    HttpApi,
    Outcome,
    WebSocketApi,
    differences,
    serving,
)

RECORDED: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "data" / "session.json").read_text(encoding="utf-8")
)
ROWS = [row for row in RECORDED if "call" in row]
DEVIATIONS: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parent / "data" / "deviations.json").read_text(encoding="utf-8")
)


class Step(NamedTuple):
    """A request that was not recorded, but that answers of recorded ones depend on."""

    call: str
    who: str
    args: dict[str, Any] | None = None
    body: Any = None
    keep: tuple[str, str] | None = None


TEXTS = {
    "plugin.strategy.missing_user",
    "api.assert.invalid_argument",
    "security.token.refresh_forbidden",
    "security.token.invalid_expiration",
}
"""Errors whose last value is a sentence, which is ours."""

OURS = ("plugin.kuzzle-plugin-auth-passport-local.", "ostiary.")
"""Errors that have an id here and none in Kuzzle (contract 13)."""

IN_BODY = {
    "checkToken.infinite": "inf",
    "checkToken.expired": "short",
    "checkToken.valid": "admin",
    "checkToken.valid.withOwnJwt": "admin",
    "checkToken.loggedOut": "ann",
}
KEPT = {
    "login.ok": ("admin", "jwt"),
    "login.expiresIn.infinite": ("inf", "jwt"),
    "login.expiresIn.short": ("short", "jwt"),
    "login.user": ("ann", "jwt"),
    "login.user.again": ("ann", "jwt"),
    "login.user.third": ("ann", "jwt"),
    "login.user.fourth": ("ann", "jwt"),
    "refreshToken.ok": ("ann", "jwt"),
    "createToken.singleUse": ("single", "token"),
    "user.search.scroll": ("scroll", "scrollId"),
    "login.afterResetCache": ("admin", "jwt"),
}
"""What later requests need of an answer: what they call it, and its member of the result."""


def grants(*actions: str, value: bool = True) -> dict[str, Any]:
    return {"actions": dict.fromkeys(actions, value)}


EDITOR = {
    "auth": grants("getMyRights", "getCurrentUser", "login", "logout"),
    "security": grants("getUser"),
    "document": grants("*", value=False),
}
DESK = {"auth": grants("*"), "server": grants("*")}
WITHIN = [{"index": "idx", "collections": ["c1", "c2"]}]
EDITORS = [{"roleId": "editor", "restrictedTo": WITHIN}, {"roleId": "desk"}]
BEFORE: dict[str, list[Step]] = {
    "user.create.noBody": [
        Step("security:createRole", "admin", {"_id": "editor"}, {"controllers": EDITOR}),
        Step("security:createRole", "admin", {"_id": "desk"}, {"controllers": DESK}),
        Step("security:createProfile", "admin", {"_id": "editors"}, {"policies": EDITORS}),
        Step(
            "security:createProfile",
            "admin",
            {"_id": "readers"},
            {"policies": [{"roleId": "editor"}]},
        ),
    ],
    "login.user.again": [
        Step("auth:createApiKey", "ann", None, {"description": "third"}, ("key3", "token")),
    ],
    "login.user.fourth": [
        Step(
            "security:createProfile",
            "admin",
            {"_id": "passing"},
            {"policies": [{"roleId": "editor"}]},
        ),
        Step(
            "security:createUser",
            "admin",
            {"_id": "slug"},
            {"content": {"profileIds": ["passing"]}},
        ),
        Step("security:deleteProfile", "admin", {"_id": "passing", "onAssignedUsers": "remove"}),
    ],
    "login.afterResetCache": [
        Step("admin:resetCache", "admin", {"database": "internalCache"}),
    ],
    "createFirstAdmin.noReset.noBody.accepted": [Step("admin:resetSecurity", "admin")],
}
"""What happens before a recorded request."""


class Session:
    """Sends the recorded requests and keeps what is answered."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.kept: dict[str, str] = {}
        self.outcomes: dict[str, Outcome] = {}

    def replay(self) -> dict[str, Outcome]:
        for row in ROWS:
            name = row["name"]
            for step in BEFORE.get(name, []):
                self._do(step)
            if name == "checkToken.expired":
                self._outlive("short")
            if name == "refreshToken.old.afterGrace":
                self._outlive("old")
            outcome = self.outcomes[name] = self._send(row)
            if name in KEPT and outcome.status == 200:
                who, member = KEPT[name]
                self.kept["old"] = self.kept.get(who, "")
                self.kept[who] = outcome.result[member]
        return self.outcomes

    def _do(self, step: Step) -> None:
        outcome = self.api.call(step.call, step.body, jwt=self.kept[step.who], **(step.args or {}))
        assert outcome.status == 200, (step, outcome.body)
        if step.keep is not None:
            who, member = step.keep
            self.kept[who] = outcome.result["_source"][member]

    def _send(self, row: dict[str, Any]) -> Outcome:
        body, jwt = row.get("body"), self._token(row)
        if row["name"] in IN_BODY:
            body = {"token": self.kept[IN_BODY[row["name"]]]}
        args = {name: self._filled(value) for name, value in row.get("args", {}).items()}
        if isinstance(self.api, WebSocketApi) or row["http"][1] == "/_query":
            return self.api.call(row["call"], body, jwt=jwt, **args)
        verb, url = row["http"]
        return self.api.send(verb, self._filled(url), body, jwt=jwt)

    def _filled(self, value: Any) -> Any:
        scroll = self.kept.get("scroll", "")
        return value.replace("<scrollId>", scroll) if isinstance(value, str) else value

    def _token(self, row: dict[str, Any]) -> str | None:
        if row.get("token") != "custom":
            return self.kept.get(row["as"], "none") if "as" in row else None
        admin = self.kept["admin"]
        forged = {
            "kauth": "kauth-garbage",
            "tampered": admin[:-4] + "AAAA",
            "noPrefix": admin.removeprefix("kauth-"),
            "wrongPrefix": "kapikey-" + admin.removeprefix("kauth-"),
        }
        return forged.get(row["name"].rpartition(".")[2], "garbage")

    def _outlive(self, who: str) -> None:
        """Wait until a token is refused."""
        while self.api.call("auth:getCurrentUser", jwt=self.kept[who]).status == 200:
            pass


@pytest.fixture(scope="module", params=["http", "websocket"])
def replayed(
    request: pytest.FixtureRequest, settings_here: Callable[..., Settings]
) -> Iterator[tuple[str, dict[str, Outcome]]]:
    make = HttpApi if request.param == "http" else WebSocketApi
    with serving(settings_here("session", dev=True)) as port, closing(make(port)) as api:
        yield request.param, Session(api).replay()


@pytest.mark.parametrize("row", ROWS, ids=[row["name"] for row in ROWS])
def test_an_answer_is_that_of_kuzzle_or_a_listed_deviation(
    row: dict[str, Any], replayed: tuple[str, dict[str, Outcome]]
) -> None:
    protocol, outcomes = replayed
    outcome = outcomes[row["name"]]
    wanted = {**row, **row.get("websocket", {})} if protocol == "websocket" else row
    found = unlike(wanted, outcome)
    deviation = DEVIATIONS.get(row["name"]) or DEVIATIONS.get(f"{row['name']} {protocol}")
    if deviation is None:
        assert found == []
    else:
        assert found != [], "this is no deviation any more"
        assert outcome.status == deviation["status"], outcome.body
        assert (outcome.body["error"] or {}).get("id") == deviation["id"]
        wanted = comparable(deviation.get("result"))
        assert differences(wanted, comparable(outcome.body["result"])) == []


def test_no_deviation_is_listed_for_what_is_not_recorded() -> None:
    assert {name.partition(" ")[0] for name in DEVIATIONS} <= {row["name"] for row in ROWS}


def test_two_logins_in_one_second_are_two_sessions(dev: Any, protocol: str) -> None:
    """TOK-22: where Kuzzle gives the same token twice, and one logout ends both."""
    (recorded,) = [row for row in RECORDED if "call" not in row]
    assert recorded["result"] == {"identical": True}
    person = dev.person("default")
    with closing(dev.open(protocol)) as api:
        one, other = (
            api.call("auth:login", person.credentials, strategy="local").result["jwt"]
            for _ in range(2)
        )
        assert one != other
        assert api.call("auth:logout", jwt=one).status == 200
        assert api.call("auth:getCurrentUser", jwt=other).status == 200


def unlike(wanted: dict[str, Any], outcome: Outcome) -> list[str]:
    """Say in what an answer is not the recorded one."""
    found = differences(wanted["status"], outcome.status, "status")
    members = outcome.body.keys() - {"room", "index", "collection"}
    found += differences(sorted(MEMBERS), sorted(members), "members")
    names = [outcome.body["controller"], outcome.body["action"]]
    found += differences(wanted["call"].split(":"), names, "action")
    error = outcome.body["error"]
    if wanted["error"] is not None and error is not None:
        found += unlike_error(wanted["error"], error)
    elif (wanted["error"] is None) != (error is None):
        found.append(f"error: {error}")
    if "result" in wanted:
        result = None if wanted["result"] == "<absent>" else wanted["result"]
        found += differences(ours(result), comparable(outcome.body["result"]))
    return found


def unlike_error(wanted: dict[str, Any], error: dict[str, Any]) -> list[str]:
    if wanted["id"] is None:
        wanted = {"status": wanted["status"], "id": error["id"]}
        if not error["id"].startswith(OURS):
            return [f"error: {error['id']} is none of ours"]
    elif wanted["id"] in TEXTS:
        wanted = {**wanted, "props": [*wanted["props"][:-1], "<text>"]}
    if "errors" in wanted:
        wanted = {**wanted, "errors": [{**one, "message": "<text>"} for one in wanted["errors"]]}
    if wanted.get("props"):
        # A list among the values of a message is a text here, as every value is.
        texts = [", ".join(one) if isinstance(one, list) else one for one in wanted["props"]]
        wanted = {**wanted, "props": texts}
    found = differences(wanted, {name: error.get(name) for name in wanted}, "error")
    if error.keys() - {"errors", "count"} != {"id", "code", "status", "message", "props"}:
        found.append(f"error: members {sorted(error)}")
    return found


def ours(result: Any) -> Any:
    """Return a recorded result as it is here: two hours for one, no list of nothing, our texts."""
    if not isinstance(result, dict):
        return comparable(result)
    result = dict(result)
    if result.get("ttl") == 3_600_000:
        result["ttl"] = 7_200_000
    if result.get("strategies") == [[]]:
        result["strategies"] = []
    if "state" in result:
        result["state"] = "<text>"
    return comparable(result)


def comparable(result: Any) -> Any:
    """Leave out the author, which Kuzzle does not tell, and order what has no order."""
    if isinstance(result, list):
        return sorted(result)
    if not isinstance(result, dict):
        return result
    result = json.loads(json.dumps(result))
    for one in (result, *result.get("hits", [])):
        source = one.get("_source", {})
        source.get("_kuzzle_info", {}).pop("author", None)
        source.pop("optimizedPolicies", None)
        if one is not result:
            # In lists it does not tell the updater either.
            source.get("_kuzzle_info", {}).pop("updater", None)
    if "hits" in result and "sort" not in result:
        result["hits"].sort(key=lambda hit: json.dumps(hit, sort_keys=True))
    return result
