"""argon2 (RFC 9106) of any kind and any parameters that a server can bear.

Our text is that of the reference implementation, ``$argon2id$v=19$m=65536,t=3,p=4$<salt>$<value>``;
without the value its length stands among the parameters, as ``l``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ostiary_local.foreign import limits, reading
from ostiary_local.foreign.shapes import Reading, UnknownHash

KINDS = ("argon2d", "argon2i", "argon2id")
VERSIONS = (16, 19)


@dataclass(frozen=True, slots=True)
class Argon2:
    """How argon2 was asked.

    :ivar version: 16 or 19, which stand for 1.0 and 1.3.
    :ivar memory: in KiB.
    :ivar length: bytes of the value.
    :raises UnknownHash: argon2 cannot do it, or it costs too much.
    """

    kind: str
    version: int
    memory: int
    passes: int
    lanes: int
    length: int
    salt: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if self.kind not in KINDS or self.version not in VERSIONS:
            raise UnknownHash("it is of an unknown kind or version of argon2")
        if self.memory < 8 * self.lanes:
            raise UnknownHash("m: argon2 needs 8 KiB of memory for every lane")
        limits.memory(self.memory)
        limits.work(self.memory * self.passes, limits.MOST_ARGON2)

    @property
    def scheme(self) -> str:
        """``argon2d``, ``argon2i`` or ``argon2id``."""
        return self.kind

    @property
    def weak(self) -> bool:
        """Never: argon2 always has a salt."""
        return False

    def digest(self, password: str) -> bytes:
        """Return the value that a password has."""
        from argon2.low_level import Type, hash_secret_raw

        return hash_secret_raw(
            reading.utf8(password),
            self.salt,
            self.passes,
            self.memory,
            self.lanes,
            self.length,
            Type(KINDS.index(self.kind)),
            self.version,
        )

    def text(self, value: bytes | None) -> str:
        """Return what `read` reads."""
        how = f"m={self.memory},t={self.passes},p={self.lanes}"
        head, salt = f"${self.kind}$v={self.version}$", reading.encoded(self.salt)
        if value is None:
            return f"{head}{how},l={self.length}${salt}"
        return f"{head}{how}${salt}${reading.encoded(value)}"


def made(
    kind: str,
    version: int,
    costs: tuple[object, object, object],
    length: int,
    salt: bytes,
) -> Argon2:
    """Return the recipe.

    :param costs: memory in KiB, passes, lanes.
    :raises UnknownHash: argon2 cannot do it, or it costs too much.
    """
    memory, passes, lanes = costs
    return Argon2(
        kind,
        version,
        reading.number(memory, "memory", 8, 2**32 - 1),
        reading.number(passes, "passes", 1, 2**32 - 1),
        reading.number(lanes, "lanes", 1, limits.MOST_LANES),
        length,
        reading.salt(salt, least=8),
    )


def read(text: str) -> Reading:
    """Read the text of the reference implementation, or an outline.

    :raises UnknownHash: it is neither.
    """
    parts = reading.phc(text)
    # A key or data that were hashed too (keyid, data) are not in the text.
    given = parts.known("m", "t", "p", "l")
    version = reading.number(parts.version or "16", "version", 0, 255)
    costs = (given.get("m"), given.get("t"), given.get("p"))
    salt = reading.decoded(parts.salt, "salt")
    if parts.value is None:
        length = reading.number(given.get("l"), "length", reading.SHORTEST, reading.LONGEST)
        return made(parts.id, version, costs, length, salt), None
    value = reading.fit(reading.decoded(parts.value, "value"))
    return made(parts.id, version, costs, len(value), salt), value
