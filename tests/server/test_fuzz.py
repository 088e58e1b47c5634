"""Whatever is sent to the routes of our own OpenAPI document, no answer is a fault or a surprise.

Schemathesis makes the requests, good ones and bad ones. ``FUZZ_SECONDS`` is how long each of
these tests takes, ``FUZZ_SEED`` another seed than that of every day.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ostiary.testing.server import ThrowAwayServer
from ostiary.testing.wire import HttpApi

if TYPE_CHECKING:
    from .conftest import Connect, Database, Serve

SECONDS = os.environ.get("FUZZ_SECONDS", "20")
SEED = os.environ.get("FUZZ_SEED", "1")
PROGRAM = "from schemathesis.cli import schemathesis; schemathesis()"
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
)
LEFT_OUT = r"/admin/_(shutdown|reset)"
"""Routes that stop or empty the server."""

ENOUGH = 300
"""Requests that are sent even by a slow machine."""

WORDS = ("Selected", "Tested")
"""What the report calls the routes that there are, and those that were asked."""

OPEN = """
[security.hashing]
timeCost = 5
memoryCost = 7168
queue = 1000

[security.standard.profiles]
default = {rateLimit = 0}
anonymous = {rateLimit = 0}

[limits]
loginFailuresPerAddress = 1000000
"""


@pytest.mark.parametrize("who", ["administrator", "anonymous"])
def test_no_request_is_answered_by_a_fault(
    who: str,
    tmp_path: Path,
    serve: Serve,
    connect: Connect,
    administer: Callable[[HttpApi], str],
) -> None:
    """INP-19, INP-20, LEAK-01: every status, header and body is as the document says."""
    server = serve(settings=OPEN)
    key = api_key(connect(server), administer)
    fuzz(server, tmp_path, key if who == "administrator" else None)


def test_on_postgresql_no_request_is_answered_by_a_fault(
    tmp_path: Path,
    serve: Serve,
    connect: Connect,
    administer: Callable[[HttpApi], str],
    ready: Database,
) -> None:
    """INP-19: what SQLite takes, PostgreSQL may not."""
    server = serve(database=ready.url, environment=ready.environment, settings=OPEN)
    fuzz(server, tmp_path, api_key(connect(server), administer))


def api_key(api: HttpApi, administer: Callable[[HttpApi], str]) -> str:
    """Return a key that outlives whatever is done to the administrator's sessions."""
    body = {"description": "for requests of every kind"}
    made = api.call("security:createApiKey", body, userId="root", jwt=administer(api))
    return str(made.result["_source"]["token"])


def fuzz(server: ThrowAwayServer, folder: Path, key: str | None) -> None:
    """Send requests of every kind; all must be answered, and the server be well afterwards."""
    words = ["run", f"{server.url}/_openapi", "--url", server.url, "--seed", SEED]
    words += ["--checks", ",".join(CHECKS), "--phases", "examples,coverage,fuzzing"]
    words += ["--exclude-path-regex", LEFT_OUT, "--max-time", SECONDS, "--no-color"]
    words += ["--continue-on-failure", "--request-timeout", "30", "--warnings", "off"]
    if key is not None:
        words += ["--header", f"Authorization: Bearer {key}"]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=float(SECONDS) * 2 + 60,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-20_000:]
    assert int(re.findall(r"(\d+) generated", done.stdout)[0]) > ENOUGH
    (selected,), (tested,) = (re.findall(rf"{word}: (\d+)", done.stdout) for word in WORDS)
    assert selected == tested, "some routes were not reached; give it more FUZZ_SECONDS"
    assert "Traceback" not in server.log
    assert server.stop() == 0
