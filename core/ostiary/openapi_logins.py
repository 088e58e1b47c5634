"""The part of the OpenAPI document that depends on what is installed: how one signs in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ostiary.fields import CredentialField
from ostiary.openapi import JSON
from ostiary.strategies import Strategy

LOGIN = "/_login/{strategy}"

FORMATS = {"password": "password", "email": "email", "url": "uri"}
"""What JSON Schema calls some kinds of fields."""

ANSWER = {
    "type": "object",
    "title": "The answer to a challenge, with the fields that it asked for",
    "required": ["challenge"],
    "properties": {"challenge": {"type": "string", "writeOnly": True}},
}

EXCHANGE = {
    "type": "object",
    "title": "The one-time code with which a browser was led back",
    "required": ["loginCode"],
    "properties": {
        "loginCode": {"type": "string", "writeOnly": True},
        "codeVerifier": {"type": "string", "writeOnly": True},
    },
}


def with_logins(document: Mapping[str, Any], strategies: Iterable[Strategy]) -> dict[str, Any]:
    """Return a document whose login offers what each installed strategy asks for.

    It is ``anyOf``, not ``oneOf``: two strategies may have the same fields, and the one that is
    meant stands in the path.
    """
    strategies = tuple(strategies)
    path = document["paths"].get(LOGIN)
    if path is None or not strategies:
        return dict(document)
    later = [ANSWER, EXCHANGE] if any(one.redirects for one in strategies) else [ANSWER]
    schema = {"anyOf": [*map(_body, strategies), *later]}
    offered = "\n".join(f"* `{one.name}`: {_asked(one)}" for one in strategies)
    changed = {}
    for verb, operation in path.items():
        changed[verb] = {
            **operation,
            "description": f"{operation['description']}\n\nStrategies here:\n\n{offered}".strip(),
        }
        if "requestBody" in operation:
            changed[verb]["requestBody"] = {
                **operation["requestBody"],
                "content": {JSON: {"schema": schema}},
            }
    return {**document, "paths": {**document["paths"], LOGIN: changed}}


def _body(strategy: Strategy) -> dict[str, Any]:
    fields = [field for field in strategy.described if field.login]
    schema: dict[str, Any] = {
        "type": "object",
        "title": strategy.to_json()["label"],
        "properties": {field.name: _property(field) for field in fields},
    }
    if required := [field.name for field in fields if field.required]:
        schema["required"] = required
    return schema


def _property(field: CredentialField) -> dict[str, Any]:
    schema: dict[str, Any] = {"title": field.title}
    if field.kind != "json":
        schema["type"] = "number" if field.kind == "number" else "string"
    if field.kind in FORMATS:
        schema["format"] = FORMATS[field.kind]
    if field.secret:
        schema["writeOnly"] = True
        schema.setdefault("format", "password")
    if field.help:
        schema["description"] = field.help
    return schema


def _asked(strategy: Strategy) -> str:
    names = [f"`{field.name}`" for field in strategy.described if field.login]
    return ", ".join(names) or "no fields"
