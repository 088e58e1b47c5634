"""A session recorded from a real Kuzzle, replayed over HTTP and over WebSocket.

``data/session.json`` holds the requests and the masked answers, in their order. What
Ostiary answers otherwise on purpose stands in ``DEVIATIONS``, with the reason.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ostiary.settings import Settings
from ostiary.testing.wire import Api, HttpApi, Outcome, WebSocketApi, differences, serving

ROWS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "data" / "session.json").read_text(encoding="utf-8")
)


class Deviation(NamedTuple):
    """What Ostiary answers instead, and why; ``id`` None means no error."""

    reason: str
    status: int
    id: str | None
    result: Any = None


DEVIATIONS = {
    "login.passwordNotString": Deviation(
        "contract 13: a password of a wrong type is the client's fault",
        401,
        "plugin.strategy.missing_user",
    ),
    "refreshToken.twice": Deviation(
        "TOK-20: a second refresh within the grace period gives the same token again",
        200,
        None,
        {"_id": "ann", "expiresAt": "<ms>", "jwt": "<jwt>", "ttl": 7_200_000},
    ),
    "user.create.emptyProfileIds": Deviation(
        "contract 13: no profile is the client's fault", 400, "security.user.no_profile"
    ),
    "user.create.exists.otherLogin": Deviation(
        "contract 13: an existing user is no inconsistency", 412, "security.user.already_exists"
    ),
    "cred.update.noCredentials": Deviation(
        "contract 13: anonymous is no user who could hold credentials",
        404,
        "security.user.not_found",
    ),
    "user.delete.anonymous": Deviation(
        "anonymous is no stored user: the error is that of any other unknown user",
        404,
        "security.user.not_found",
    ),
    "cred.create.ok": Deviation(
        "decision 10: every view of credentials names the kuid",
        200,
        None,
        {"username": "bob", "kuid": "bob"},
    ),
    "cred.update.ok.username": Deviation(
        "decision 10: every view of credentials names the kuid",
        200,
        None,
        {"username": "bobby", "kuid": "bob"},
    ),
    "my.cred.create.ok": Deviation(
        "decision 10: every view of credentials names the kuid",
        200,
        None,
        {"username": "ann", "kuid": "ann"},
    ),
}
"""Answers that differ on purpose."""

TEXTS = {
    "plugin.strategy.missing_user",
    "api.assert.invalid_argument",
    "security.token.refresh_forbidden",
}
"""Errors whose last value is a sentence, which is ours."""

OURS = ("plugin.kuzzle-plugin-auth-passport-local.", "ostiary.credentials.")
"""Errors that have an id here and none in Kuzzle (contract 13)."""

IN_BODY = {
    "checkToken.infinite": "inf",
    "checkToken.expired": "short",
    "checkToken.valid": "admin",
    "checkToken.valid.withOwnJwt": "admin",
    "checkToken.loggedOut": "ann",
}
SIGNED_IN = {
    "login.ok": "admin",
    "login.expiresIn.infinite": "inf",
    "login.expiresIn.short": "short",
    "login.user": "ann",
    "login.user.again": "ann",
    "login.user.third": "ann",
    "login.user.fourth": "ann",
    "refreshToken.ok": "ann",
}
ROLES = {
    "editor": {
        "auth": ["getMyRights", "getCurrentUser", "login", "logout"],
        "security": ["getUser"],
        "document": ["!*"],
    },
    "desk": {"auth": ["*"], "server": ["*"]},
}
WITHIN = [{"index": "idx", "collections": ["c1", "c2"]}]
PROFILES: dict[str, list[dict[str, Any]]] = {
    "editors": [{"roleId": "editor", "restrictedTo": WITHIN}, {"roleId": "desk"}],
    "readers": [{"roleId": "editor"}],
}


class Session:
    """Sends the recorded requests and keeps what is answered."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.tokens: dict[str, str] = {}
        self.outcomes: dict[str, Outcome] = {}
        self._before: dict[str, Callable[[], None]] = {
            "checkToken.expired": lambda: self._outlive("short"),
            "refreshToken.old.afterGrace": lambda: self._outlive("old"),
            "cred.create.loginTaken": self._make_ups,
        }

    def replay(self) -> dict[str, Outcome]:
        for row in ROWS:
            name = row["name"]
            self._before.get(name, lambda: None)()
            outcome = self.outcomes[name] = self._send(row)
            if name in SIGNED_IN and outcome.status == 200:
                self.tokens["old"] = self.tokens.get(SIGNED_IN[name], "")
                self.tokens[SIGNED_IN[name]] = outcome.result["jwt"]
        return self.outcomes

    def _send(self, row: dict[str, Any]) -> Outcome:
        body, jwt = row.get("body"), self._token(row)
        if row["name"] in IN_BODY:
            body = {"token": self.tokens[IN_BODY[row["name"]]]}
        if isinstance(self.api, WebSocketApi) or row["http"][1] == "/_query":
            return self.api.call(row["call"], body, jwt=jwt, **row.get("args", {}))
        verb, url = row["http"]
        return self.api.send(verb, url, body, jwt=jwt)

    def _token(self, row: dict[str, Any]) -> str | None:
        if row.get("token") != "custom":
            return self.tokens[row["as"]] if "as" in row else None
        admin = self.tokens["admin"]
        forged = {
            "kauth": "kauth-garbage",
            "tampered": admin[:-4] + "AAAA",
            "noPrefix": admin.removeprefix("kauth-"),
            "wrongPrefix": "kapikey-" + admin.removeprefix("kauth-"),
        }
        return forged.get(row["name"].rpartition(".")[2], "garbage")

    def _outlive(self, who: str) -> None:
        """Wait until a token is refused."""
        while self.api.call("auth:getCurrentUser", jwt=self.tokens[who]).status == 200:
            pass

    def _make_ups(self) -> None:
        """Make the user whom an action that comes later made in the recorded session."""
        body = {"content": {"profileIds": ["default"]}}
        made = self.api.call("security:createUser", body, jwt=self.tokens["admin"], _id="ups")
        assert made.status == 200


@pytest.fixture(scope="module", params=["http", "websocket"])
def replayed(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    settings: Callable[..., Settings],
    prepare_rights: Callable[..., Any],
) -> Iterator[tuple[str, dict[str, Outcome]]]:
    of_server = settings(tmp_path_factory.mktemp("session"), dev=True)
    asyncio.run(prepare_rights(of_server, ROLES, PROFILES))
    make = HttpApi if request.param == "http" else WebSocketApi
    with serving(of_server) as port, closing(make(port)) as api:
        yield request.param, Session(api).replay()


@pytest.mark.parametrize("row", ROWS, ids=[row["name"] for row in ROWS])
def test_an_answer_is_that_of_kuzzle_or_a_listed_deviation(
    row: dict[str, Any], replayed: tuple[str, dict[str, Outcome]]
) -> None:
    protocol, outcomes = replayed
    outcome = outcomes[row["name"]]
    wanted = {**row, **row.get("websocket", {})} if protocol == "websocket" else row
    deviation = DEVIATIONS.get(row["name"])
    assert (outcome.body["controller"], outcome.body["action"]) == tuple(row["call"].split(":"))
    if deviation is not None:
        assert outcome.status == deviation.status
        assert (outcome.body["error"] or {}).get("id") == deviation.id
        assert differences(deviation.result, outcome.body["result"]) == []
        recorded = (wanted["status"], (wanted["error"] or {}).get("id"), wanted.get("result"))
        assert recorded != deviation[1:]
        return
    assert outcome.status == wanted["status"], outcome.body["error"]
    if wanted["error"] is None:
        assert differences(_ours(wanted["result"]), _comparable(outcome.result)) == []
    else:
        _compare_error(wanted["error"], outcome.error)


def _compare_error(wanted: dict[str, Any], error: dict[str, Any]) -> None:
    assert error.keys() == {"id", "code", "status", "message", "props"}
    assert error["status"] == wanted["status"]
    if wanted["id"] is None:
        assert error["id"].startswith(OURS)
        return
    assert (error["id"], error["code"]) == (wanted["id"], wanted["code"])
    assert len(error["props"]) == len(wanted["props"])
    if error["id"] not in TEXTS:
        assert error["props"] == wanted["props"]
    elif len(error["props"]) > 1:
        assert error["props"][:-1] == wanted["props"][:-1]


def _ours(result: Any) -> Any:
    """Return a recorded result as it is here: two hours for one, no list of nothing, our texts."""
    if not isinstance(result, dict):
        return result
    result = dict(result)
    if result.get("ttl") == 3_600_000:
        result["ttl"] = 7_200_000
    if result.get("strategies") == [[]]:
        result["strategies"] = []
    if "state" in result:
        result["state"] = "<text>"
    return _comparable(result)


def _comparable(result: Any) -> Any:
    """Leave out the author, which Kuzzle does not tell, and order what has no order."""
    if not isinstance(result, dict):
        return result
    result = json.loads(json.dumps(result))
    result.get("_source", {}).get("_kuzzle_info", {}).pop("author", None)
    if "hits" in result:
        result["hits"].sort(key=lambda hit: sorted(hit.items()))
    return result
