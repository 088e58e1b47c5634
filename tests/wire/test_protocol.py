"""HTTP requests recorded from a real Kuzzle: routing, identities, bodies, CORS, bare errors.

``data/protocol.json`` holds them with their masked answers, in their order. What Ostiary
answers otherwise on purpose stands in ``DEVIATIONS``, with the reason.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ostiary.settings import Settings
from ostiary.testing.wire import HttpApi, Outcome, differences, serving

ROWS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "data" / "protocol.json").read_text(encoding="utf-8")
)
PAGE = "http://app.example"
JSON = {"Content-Type": "application/json"}
FIELDS = b'{"username":"root","password":"secret"}'
BODIES = {
    "body.tooLarge": b" " * 1_200_000,
    "body.gzip": gzip.compress(FIELDS),
    "body.deflate": zlib.compress(FIELDS),
    "body.encoding.tooMany": gzip.compress(FIELDS),
}
"""Bodies of which the recording tells the size only."""


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
    "url.wrongVerb.existingPath": Deviation(
        "this server keeps no documents: there is no index to delete",
        404,
        "network.http.url_not_found",
    ),
    "openapi": Deviation("the document is of OpenAPI 3.1", 200, None),
}
"""Answers that differ on purpose."""


class Client:
    """Asks as the recorded client did, with the token that it got."""

    def __init__(self, http: HttpApi) -> None:
        self._http = http
        self._jwt = "none"

    def ask(self, row: dict[str, Any]) -> Outcome:
        if row["name"].startswith("cookie."):
            # Where a cookie's session ends with the cookie, the recorded one went on.
            self._jwt = self._http.send("POST", "/_login/local", FIELDS, JSON).result["jwt"]
        verb, path = row["request"]
        headers = {name: self._filled(str(value)) for name, value in row["headers"].items()}
        body = row.get("body")
        sent = None if body is None else self._filled(body).encode()
        sent = BODIES.get(row["name"], sent)
        outcome = self._http.send(verb, self._filled(path), sent, headers)
        if row["name"] == "login.POST":
            self._jwt = outcome.result["jwt"]
        return outcome

    def _filled(self, text: str) -> str:
        return text.replace("<jwt>", self._jwt)


@pytest.fixture(scope="module")
def answers(settings_here: Callable[..., Settings]) -> dict[str, Outcome]:
    """What is answered to each request, asked in their order."""
    settings = settings_here("protocol", dev=True, http__accessControlAllowOrigin=[PAGE])
    with serving(settings) as port, closing(HttpApi(port)) as http:
        client = Client(http)
        return {row["name"]: client.ask(row) for row in ROWS}


@pytest.mark.parametrize("row", ROWS, ids=[row["name"] for row in ROWS])
def test_an_answer_is_that_of_kuzzle_or_a_listed_deviation(
    row: dict[str, Any], answers: dict[str, Outcome]
) -> None:
    outcome = answers[row["name"]]
    found = unlike(row, outcome)
    deviation = DEVIATIONS.get(row["name"])
    if deviation is None:
        assert found == []
    else:
        assert found != [], "this is no deviation any more"
        assert outcome.status == deviation.status, outcome.body
        error = outcome.body and outcome.body.get("error", outcome.body)
        assert (error or {}).get("id") == deviation.id


def test_no_deviation_is_listed_for_what_is_not_recorded() -> None:
    assert DEVIATIONS.keys() <= {row["name"] for row in ROWS}


def unlike(row: dict[str, Any], outcome: Outcome) -> list[str]:
    """Say in what an answer is not the recorded one."""
    found = differences(row["status"], outcome.status, "status")
    for name, value in row["answered"].items():
        found += unlike_header(name, value, outcome.headers.get(name, ""))
    if row.get("empty"):
        return found + differences("", outcome.raw.decode(), "body")
    return found + unlike_body(row, outcome)


def unlike_body(row: dict[str, Any], outcome: Outcome) -> list[str]:
    body, found = outcome.body, []
    if "raw" in row:
        return differences(row["raw"], sorted(body), "members")
    if "indent" in row:
        separators = None if row["indent"] else (",", ":")
        text = json.dumps(body, indent=row["indent"], separators=separators)
        found += differences(text, outcome.raw.decode(), "text")
    if "bare" in row:
        return unlike_error(row["error"], body)
    if "requestId" not in body:
        return [*found, "the error is bare"]
    found += unlike_envelope(row, outcome)
    if (row["error"] is None) != (body["error"] is None):
        return [*found, f"error: {body['error']}"]
    if row["error"] is not None:
        return found + unlike_error(row["error"], body["error"])
    return found + differences(ours(row["result"]), comparable(body["result"]))


def unlike_envelope(row: dict[str, Any], outcome: Outcome) -> list[str]:
    body = outcome.body
    id = outcome.headers["x-kuzzle-request-id"]
    wanted = [*row["call"], row["volatile"], row.get("requestId", id), id]
    names = ("controller", "action", "volatile", "requestId", "requestId")
    return differences(wanted, [body[name] for name in names], "envelope")


def unlike_header(name: str, wanted: Any, found: str) -> list[str]:
    found = re.sub("kauth-[^;]*", "<jwt>", found)
    found = re.sub(r"Expires=\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT", "Expires=<http-date>", found)
    return differences(wanted[0] if isinstance(wanted, list) else wanted, found, name)


def unlike_error(wanted: dict[str, Any], error: dict[str, Any]) -> list[str]:
    """A recorded error has an id and a code, or is the local plugin's, which has ours."""
    if wanted["id"] is None:
        return differences(wanted["status"], error["status"], "error.status")
    return differences(wanted, {name: error.get(name) for name in wanted}, "error")


def ours(result: Any) -> Any:
    """Return a recorded result as it is here: two hours for one, no list of nothing."""
    if not isinstance(result, dict):
        return result
    result = dict(result)
    if result.get("ttl") == 3_600_000:
        result["ttl"] = 7_200_000
    if result.get("strategies") == [[]]:
        result["strategies"] = []
    return comparable(result)


def comparable(result: Any) -> Any:
    """Leave out the author, which Kuzzle does not tell."""
    if not isinstance(result, dict):
        return result
    result = json.loads(json.dumps(result))
    for one in (result, *result.get("hits", [])):
        one.get("_source", {}).get("_kuzzle_info", {}).pop("author", None)
    return result
