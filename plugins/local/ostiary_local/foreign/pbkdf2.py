"""PBKDF2 (RFC 8018): what Django, Keycloak, ASP.NET, werkzeug, passlib and LDAP servers make with it.

Our text: ``$pbkdf2-sha256$i=600000,l=32$<salt>$<value>``, both in base64.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from ostiary_local.foreign import limits, reading
from ostiary_local.foreign.shapes import Reading, UnknownHash

SIZES = {"sha1": 20, "sha224": 28, "sha256": 32, "sha384": 48, "sha512": 64}
"""Bytes that the hash functions give."""

FEW = 10_000
"""Fewer iterations take no time worth mentioning."""


@dataclass(frozen=True, slots=True)
class Pbkdf2:
    """How PBKDF2 was asked.

    :ivar length: bytes of the value.
    :raises UnknownHash: it costs too much.
    """

    hash: str
    iterations: int
    length: int
    salt: bytes = field(repr=False)

    def __post_init__(self) -> None:
        blocks = -(-self.length // SIZES[self.hash])
        limits.work(self.iterations * blocks, limits.MOST_PBKDF2)

    @property
    def scheme(self) -> str:
        """``pbkdf2-`` and the hash function."""
        return f"pbkdf2-{self.hash}"

    @property
    def weak(self) -> bool:
        """No salt, or few iterations."""
        return not self.salt or self.iterations < FEW

    def digest(self, password: str) -> bytes:
        """Return the value that a password has."""
        secret = reading.utf8(password)
        return hashlib.pbkdf2_hmac(self.hash, secret, self.salt, self.iterations, self.length)

    def text(self, value: bytes | None) -> str:
        """Return what `read` reads."""
        how = f"i={self.iterations},l={self.length}"
        text = f"${self.scheme}${how}${reading.encoded(self.salt)}"
        return text if value is None else f"{text}${reading.encoded(value)}"


def made(hash: str, iterations: object, salt: bytes, value: bytes) -> tuple[Pbkdf2, bytes]:
    """Return the recipe of a value.

    :raises UnknownHash: it costs too much, or is too short or long.
    """
    times = reading.number(iterations, "iterations", 1, limits.MOST_PBKDF2)
    return Pbkdf2(hash, times, len(reading.fit(value)), reading.salt(salt)), value


def read(text: str) -> Reading:
    """Read our own text, or passlib's ``$pbkdf2-sha256$29000$<salt>$<value>``.

    :raises UnknownHash: it is neither.
    """
    id = text.split("$")[1]
    hash = id.removeprefix("pbkdf2").removeprefix("-") or "sha1"
    if hash not in SIZES:
        raise UnknownHash("its hash function is not known")
    match text.split("$"):
        case [_, _, iterations, salt, value] if "=" not in iterations:
            digest = reading.exactly(reading.decoded(value, "value"), SIZES[hash])
            return made(hash, iterations, reading.decoded(salt, "salt"), digest)
    return _own(hash, text)


def _own(hash: str, text: str) -> Reading:
    parts = reading.phc(text)
    given = parts.known("i", "l")
    recipe = Pbkdf2(
        hash,
        reading.number(given.get("i"), "iterations", 1, limits.MOST_PBKDF2),
        reading.number(given.get("l"), "length", reading.SHORTEST, reading.LONGEST),
        reading.salt(reading.decoded(parts.salt, "salt")),
    )
    if parts.value is None:
        return recipe, None
    return recipe, reading.exactly(reading.decoded(parts.value, "value"), recipe.length)
