"""What the server was asked, as it is told later: by every process, after every end."""

from __future__ import annotations

import time
from typing import Any

import pytest

HERE = {"username": "ann", "password": "the password of ann"}
COUNTED = ("requests", "refused", "failed", "signIns", "signInsRefused")
ASKED, CONNECTIONS = 200, 10


def total(api: Any, jwt: str) -> dict[str, int]:
    """Return what has been written since yesterday, added up."""
    wanted = {"since": time.time_ns() // 1_000_000 - 86_400_000, "step": "1h"}
    steps = api.call("server:getHistory", jwt=jwt, **wanted).result["steps"]
    timed = {
        what: sum(sum(step[what]["histogram"]) for step in steps)
        for what in ("requestTimes", "loginTimes")
    }
    return {name: sum(step[name] for step in steps) for name in COUNTED} | timed


@pytest.fixture(params=["sqlite", "postgresql"])
def server(request: pytest.FixtureRequest, serve: Any) -> Any:
    """Two workers on each database."""
    if request.param == "sqlite":
        return serve(workers=2)
    database = request.getfixturevalue("ready")
    return serve(workers=2, database=database.url, environment=database.environment)


def test_every_worker_tells_what_it_was_asked_and_no_end_loses_what_is_told(
    server: Any, connect: Any, administer: Any
) -> None:
    jwt = administer(connect(server))
    for _ in range(CONNECTIONS):
        # Each connection is served by one of the workers.
        api = connect(server)
        for _ in range(ASKED // CONNECTIONS):
            assert api.call("server:now", jwt=jwt).status == 200
        assert api.call("server:now").status == 401
        assert api.call("auth:login", HERE, strategy="local").status == 401
    server.restart()
    told = total(connect(server), jwt)
    # The first administrator was made, and has signed in.
    assert told["requests"] == ASKED + 2 * CONNECTIONS + 2
    assert (told["refused"], told["failed"]) == (2 * CONNECTIONS, 0)
    assert (told["signIns"], told["signInsRefused"]) == (1, CONNECTIONS)
    assert told["loginTimes"] == CONNECTIONS + 1
    assert told["requestTimes"] == told["requests"] - told["loginTimes"]
    server.kill()
    server.start()
    after = total(connect(server), jwt)
    # What was asked since the start was written if a minute has ended meanwhile.
    assert after["requests"] - told["requests"] in (0, 1)
