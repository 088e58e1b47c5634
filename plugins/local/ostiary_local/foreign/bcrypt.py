"""bcrypt, alone or of a digest of the password, as Django and passlib do to have no longest password.

bcrypt looks at 72 bytes of a password; so do we, since others stored what it saw. A NUL is a
character like others, as it is to the library; of systems that stop there, a password with one
is not accepted. ``$2x$`` marks the values of a function that erred on other letters than those of
ASCII: a password with such letters is not accepted.

Our texts are theirs, and without the last 31 characters they are outlines.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass, field
from typing import Literal

from ostiary_local.foreign import limits, reading
from ostiary_local.foreign.shapes import Reading, UnknownHash

CHEAPEST = 4
"""Binary logarithm of the fewest rounds of bcrypt."""

LONGEST = 72
"""Bytes of a password that bcrypt looks at."""

ALPHABET = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

PLAIN = re.compile(r"\$(2[abxy])\$([0-9]{2})\$([./A-Za-z0-9]{22})([./A-Za-z0-9]{31})?", re.ASCII)
PASSLIB = re.compile(
    r"\$bcrypt-sha256\$(?:(v=2),t=(2[ab]),r=|(2[ab]),)([0-9]{1,2})"
    r"\$([./A-Za-z0-9]{22})(?:\$([./A-Za-z0-9]{31}))?",
    re.ASCII,
)
DJANGO, DJANGO_SHA256 = "bcrypt$", "bcrypt_sha256$"

Before = Literal["nothing", "django", "passlib-1", "passlib-2"]


@dataclass(frozen=True, slots=True)
class Bcrypt:
    """How bcrypt was asked.

    :ivar cost: binary logarithm of the rounds.
    :ivar salt: 22 characters, as bcrypt writes them.
    :ivar before: what was done to the password first, and by whom.
    :raises UnknownHash: it costs too much.
    """

    variant: str
    cost: int
    salt: str = field(repr=False)
    before: Before = "nothing"

    def __post_init__(self) -> None:
        if not CHEAPEST <= self.cost <= limits.DEAREST_BCRYPT:
            raise UnknownHash(f"its cost must be from {CHEAPEST} to {limits.DEAREST_BCRYPT}")

    @property
    def scheme(self) -> str:
        """``bcrypt``, or ``bcrypt-sha256``."""
        return "bcrypt" if self.before == "nothing" else "bcrypt-sha256"

    @property
    def weak(self) -> bool:
        """Never: bcrypt always has a salt."""
        return False

    def digest(self, password: str) -> bytes:
        """Return the value that a password has: 31 characters, as bcrypt writes them."""
        import bcrypt

        secret = self._prepared(reading.utf8(password))[:LONGEST]
        setting = f"${self.variant}${self.cost:02}${self.salt}"
        return bcrypt.hashpw(secret, setting.encode())[len(setting) :]

    def text(self, value: bytes | None) -> str:
        """Return what `read` reads."""
        tail = "" if value is None else value.decode()
        if self.before in ("nothing", "django"):
            head = "" if self.before == "nothing" else DJANGO_SHA256
            return f"{head}${self.variant}${self.cost:02}${self.salt}{tail}"
        how = f"v=2,t={self.variant},r={self.cost}"
        if self.before == "passlib-1":
            how = f"{self.variant},{self.cost}"
        return f"$bcrypt-sha256${how}${self.salt}" + (f"${tail}" if tail else "")

    def _prepared(self, secret: bytes) -> bytes:
        match self.before:
            case "django":
                return hashlib.sha256(secret).hexdigest().encode()
            case "passlib-1":
                return base64.b64encode(hashlib.sha256(secret).digest())
            case "passlib-2":
                return base64.b64encode(hmac.digest(self.salt.encode(), secret, "sha256"))
        return secret


def read(text: str) -> Reading:
    """Read bcrypt's own text, Django's or passlib's.

    :raises UnknownHash: it is none of them.
    """
    if text.startswith("$bcrypt-sha256$"):
        return _passlib(text)
    before: Before = "django" if text.startswith(DJANGO_SHA256) else "nothing"
    found = PLAIN.fullmatch(text.removeprefix(DJANGO_SHA256).removeprefix(DJANGO))
    if found is None:
        raise UnknownHash("it has not the parts of a bcrypt hash: is it cut off?")
    variant, cost, salt, value = found.groups()
    recipe = Bcrypt(variant, int(cost), _normal(salt), before)
    return recipe, None if value is None else value.encode()


def _passlib(text: str) -> Reading:
    found = PASSLIB.fullmatch(text)
    if found is None:
        raise UnknownHash("it has not the parts of passlib's bcrypt-sha256: is it cut off?")
    second, variant, first, cost, salt, value = found.groups()
    before: Before = "passlib-2" if second else "passlib-1"
    recipe = Bcrypt(variant or first, int(cost), _normal(salt), before)
    return recipe, None if value is None else value.encode()


def _normal(salt: str) -> str:
    """Return a salt as the library wants it: some systems set bits that stand for nothing."""
    return salt[:-1] + ALPHABET[ALPHABET.index(salt[-1]) & 0b110000]
