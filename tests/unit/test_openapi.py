"""The OpenAPI document: derived from the registry, and nothing beside it."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired, TypedDict

from openapi_spec_validator import validate

from ostiary.actions import DELETE, GET, POST, Controller, Registry
from ostiary.openapi import document

doors = Controller("doors")


class Door(TypedDict):
    name: Annotated[str, "What it is called."]
    locks: NotRequired[Annotated[list[Any], "Its locks."]]


@doors.action(GET("/doors/{_id}"), GET("/door/{_id}", deprecated="2.0.0"), signed_in=True)
async def get_door(id: Annotated[str, "The number of the door."], with_locks: bool = False) -> None:
    """Return a door.

    At length.
    """


@doors.action(POST("/doors"), DELETE("/doors/{_id}"))
async def change_door(body: Door, id: str | None = None) -> None:
    """Change a door."""


DOCUMENT = document(Registry([doors]), "1.2.3")
GET_DOOR = DOCUMENT["paths"]["/doors/{_id}"]["get"]


def test_the_document_is_valid() -> None:
    validate(DOCUMENT)
    assert DOCUMENT["openapi"].startswith("3.1")
    assert DOCUMENT["info"]["version"] == "1.2.3"


def test_it_has_every_route_and_no_other() -> None:
    assert {(path, verb) for path, verbs in DOCUMENT["paths"].items() for verb in verbs} == {
        ("/doors/{_id}", "get"),
        ("/door/{_id}", "get"),
        ("/doors", "post"),
        ("/doors/{_id}", "delete"),
    }


def test_every_operation_has_an_id_of_its_own() -> None:
    ids = [one["operationId"] for verbs in DOCUMENT["paths"].values() for one in verbs.values()]
    assert len(ids) == len(set(ids)) == 4


def test_an_operation_says_what_the_function_says() -> None:
    assert GET_DOOR["summary"] == "Return a door."
    assert GET_DOOR["security"] == [{"token": []}]
    assert [(one["name"], one["in"], one["required"]) for one in GET_DOOR["parameters"]] == [
        ("_id", "path", True),
        ("withLocks", "query", False),
    ]
    assert GET_DOOR["parameters"][0]["description"] == "The number of the door."
    assert "deprecated" not in GET_DOOR
    assert DOCUMENT["paths"]["/door/{_id}"]["get"]["deprecated"] is True


def test_a_body_has_the_members_that_are_declared() -> None:
    body = DOCUMENT["paths"]["/doors"]["post"]["requestBody"]
    assert body["required"] is True
    schema = body["content"]["application/json"]["schema"]
    assert schema["required"] == ["name"]
    assert {name: one["type"] for name, one in schema["properties"].items()} == {
        "name": "string",
        "locks": "array",
    }
