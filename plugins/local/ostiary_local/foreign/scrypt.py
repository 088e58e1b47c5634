"""scrypt (RFC 7914), as Django, werkzeug and passlib use it.

Our text is passlib's, ``$scrypt$ln=14,r=8,p=1$<salt>$<value>``; without the value its length
stands among the parameters, as ``l``.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from ostiary_local.foreign import limits, reading
from ostiary_local.foreign.shapes import Reading, UnknownHash

STEEPEST = 24
"""The greatest binary logarithm of N that is looked at."""


@dataclass(frozen=True, slots=True)
class Scrypt:
    """How scrypt was asked.

    :ivar ln: binary logarithm of N.
    :ivar length: bytes of the value.
    :raises UnknownHash: it costs too much.
    """

    ln: int
    r: int
    p: int
    length: int
    salt: bytes = field(repr=False)

    def __post_init__(self) -> None:
        limits.memory((self.r << self.ln) // 8)
        limits.work((self.r << self.ln) * self.p, limits.MOST_SCRYPT)

    @property
    def scheme(self) -> str:
        """``scrypt``."""
        return "scrypt"

    @property
    def weak(self) -> bool:
        """No salt."""
        return not self.salt

    def digest(self, password: str) -> bytes:
        """Return the value that a password has."""
        return hashlib.scrypt(
            reading.utf8(password),
            salt=self.salt,
            n=1 << self.ln,
            r=self.r,
            p=self.p,
            maxmem=2 * limits.MOST_MEMORY * 1024,
            dklen=self.length,
        )

    def text(self, value: bytes | None) -> str:
        """Return what `read` reads."""
        how, salt = f"ln={self.ln},r={self.r},p={self.p}", reading.encoded(self.salt)
        if value is None:
            return f"$scrypt${how},l={self.length}${salt}"
        return f"$scrypt${how}${salt}${reading.encoded(value)}"


def made(
    n: object, r: object, p: object, salt: bytes, value: bytes, what: str = "N"
) -> tuple[Scrypt, bytes]:
    """Return the recipe of a value.

    :raises UnknownHash: it costs too much, or is too short or long.
    """
    times = reading.number(n, what, 2, 1 << STEEPEST)
    if times & (times - 1):
        raise UnknownHash(f"{what}: must be a power of two")
    length = len(reading.fit(value))
    return Scrypt(times.bit_length() - 1, *_factors(r, p), length, reading.salt(salt)), value


def read(text: str) -> Reading:
    """Read our own text, which is passlib's.

    :raises UnknownHash: it is none.
    """
    parts = reading.phc(text)
    given = parts.known("ln", "r", "p", "l")
    ln = reading.number(given.get("ln"), "ln", 1, STEEPEST)
    factors = _factors(given.get("r"), given.get("p"))
    salt = reading.salt(reading.decoded(parts.salt, "salt"))
    if parts.value is None:
        length = reading.number(given.get("l"), "length", reading.SHORTEST, reading.LONGEST)
        return Scrypt(ln, *factors, length, salt), None
    value = reading.fit(reading.decoded(parts.value, "value"))
    return Scrypt(ln, *factors, len(value), salt), value


def _factors(r: object, p: object) -> tuple[int, int]:
    return reading.number(r, "r", 1, 1 << 16), reading.number(p, "p", 1, limits.MOST_LANES)
