"""A hash function over password and salt, once, as LDAP servers store it.

Our text: ``$salted-sha1$<salt>$<value>``, both in base64, the first of them often empty.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from ostiary_local.foreign import reading
from ostiary_local.foreign.pbkdf2 import SIZES
from ostiary_local.foreign.shapes import Reading, UnknownHash

LENGTHS = {"md5": 16, **SIZES}


@dataclass(frozen=True, slots=True)
class Salted:
    """A hash of the password followed by the salt."""

    hash: str
    salt: bytes = field(repr=False)

    @property
    def scheme(self) -> str:
        """The hash function, after ``salted-`` or ``unsalted-``."""
        return f"{'salted' if self.salt else 'unsalted'}-{self.hash}"

    @property
    def weak(self) -> bool:
        """Always: it takes no time."""
        return True

    def digest(self, password: str) -> bytes:
        """Return the value that a password has."""
        seasoned = reading.utf8(password) + self.salt
        return hashlib.new(self.hash, seasoned, usedforsecurity=False).digest()

    def text(self, value: bytes | None) -> str:
        """Return what `read` reads."""
        text = f"$salted-{self.hash}${reading.encoded(self.salt)}"
        return text if value is None else f"{text}${reading.encoded(value)}"


def read(text: str) -> Reading:
    """Read our own text.

    :raises UnknownHash: it is none.
    """
    parts = reading.phc(text)
    parts.known()
    hash = parts.id.removeprefix("salted-")
    if hash not in LENGTHS:
        raise UnknownHash("its hash function is not known")
    recipe = Salted(hash, reading.salt(reading.decoded(parts.salt, "salt")))
    if parts.value is None:
        return recipe, None
    return recipe, reading.exactly(reading.decoded(parts.value, "value"), LENGTHS[hash])
