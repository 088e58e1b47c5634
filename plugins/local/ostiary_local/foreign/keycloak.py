"""Credentials of Keycloak: PBKDF2 and argon2, as a realm export and the admin API show them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ostiary_local.foreign import argon2, pbkdf2, reading
from ostiary_local.foreign.shapes import Reading, UnknownHash

PBKDF2 = {"pbkdf2": "sha1", "pbkdf2-sha256": "sha256", "pbkdf2-sha512": "sha512"}
KINDS = {"d": "argon2d", "i": "argon2i", "id": "argon2id"}
VERSIONS = {"1.0": 16, "1.3": 19}


def from_document(document: Mapping[str, Any]) -> Reading:
    """Read a credential of type ``password``.

    Its `secretData` and `credentialData` may be objects, or JSON in a text, as Keycloak has
    them. Before version 8 their members stood in the credential itself, the value as
    `hashedSaltedValue`.

    :raises UnknownHash: a member is missing or wrong.
    """
    if document.get("type") not in (None, "password"):
        raise UnknownHash("Keycloak: the credential is not of the type password")
    if "secretData" in document:
        secret = _object(document["secretData"], "secretData")
        how = _object(document.get("credentialData"), "credentialData")
        value = secret.get("value")
    else:
        secret, how, value = document, document, document.get("hashedSaltedValue")
    salt = reading.decoded(secret.get("salt"), "salt")
    digest = reading.fit(reading.decoded(value, "value"))
    algorithm, iterations = how.get("algorithm", "pbkdf2"), how.get("hashIterations")
    if algorithm == "argon2":
        more = _object(how.get("additionalParameters"), "additionalParameters")
        return _argon2(more, iterations, salt, len(digest)), digest
    if not isinstance(algorithm, str) or algorithm not in PBKDF2:
        raise UnknownHash("Keycloak: its algorithm is not known")
    return pbkdf2.made(PBKDF2[algorithm], iterations, salt, digest)


def _argon2(more: Mapping[str, Any], iterations: object, salt: bytes, length: int) -> argon2.Argon2:
    kind, version = _only(more, "type", "id"), _only(more, "version", "1.3")
    costs = (_only(more, "memory", "7168"), iterations, _only(more, "parallelism", "1"))
    if not isinstance(kind, str) or not isinstance(version, str):
        raise UnknownHash("Keycloak: type and version of argon2: texts are wanted")
    if kind not in KINDS or version not in VERSIONS:
        raise UnknownHash("Keycloak: its kind or version of argon2 is not known")
    return argon2.made(KINDS[kind], VERSIONS[version], costs, length, salt)


def _only(more: Mapping[str, Any], name: str, usual: str) -> str | int:
    """Return a parameter; each is a list of one text."""
    value = more.get(name, usual)
    if isinstance(value, list) and len(value) == 1:
        (value,) = value
    return value if isinstance(value, str | int) else ""


def _object(value: object, what: str) -> Mapping[str, Any]:
    if isinstance(value, str):
        value = from_json(value, what)
    if not isinstance(value, Mapping):
        raise UnknownHash(f"Keycloak: {what}: an object is wanted, or JSON in a text")
    return value


def from_json(text: str, what: str) -> object:
    """Return what a text says in JSON.

    :raises UnknownHash: nothing.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        # From None: the cause holds the text.
        raise UnknownHash(f"{what}: is no JSON") from None
