"""Texts of Django (``pbkdf2_sha256$…``) and werkzeug, which is Flask's (``pbkdf2:sha256:…``)."""

from __future__ import annotations

from ostiary_local.foreign import argon2, bcrypt, pbkdf2, reading, scrypt
from ostiary_local.foreign.shapes import Reading, UnknownHash

SCRYPT = 64
"""Bytes that both ask scrypt for."""


def django(text: str) -> Reading:
    """Read a text of Django.

    :raises UnknownHash: it is none, or in a scheme that is not known.
    """
    scheme, _, rest = text.partition("$")
    match scheme, rest.split("$"):
        case (("pbkdf2_sha256" | "pbkdf2_sha1"), [iterations, salt, value]):
            hash = scheme.removeprefix("pbkdf2_")
            digest = reading.exactly(reading.decoded(value, "value"), pbkdf2.SIZES[hash])
            return pbkdf2.made(hash, iterations, salt.encode(), digest)
        case "scrypt", [n, salt, r, p, value]:
            digest = reading.exactly(reading.decoded(value, "value"), SCRYPT)
            return scrypt.made(n, r, p, salt.encode(), digest)
        case "argon2", [kind, *_] if kind in argon2.KINDS:
            return argon2.read(f"${rest}")
        case (("bcrypt" | "bcrypt_sha256"), _):
            return bcrypt.read(text)
    raise UnknownHash("it has not the parts of a hash of Django: is it cut off?")


def werkzeug(text: str) -> Reading:
    """Read a text of werkzeug.

    :raises UnknownHash: it is none, or in a scheme that is not known.
    """
    match [part.split(":") for part in text.split("$")]:
        case [["pbkdf2", hash, iterations], [salt], [value]] if hash in pbkdf2.SIZES:
            digest = reading.exactly(reading.from_hex(value, "value"), pbkdf2.SIZES[hash])
            return pbkdf2.made(hash, iterations, salt.encode(), digest)
        case [["scrypt", n, r, p], [salt], [value]]:
            digest = reading.exactly(reading.from_hex(value, "value"), SCRYPT)
            return scrypt.made(n, r, p, salt.encode(), digest)
    raise UnknownHash("it has not the parts of a hash of werkzeug: is it cut off?")
