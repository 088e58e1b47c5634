"""HTTP requests recorded from a real Kuzzle: routing, identities, bodies, CORS, bare errors.

``data/protocol.json`` holds them with their masked answers; each stands for itself. What
Ostiary answers otherwise on purpose stands in ``DEVIATIONS``, with the reason.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ostiary.settings import Settings
from ostiary.testing.wire import HttpApi, Outcome, differences, serving

ROWS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "data" / "protocol.json").read_text(encoding="utf-8")
)
FIELDS = {"username": "root", "password": "secret"}
PAGE = "http://app.example"
COMPRESSED = {
    "<59 bytes>": gzip.compress(json.dumps(FIELDS).encode()),
    "<47 bytes>": zlib.compress(json.dumps(FIELDS).encode()),
}
TOO_LARGE = "<1200000 bytes>"


class Deviation(NamedTuple):
    """What Ostiary answers instead, and why; ``id`` None means no error."""

    reason: str
    status: int
    id: str | None


DEVIATIONS = {
    "login.multipart": Deviation(
        "contract 13: multipart is refused", 400, "network.http.unsupported_content"
    ),
    "cookie.and.jwt": Deviation(
        "contract 13: 400 with the same id", 400, "security.token.verification_error"
    ),
    "cookie.logout": Deviation(
        "contract 12: logging out ends the token, where nobody else may log out as well", 200, None
    ),
    "query.noBody": Deviation(
        "where a whole request is wanted, nothing is an argument of the wrong type",
        400,
        "api.assert.invalid_type",
    ),
    "auth.header.bearerEmpty": Deviation(
        "TOK-28: what is sent as a token and is none never means anonymous",
        401,
        "security.token.invalid",
    ),
    "url.badEncoding": Deviation(
        "INP-08: a path that is no UTF-8 names nothing", 400, "network.http.unexpected_error"
    ),
    "HEAD": Deviation("HEAD of anything but / is an unknown URL", 404, None),
}
"""Answers that differ on purpose."""


class Recorded(NamedTuple):
    """A server in the state of the recorded one."""

    http: HttpApi
    jwt: str


@pytest.fixture(scope="module")
def recorded(
    tmp_path_factory: pytest.TempPathFactory, settings: Callable[..., Settings]
) -> Iterator[Recorded]:
    of_server = settings(
        tmp_path_factory.mktemp("protocol"), dev=True, http__accessControlAllowOrigin=[PAGE]
    )
    with serving(of_server) as port, closing(HttpApi(port)) as http:
        body = {"content": {}, "credentials": {"local": FIELDS}}
        assert http.call("security:createFirstAdmin", body, _id="root", reset=True).status == 200
        yield Recorded(http, http.call("auth:login", FIELDS, strategy="local").result["jwt"])


def ask(recorded: Recorded, row: dict[str, Any]) -> Outcome:
    jwt = recorded.jwt
    if row["name"].startswith("cookie."):
        jwt = recorded.http.call("auth:login", FIELDS, strategy="local").result["jwt"]

    def filled(text: str) -> str:
        return text.replace("<jwt>", jwt)

    verb, path = row["request"]
    headers = {name: filled(str(value)) for name, value in row["headers"].items()}
    body = row.get("body")
    if body == TOO_LARGE:
        body = " " * 1_200_000
    sent = None if body is None else COMPRESSED.get(body) or filled(body).encode()
    return recorded.http.send(verb, filled(path), sent, headers)


@pytest.mark.parametrize("row", ROWS, ids=[row["name"] for row in ROWS])
def test_an_answer_is_that_of_kuzzle_or_a_listed_deviation(
    row: dict[str, Any], recorded: Recorded
) -> None:
    outcome = ask(recorded, row)
    deviation = DEVIATIONS.get(row["name"])
    if deviation is not None:
        assert outcome.status == deviation.status, outcome.body
        error = outcome.body and outcome.body.get("error", outcome.body)
        assert (error or {}).get("id") == deviation.id
        return
    assert outcome.status == row["status"], outcome.body
    if row.get("empty"):
        assert outcome.raw == b""
        return
    assert ("requestId" in outcome.body) == ("bare" not in row)
    if "bare" not in row:
        _compare_envelope(row, outcome)
    if row["error"] is None:
        assert differences(_ours(row["result"]), _comparable(outcome.result)) == []
    else:
        _compare_error(row["error"], outcome.error)
    for name, value in row["answered"].items():
        assert masked(outcome.headers[name]) == (value[0] if isinstance(value, list) else value)


def masked(header: str) -> str:
    header = re.sub("kauth-[^;]*", "<jwt>", header)
    return re.sub(r"Expires=\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT", "Expires=<http-date>", header)


def test_no_deviation_is_listed_for_what_is_not_recorded() -> None:
    assert DEVIATIONS.keys() <= {row["name"] for row in ROWS}


def _compare_envelope(row: dict[str, Any], outcome: Outcome) -> None:
    body = outcome.body
    assert [body["controller"], body["action"]] == row["call"]
    assert body["volatile"] == row["volatile"]
    assert body["requestId"] == outcome.headers["x-kuzzle-request-id"]
    assert body["requestId"] == row.get("requestId", body["requestId"])


def _compare_error(wanted: dict[str, Any], error: dict[str, Any]) -> None:
    assert error["status"] == wanted["status"]
    if wanted["id"] is None:
        return
    assert (error["id"], error["code"]) == (wanted["id"], wanted["code"])
    assert len(error["props"]) == len(wanted["props"])
    pairs = zip(wanted["props"], error["props"], strict=True)
    assert [other for one, other in pairs if one not in ("<text>", other)] == []


def _ours(result: Any) -> Any:
    """Return a recorded result as it is here: two hours for one, no list of nothing."""
    if not isinstance(result, dict):
        return result
    result = dict(result)
    if result.get("ttl") == 3_600_000:
        result["ttl"] = 7_200_000
    if result.get("strategies") == [[]]:
        result["strategies"] = []
    return result


def _comparable(result: Any) -> Any:
    """Leave out the author, which Kuzzle does not tell."""
    if isinstance(result, dict):
        result.get("_source", {}).get("_kuzzle_info", {}).pop("author", None)
    return result
