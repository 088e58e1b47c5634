"""Users sign in to a real server with a member number and a secret phrase."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from ostiary.testing.server import ServerFailed, ThrowAwayServer

STRATEGY = "{{ cookiecutter.__slug }}"
PHRASE = "correct horse battery staple"


@pytest.fixture(scope="module")
def server() -> Iterator[ThrowAwayServer]:
    with ThrowAwayServer(dev=True, settings=f"[plugins.{STRATEGY}]\nminLength = 20\n") as server:
        yield server


def post(server: ThrowAwayServer, path: str, body: object) -> Any:
    headers = {"Content-Type": "application/json"}
    try:
        with urlopen(Request(server.url + path, json.dumps(body).encode(), headers)) as answer:
            return json.load(answer)
    except HTTPError as refused:
        with refused:
            return json.load(refused)


def create(server: ThrowAwayServer, **fields: object) -> Any:
    content = {"profileIds": ["default"]}
    return post(server, "/users/_create", {"content": content, "credentials": {STRATEGY: fields}})


def login(server: ThrowAwayServer, **fields: object) -> Any:
    return post(server, f"/_login/{STRATEGY}", fields)


def test_who_knows_the_phrase_signs_in(server: ThrowAwayServer) -> None:
    kuid = create(server, member="1", phrase=PHRASE)["result"]["_id"]
    assert login(server, member="1", phrase=PHRASE)["result"]["_id"] == kuid


def test_a_wrong_phrase_and_an_unknown_number_look_alike(server: ThrowAwayServer) -> None:
    create(server, member="2", phrase=PHRASE)
    wrong = login(server, member="2", phrase="another phrase")
    assert wrong["status"] == 401
    for member in ("unknown", "3" * 65, "\u200b"):
        assert login(server, member=member, phrase=PHRASE)["error"] == wrong["error"]


def test_a_number_belongs_to_one_user(server: ThrowAwayServer) -> None:
    assert create(server, member="4", phrase=PHRASE)["status"] == 200
    refused = create(server, member="4", phrase=PHRASE)
    assert refused["error"]["id"] == "security.credentials.rejected"
    assert "another user" in refused["error"]["message"]


@pytest.mark.parametrize("phrase", ["x" * 19, "x" * 1025, 20, None])
def test_a_phrase_has_a_length(server: ThrowAwayServer, phrase: object) -> None:
    assert create(server, member="5", phrase=phrase)["status"] == 400


def test_a_wrong_setting_stops_the_start() -> None:
    server = ThrowAwayServer(settings=f"[plugins.{STRATEGY}]\nminLength = 0\n")
    with pytest.raises(ServerFailed, match="minLength must be at least 1"), server:
        pass
