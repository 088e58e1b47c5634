"""Password hashes of other systems: reading them, and checking a password against them.

Nothing here stores anything. What a hash may cost is bounded in ``limits``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ostiary_local.foreign import (
    argon2,
    aspnet,
    bcrypt,
    crypt,
    firebase,
    frameworks,
    keycloak,
    kuzzle,
    ldap,
    pbkdf2,
    salted,
    scrypt,
)
from ostiary_local.foreign.shapes import Foreign, Outline, Reading, UnknownHash

__all__ = ["Foreign", "Outline", "UnknownHash", "parse", "parse_outline"]

LONGEST = 8192
"""Characters of a text that is looked at."""

BY_ID: Mapping[str, Callable[[str], Reading]] = {
    **dict.fromkeys(("2a", "2b", "2x", "2y", "bcrypt-sha256"), bcrypt.read),
    **dict.fromkeys(crypt.LENGTHS, crypt.read),
    **dict.fromkeys(argon2.KINDS, argon2.read),
    "firebase-scrypt": firebase.read,
    "scrypt": scrypt.read,
}
"""Readers of texts that begin with a dollar, an id and a dollar."""

BY_FAMILY = {"pbkdf2": pbkdf2.read, "kuzzle": kuzzle.read, "salted": salted.read}
"""Same, by what stands before the first hyphen of the id."""

DJANGO = ("pbkdf2_sha256", "pbkdf2_sha1", "scrypt", "argon2", "bcrypt", "bcrypt_sha256")
"""What a text of Django begins with, before a dollar."""


def parse(value: str | Mapping[str, Any]) -> Foreign:
    """Read a hash of another system.

    :param value: its text, or the document in which Kuzzle, Keycloak or Firebase keeps it; such
        a document may also be given as JSON.
    :raises UnknownHash: it cannot be taken over; the text says why.
    """
    recipe, digest = _document(value) if isinstance(value, Mapping) else _text(value)
    if digest is None:
        raise UnknownHash("it has no value: is it cut off?")
    return Foreign(recipe, digest)


def parse_outline(text: str) -> Outline:
    """Read what ``Foreign.outline`` gave.

    :raises UnknownHash: it is something else.
    """
    recipe, digest = _text(text)
    if digest is not None:
        raise UnknownHash("it has a value, which an outline has not")
    return Outline(recipe)


def _document(document: Mapping[str, Any]) -> Reading:
    if "userPassword" in document:
        return kuzzle.from_document(document)
    if "secretData" in document or "hashedSaltedValue" in document:
        return keycloak.from_document(document)
    if {"passwordHash", "password_hash"} & document.keys():
        return firebase.from_document(document)
    raise UnknownHash(
        "a document is known by its userPassword (Kuzzle), secretData (Keycloak) "
        "or passwordHash (Firebase)"
    )


def _text(text: object) -> Reading:
    if not isinstance(text, str):
        raise UnknownHash("a text or an object is wanted")
    text = text.strip()
    if len(text) > LONGEST:
        raise UnknownHash(f"it is longer than {LONGEST} characters")
    if text.startswith("{") and text[1:].lstrip().startswith(('"', "}")):
        document = keycloak.from_json(text, "hash")
        assert isinstance(document, dict), "what JSON begins with a brace is an object"
        return _document(document)
    if not text.isascii():
        raise UnknownHash("it has characters that no hash has")
    if text.startswith("{"):
        return ldap.read(text, _by_id)
    if text.startswith("$"):
        return _by_id(text)
    if text.startswith(("pbkdf2:", "scrypt:")):
        return frameworks.werkzeug(text)
    if text.partition("$")[0] in DJANGO:
        return frameworks.django(text)
    return _of_no_shape(text)


def _by_id(text: str) -> Reading:
    _, id, *rest = text.split("$", 2)
    reader = BY_ID.get(id) or BY_FAMILY.get(id.partition("-")[0])
    if reader is None or not rest:
        raise UnknownHash("what stands between its first dollars names no function that is known")
    return reader(text)


def _of_no_shape(text: str) -> Reading:
    if not text or text[0] in "!*" or text == "x":
        raise UnknownHash("it is the mark of an account without a password")
    if "$" in text or len(text) < 2 * aspnet.V2_SALT or ":" in text:
        raise UnknownHash("it is in no shape that is known")
    return aspnet.read(text)
