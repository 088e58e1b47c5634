"""The OpenAPI 3.1 document of a server, derived from its registry of actions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ostiary.actions import Action, Argument, Route
from ostiary.errors import CATALOGUE, PartialError

TITLE = "Ostiary"

PARTLY = PartialError.status
IGNORED = "Accepted from clients of Kuzzle; nothing depends on it."

JSON = "application/json"
EMPTY_RESULT: dict[str, Any] = {}

ERROR = {
    "type": "object",
    "required": ["id", "code", "status", "message", "props"],
    "properties": {
        "id": {"type": "string"},
        "code": {"type": "integer"},
        "status": {"type": "integer"},
        "message": {"type": "string"},
        "props": {"type": "array", "items": {"type": "string"}},
    },
}
PARTIAL = {
    "allOf": [
        {"$ref": "#/components/schemas/Error"},
        {
            "required": ["errors", "count"],
            "properties": {"errors": {"type": "array"}, "count": {"type": "integer"}},
        },
    ]
}
REDIRECTION = {
    "type": "object",
    "required": ["statusCode", "headers"],
    "properties": {"statusCode": {"const": 302}, "headers": {"type": "object"}},
}


QUESTION = {
    "type": "object",
    "required": ["challenge", "expiresAt", "question", "fields"],
    "properties": {
        "challenge": {"type": "string"},
        "expiresAt": {"type": "integer"},
        "question": {"type": "object"},
        "fields": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name", "label", "kind", "secret", "required", "help"],
                "properties": {
                    "name": {"type": "string"},
                    "label": {"type": "string"},
                    "kind": {"type": "string"},
                    "secret": {"type": "boolean"},
                    "required": {"type": "boolean"},
                    "help": {"type": "string"},
                },
            },
        },
    },
}


def _envelope(status: Mapping[str, Any], error: Any, result: Any = EMPTY_RESULT) -> dict[str, Any]:
    """Return the schema of an answer (contract, 2.5)."""
    members: dict[str, Any] = {
        "status": {"type": "integer", **status},
        "error": error,
        "result": result,
        "controller": {"type": ["string", "null"]},
        "action": {"type": ["string", "null"]},
        "requestId": {"type": "string"},
        "volatile": {"type": ["object", "null"]},
        "node": {"type": "string"},
        "headers": {"type": "object", "additionalProperties": {"type": "string"}},
    }
    # Those that the request carried, and only then.
    repeated: dict[str, Any] = {"index": {}, "collection": {}}
    return {
        "type": "object",
        "required": list(members),
        "properties": {**members, **repeated},
        "additionalProperties": False,
    }


SCHEMAS = {
    "Error": ERROR,
    "Envelope": _envelope({"const": 200}, {"type": "null"}),
    "Redirection": _envelope({"const": 302}, {"type": "null"}, REDIRECTION),
    "Question": _envelope({"const": 202}, {"type": "null"}, QUESTION),
    "Partial": _envelope({"const": 206}, PARTIAL),
    "Failure": {
        "description": "What is found wrong before routing is answered by the error alone.",
        "anyOf": [
            _envelope(
                {"minimum": 400, "maximum": 599}, {"$ref": "#/components/schemas/Error"}
            ),
            {"$ref": "#/components/schemas/Error"},
        ],
    },
}  # fmt: skip


def document(registry: Iterable[Action], version: str) -> dict[str, Any]:
    """Return the document of some actions."""
    registry = tuple(registry)
    paths: dict[str, dict[str, Any]] = {}
    for action in registry:
        for position, route in enumerate(action.routes):
            operation = _operation(action, route, position)
            paths.setdefault(route.path, {})[route.verb.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": TITLE, "version": version},
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
        "tags": [{"name": name} for name in sorted({action.controller for action in registry})],
    }


def _operation(action: Action, route: Route, position: int) -> dict[str, Any]:
    suffix = str(position + 1) if position else ""
    operation: dict[str, Any] = {
        "operationId": f"{action.controller}_{action.name}{suffix}",
        "tags": [action.controller],
        "summary": action.summary,
        "description": action.description,
        "parameters": [*_parameters(action.arguments, route), *_ignored(action)],
        "responses": _responses(action),
    }
    if route.deprecated is not None:
        operation["deprecated"] = True
    if action.signed_in:
        operation["security"] = [{"token": []}]
    if action.body is not None and route.verb != "GET":
        operation["requestBody"] = {
            "required": action.body.required,
            "content": {JSON: {"schema": _object(action.body.members)}},
        }
    return operation


def _parameters(arguments: Iterable[Argument], route: Route) -> Iterable[dict[str, Any]]:
    for argument in arguments:
        in_path = argument.name in route.names
        yield {
            "name": argument.name,
            "in": "path" if in_path else "query",
            "required": in_path or argument.required,
            "description": argument.doc,
            **_written(argument.wire.schema, in_path=in_path),
        }


def _written(schema: Mapping[str, Any], *, in_path: bool) -> dict[str, Any]:
    """Say how a value is written in a URL, where there are only texts."""
    if in_path:
        return {"schema": {**schema, "minLength": 1}}
    match schema.get("type"):
        case "boolean":
            # It is true as soon as it is there.
            return {"schema": schema, "allowEmptyValue": True}
        case "array" | "object":
            return {"content": {JSON: {"schema": schema}}}
    return {"schema": schema}


def _ignored(action: Action) -> Iterable[dict[str, Any]]:
    for name in action.ignored:
        yield {
            "name": name,
            "in": "query",
            "required": False,
            "description": IGNORED,
            "schema": {},
        }


def _object(members: Iterable[Argument]) -> dict[str, Any]:
    members = tuple(members)
    schema: dict[str, Any] = {"type": "object"}
    if members:
        schema["properties"] = {
            member.name: {**member.wire.schema, "description": member.doc} for member in members
        }
    if required := [member.name for member in members if member.required]:
        schema["required"] = required
    return schema


def _responses(action: Action) -> dict[str, Any]:
    """Return what can come back, by status; ranges stand for what every request can meet."""
    own: dict[int, list[str]] = {}
    for id in sorted(action.errors):
        own.setdefault(CATALOGUE[id].status, []).append(f"`{id}`")
    responses = {
        str(status): _answer(", ".join(ids) + ".", "Partial" if status == PARTLY else "Failure")
        for status, ids in sorted(own.items())
    }
    responses["200"] = _raw(action.raw) if action.raw else _answer("The answer.", "Envelope")
    if action.redirects:
        responses["202"] = _answer("There is something to answer first.", "Question")
        responses["302"] = _answer("Go on at the address in the header Location.", "Redirection")
    responses["4XX"] = _answer("The request is refused; see `error`.", "Failure")
    responses["5XX"] = _answer("The server cannot answer; see `error`.", "Failure")
    return responses


def _answer(description: str, schema: str) -> Mapping[str, Any]:
    content = {JSON: {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"description": description, "content": content}


def _raw(kinds: Iterable[str]) -> Mapping[str, Any]:
    content = {kind: {"schema": {"type": "object"}} for kind in kinds}
    return {"description": "The answer, without an envelope.", "content": content}
