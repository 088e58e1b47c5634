"""The OpenAPI 3.1 document of a server, derived from its registry of actions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ostiary.actions import Action, Argument, Route

TITLE = "Ostiary"

IGNORED = "Accepted from clients of Kuzzle; nothing depends on it."

ERROR = {
    "type": ["object", "null"],
    "properties": {
        "id": {"type": "string"},
        "code": {"type": "integer"},
        "status": {"type": "integer"},
        "message": {"type": "string"},
        "props": {"type": "array", "items": {"type": "string"}},
    },
}
ENVELOPE = {
    "type": "object",
    "required": [
        "status", "error", "result", "controller", "action",
        "requestId", "volatile", "node", "headers",
    ],
    "properties": {
        "status": {"type": "integer"},
        "error": {"$ref": "#/components/schemas/Error"},
        "result": {},
        "controller": {"type": ["string", "null"]},
        "action": {"type": ["string", "null"]},
        "requestId": {"type": "string"},
        "volatile": {"type": ["object", "null"]},
        "node": {"type": "string"},
        "headers": {"type": "object"},
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
            "schemas": {"Error": ERROR, "Envelope": ENVELOPE},
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
        "responses": {
            "200": _answer("The answer."),
            "default": _answer(_failures(action)),
        },
    }
    if route.deprecated is not None:
        operation["deprecated"] = True
    if action.signed_in:
        operation["security"] = [{"token": []}]
    if action.body is not None and route.verb != "GET":
        operation["requestBody"] = {
            "required": action.body.required,
            "content": {"application/json": {"schema": _object(action.body.members)}},
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
            "schema": argument.wire.schema,
        }


def _ignored(action: Action) -> Iterable[dict[str, Any]]:
    for name in action.ignored:
        yield {"name": name, "in": "query", "description": IGNORED, "schema": {}}


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


def _failures(action: Action) -> str:
    own = ", ".join(f"`{id}`" for id in sorted(action.errors))
    return f"An error; see `error`. Its own: {own}." if own else "An error; see `error`."


def _answer(description: str) -> Mapping[str, Any]:
    schema = {"$ref": "#/components/schemas/Envelope"}
    return {"description": description, "content": {"application/json": {"schema": schema}}}
