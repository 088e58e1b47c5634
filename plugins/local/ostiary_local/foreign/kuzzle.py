"""Kuzzle's plugin `kuzzle-plugin-auth-passport-local`: documents of its collection ``users``.

Our text: ``$kuzzle-pbkdf2-sha512$as=bytes$<salt>$<value>``, the last two in base64. The salt is
used as the text that it is, although it looks like hexadecimal digits.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ostiary_local.foreign import kuzzle_encodings, reading
from ostiary_local.foreign.kuzzle_encodings import Form
from ostiary_local.foreign.pbkdf2 import SIZES
from ostiary_local.foreign.shapes import Reading, UnknownHash

ITERATIONS = 10_000
STRETCHED = {"sha1": 40, "sha224": 224, "sha256": 256, "sha384": 384, "sha512": 512}
"""Bytes that Kuzzle asks PBKDF2 for: what its authors took for bits, but for SHA-1."""

ALGORITHM = re.compile(
    r"(?:RSA-SHA|sha)(1|224|256|384|512)|sha(\d{1,3})WithRSAEncryption", re.ASCII
)
ID = re.compile(r"kuzzle-(pbkdf2|hmac|hash)-(sha\d{1,3})", re.ASCII)

Way = Literal["pbkdf2", "hmac", "hash"]


@dataclass(frozen=True, slots=True)
class Kuzzle:
    """How Kuzzle was configured when it made a hash.

    :ivar form: what its setting `digest` left of the value.
    """

    way: Way
    hash: str
    form: Form
    salt: bytes = field(repr=False)

    @property
    def scheme(self) -> str:
        """``kuzzle-pbkdf2-sha512`` and the like."""
        return f"kuzzle-{self.way}-{self.hash}"

    @property
    def weak(self) -> bool:
        """Without stretching, or without a salt."""
        return self.way != "pbkdf2" or not self.salt

    @property
    def length(self) -> int:
        """Bytes of the value, before it was encoded."""
        return (STRETCHED if self.way == "pbkdf2" else SIZES)[self.hash]

    def digest(self, password: str) -> bytes:
        """Return the value that a password has."""
        secret = reading.utf8(password)
        return kuzzle_encodings.reduced(self._whole(secret), self.form)

    def text(self, value: bytes | None) -> str:
        """Return what `read` reads."""
        text = f"${self.scheme}$as={self.form}${reading.encoded(self.salt)}"
        return text if value is None else f"{text}${reading.encoded(value)}"

    def _whole(self, secret: bytes) -> bytes:
        match self.way:
            case "pbkdf2":
                return hashlib.pbkdf2_hmac(self.hash, secret, self.salt, ITERATIONS, self.length)
            case "hmac":
                return hmac.digest(self.salt, secret, self.hash)
        salted = self.salt + b":" + secret if self.salt else secret
        return hashlib.new(self.hash, salted, usedforsecurity=False).digest()


def from_document(document: Mapping[str, Any]) -> Reading:
    """Read a stored document: `userPassword`, `userSalt`, `algorithm`, `stretching`, `encryption`.

    What is missing was at its default. Kuzzle does not store its setting `digest`: where it
    was not ``hex``, it is told from the value, or by a member `digest`.

    :raises UnknownHash: a member is missing or wrong.
    """
    if document.get("pepper"):
        raise UnknownHash("Kuzzle: it is made with a pepper, which no document tells")
    salt = document.get("userSalt")
    if not isinstance(salt, str):
        raise UnknownHash("Kuzzle: userSalt: a text is wanted, which may be empty")
    way, hash = _way(document), _function(document.get("algorithm", "sha512"))
    bare = Kuzzle(way, hash, "bytes", reading.salt(reading.utf8(salt)))
    value, form = kuzzle_encodings.read(
        document.get("userPassword"), bare.length, document.get("digest")
    )
    return Kuzzle(way, hash, form, bare.salt), value


def read(text: str) -> Reading:
    """Read our own text.

    :raises UnknownHash: it is none.
    """
    parts = reading.phc(text)
    found, form = ID.fullmatch(parts.id), parts.known("as").get("as")
    if found is None or found[2] not in SIZES or form not in kuzzle_encodings.FORMS:
        raise UnknownHash("it is made in an unknown way of Kuzzle")
    ways: dict[str, Way] = {"pbkdf2": "pbkdf2", "hmac": "hmac", "hash": "hash"}
    salt = reading.salt(reading.decoded(parts.salt, "salt"))
    recipe = Kuzzle(ways[found[1]], found[2], kuzzle_encodings.FORMS[form], salt)
    if parts.value is None:
        return recipe, None
    value = reading.decoded(parts.value, "value")
    return recipe, kuzzle_encodings.whole(value, recipe.length, recipe.form)


def _way(document: Mapping[str, Any]) -> Way:
    stretching, encryption = document.get("stretching", True), document.get("encryption") or "hmac"
    if not isinstance(stretching, bool):
        raise UnknownHash("Kuzzle: stretching: true or false is wanted")
    if stretching:
        return "pbkdf2"
    if encryption in ("hmac", "hash"):
        return "hmac" if encryption == "hmac" else "hash"
    raise UnknownHash("Kuzzle: encryption: hmac or hash is wanted")


def _function(algorithm: object) -> str:
    found = ALGORITHM.fullmatch(algorithm) if isinstance(algorithm, str) else None
    hash = "" if found is None else f"sha{found[1] or found[2]}"
    if hash not in SIZES:
        raise UnknownHash("Kuzzle: its algorithm is not known")
    return hash
