"""sha256-crypt and sha512-crypt (``$5$``, ``$6$``), and md5-crypt (``$1$``, Apache's ``$apr1$``).

They are made by crypt(3) of the C library where that can do it, else by libpass in Python, which
takes twice as long and holds the interpreter while it works. Our texts are theirs, and without
what stands behind the last dollar they are outlines.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ostiary_local.foreign import libcrypt, limits, reading
from ostiary_local.foreign.shapes import Reading, UnknownHash

LONGEST = 512
"""Bytes of a password that libxcrypt takes at most. Every round works through all of it."""

USUAL = 5000
"""Rounds where the text tells none."""

LENGTHS = {"1": 22, "apr1": 22, "5": 43, "6": 86}
NAMES = {"1": "md5-crypt", "apr1": "apr1-md5-crypt", "5": "sha256-crypt", "6": "sha512-crypt"}

TEXT = re.compile(
    r"\$(1|apr1|5|6)\$(?:rounds=([1-9][0-9]{0,9})\$)?([./A-Za-z0-9]{0,16})(?:\$([./A-Za-z0-9]*))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Crypt:
    """How crypt(3) was asked.

    :ivar rounds: None where the text tells none: 5000, and of md5-crypt always 1000.
    :raises UnknownHash: it costs too much, or is what no crypt makes.
    """

    id: str
    rounds: int | None
    salt: str = field(repr=False)

    def __post_init__(self) -> None:
        if not self._sha and (self.rounds is not None or len(self.salt) > 8):  # noqa: PLR2004
            raise UnknownHash("it is no md5-crypt: that has no rounds, and a salt of at most 8")
        limits.work(self.rounds or USUAL, limits.MOST_CRYPT)
        if self.rounds is not None and self.rounds < 1000:  # noqa: PLR2004 -- their specification
            raise UnknownHash("it has fewer than 1000 rounds, which crypt does not make")

    @property
    def scheme(self) -> str:
        """``sha512-crypt``, ``sha256-crypt``, ``md5-crypt`` or ``apr1-md5-crypt``."""
        return NAMES[self.id]

    @property
    def weak(self) -> bool:
        """MD5, or no salt, or fewer rounds than usual."""
        return not self._sha or not self.salt or (self.rounds or USUAL) < USUAL

    def digest(self, password: str) -> bytes:
        """Return the value that a password has, as crypt writes it; nothing for what it refuses.

        A NUL ends a password in some of the systems with a crypt(3), which would let in whoever
        knows its beginning; the others refuse it.
        """
        secret = reading.utf8(password)
        if b"\0" in secret or len(secret) > LONGEST:
            return b""
        made = libcrypt.crypt(secret, self.text(None)) if self.id != "apr1" else None
        if made is None:
            made = self._in_python(secret)
        return made.rpartition("$")[2].encode()

    def text(self, value: bytes | None) -> str:
        """Return what `read` reads."""
        rounds = "" if self.rounds is None else f"rounds={self.rounds}$"
        text = f"${self.id}${rounds}{self.salt}"
        return text if value is None else f"{text}${value.decode()}"

    @property
    def _sha(self) -> bool:
        return self.id in ("5", "6")

    def _in_python(self, secret: bytes) -> str:
        from passlib import hash as handlers

        if not self._sha:
            handler = handlers.md5_crypt if self.id == "1" else handlers.apr_md5_crypt
            return str(handler.using(salt=self.salt).hash(secret))
        handler = handlers.sha256_crypt if self.id == "5" else handlers.sha512_crypt
        return str(handler.using(salt=self.salt, rounds=self.rounds or USUAL).hash(secret))


def read(text: str) -> Reading:
    """Read a hash of crypt(3), or an outline.

    :raises UnknownHash: it is neither.
    """
    found = TEXT.fullmatch(text)
    if found is None:
        raise UnknownHash("it has not the parts of its crypt: is it cut off?")
    id, rounds, salt, value = found.groups()
    recipe = Crypt(id, None if rounds is None else int(rounds), salt)
    return recipe, None if value is None else reading.exactly(value.encode(), LENGTHS[id])
