"""Values of ``userPassword`` in LDAP (RFC 2307): ``{SSHA}…`` and what servers made of the idea.

A scheme that only wraps another text, such as ``{CRYPT}$6$…`` and ``{ARGON2}$argon2id$…``, is
read as that text.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from ostiary_local.foreign import pbkdf2, reading
from ostiary_local.foreign.salted import LENGTHS, Salted
from ostiary_local.foreign.shapes import Reading, UnknownHash

SCHEME = re.compile(r"\{([A-Za-z0-9._-]{1,30})\}(.*)", re.ASCII)
DIGEST = re.compile(r"S?(?:SHA|MD5|SHA-?(?:1|224|256|384|512))", re.ASCII)
PBKDF2 = re.compile(r"PBKDF2(?:[-_]SHA-?(?:1|224|256|384|512))?", re.ASCII)

WRAPPERS = frozenset(
    {
        *("CRYPT", "ARGON2", "ARGON2I", "ARGON2ID", "BCRYPT", "BLF-CRYPT"),
        *("MD5-CRYPT", "SHA256-CRYPT", "SHA512-CRYPT", "SCRYPT"),
    }
)
"""Schemes after which the text of another function stands: of OpenLDAP, Dovecot, Spring."""

CLEAR = frozenset({"CLEAR", "CLEARTEXT", "PLAIN", "NOOP"})

DIRECTORY_SALT = 64
"""Bytes of the salt in 389 Directory Server's ``{PBKDF2_SHA256}``."""


def read(text: str, inner: Callable[[str], Reading]) -> Reading:
    """Read a value of ``userPassword``.

    :param inner: reads what a wrapping scheme wraps.
    :raises UnknownHash: it is in a scheme that is not known, or damaged.
    """
    found = SCHEME.fullmatch(text)
    if found is None:
        raise UnknownHash("a scheme in braces is wanted, and a value after it")
    scheme, rest = found[1].upper(), found[2]
    if scheme in WRAPPERS:
        if not rest.startswith("$"):
            raise UnknownHash("a hash that begins with a dollar is wanted after the scheme")
        return inner(rest)
    if scheme in CLEAR:
        raise UnknownHash("it is a password in clear: import it as a password")
    if DIGEST.fullmatch(scheme):
        return _digest(scheme, rest)
    if PBKDF2.fullmatch(scheme):
        return _pbkdf2(_function(scheme[len("PBKDF2") :]), rest)
    raise UnknownHash("its scheme in braces is not known")


def _digest(scheme: str, rest: str) -> Reading:
    """Read a value and the salt behind it; schemes without an S at the front have no salt."""
    salted = scheme.startswith(("SSHA", "SMD5"))
    hash = _function(scheme[1:] if salted else scheme)
    whole, length = reading.decoded(rest, "value"), LENGTHS[hash]
    value, salt = whole[:length], whole[length:]
    if salted and len(whole) == length:
        raise UnknownHash("it has no salt, although its scheme has one: is it cut off?")
    if not salted and salt:
        raise UnknownHash(f"its value has {len(whole)} bytes instead of {length}")
    return Salted(hash, reading.salt(salt)), reading.exactly(value, length)


def _pbkdf2(hash: str, rest: str) -> Reading:
    """Read OpenLDAP's ``<iterations>$<salt>$<value>``, or the one piece of 389 Directory Server."""
    parts = rest.split("$")
    if len(parts) == 3:  # noqa: PLR2004 -- iterations, salt, value
        salt, value = (reading.decoded(part, "salt or value") for part in parts[1:])
        return pbkdf2.made(hash, parts[0], salt, value)
    if len(parts) != 1:
        raise UnknownHash("iterations, salt and value are wanted")
    piece = reading.decoded(rest, "value")
    iterations, piece = int.from_bytes(piece[:4], "big"), piece[4:]
    salt, value = piece[:DIRECTORY_SALT], piece[DIRECTORY_SALT:]
    return pbkdf2.made(hash, iterations, reading.salt(salt, DIRECTORY_SALT), value)


def _function(name: str) -> str:
    """Return what Python calls a hash function: ``sha1`` where no number stands."""
    bare = name.lower().replace("-", "").replace("_", "")
    return "sha1" if bare in ("", "sha") else bare
