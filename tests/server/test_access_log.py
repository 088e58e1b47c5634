"""What a running server writes of the requests it answers."""

from __future__ import annotations

from typing import Any

LOGIN = "/_login/local?username=ann&password=the%20password%20of%20ann"


def lines(log: str) -> list[str]:
    return [line for line in log.splitlines() if " ostiary.access " in line]


def test_each_request_is_a_line_without_what_is_secret(serve: Any, connect: Any) -> None:
    """LEAK-05, LEAK-06: a login with the password in the URL is logged, the password is not."""
    server = serve(dev=True, environment={"OSTIARY_LOGGING__ACCESS": "true"})
    http = connect(server)
    content = {"content": {"profileIds": ["default"]}}
    fields = {"local": {"username": "ann", "password": "the password of ann"}}
    made = http.send("POST", "/users/ann/_create", {**content, "credentials": fields})
    assert made.status == 200
    login = http.send("GET", LOGIN, None, {"X-Kuzzle-Request-Id": "this-login"})
    jwt = login.result["jwt"]
    assert http.send("GET", f"/_me?jwt={jwt}").result["_id"] == "ann"
    assert http.send("POST", "/_login/local", b"{bad").status == 400
    server.stop()
    log = server.log
    (line,) = [line for line in lines(log) if line.endswith(" this-login")]
    assert "GET /_login/local?username=***&password=*** 200 " in line
    assert " 127.0.0.1 auth:login -1 this-login" in line
    assert any(
        "GET /_me?jwt=*** 200 " in line and " auth:getCurrentUser ann " in line
        for line in lines(log)
    )
    assert any("POST /_login/local 400 " in line for line in lines(log))
    assert "the password of ann" not in log
    assert "the%20password" not in log
    assert jwt.partition(".")[2] not in log


def test_it_is_off_unless_it_is_wanted(serve: Any, connect: Any) -> None:
    server = serve(dev=True)
    assert connect(server).send("GET", LOGIN).status == 401
    server.stop()
    assert lines(server.log) == []
    assert "the%20password" not in server.log
