"""Firebase's own scrypt: the key that scrypt gives encrypts the signer key of the project.

https://github.com/firebase/scrypt; the parameters are those of the console, "Password hash
parameters". Our text: ``$firebase-scrypt$ln=14,r=8,k=<signer key>$<salt, separator>$<value>``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ostiary_local.foreign import reading
from ostiary_local.foreign.scrypt import STEEPEST, Scrypt
from ostiary_local.foreign.shapes import Reading, UnknownHash

KEY = 32
"""Bytes of a key of AES-256: as much of what scrypt gives is used."""

SPELLINGS = {
    "hash": "passwordhash",
    "signerkey": "signerkey",
    "base64signerkey": "signerkey",
    "saltseparator": "saltseparator",
    "base64saltseparator": "saltseparator",
    "memorycost": "memcost",
}
"""Other names of what is wanted: those of the console, of the command line and of the SDKs."""


@dataclass(frozen=True, slots=True)
class Firebase:
    """How Firebase was asked: scrypt, and the key that it encrypts."""

    scrypt: Scrypt
    signer_key: bytes = field(repr=False)

    @property
    def scheme(self) -> str:
        """``firebase-scrypt``."""
        return "firebase-scrypt"

    @property
    def weak(self) -> bool:
        """No salt."""
        return self.scrypt.weak

    def digest(self, password: str) -> bytes:
        """Return the value that a password has."""
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

        key = self.scrypt.digest(password)
        cipher = Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor()
        return cipher.update(self.signer_key) + cipher.finalize()

    def text(self, value: bytes | None) -> str:
        """Return what `read` reads."""
        key = reading.encoded(self.signer_key)
        how = f"ln={self.scrypt.ln},r={self.scrypt.r},k={key}"
        text = f"${self.scheme}${how}${reading.encoded(self.scrypt.salt)}"
        return text if value is None else f"{text}${reading.encoded(value)}"


def read(text: str) -> Reading:
    """Read our own text.

    :raises UnknownHash: it is none.
    """
    parts = reading.phc(text)
    given = parts.known("ln", "r", "k")
    salt = reading.decoded(parts.salt, "salt")
    recipe = _made(given.get("ln"), given.get("r"), given.get("k"), salt)
    if parts.value is None:
        return recipe, None
    return recipe, reading.exactly(reading.decoded(parts.value, "value"), len(recipe.signer_key))


def from_document(document: Mapping[str, Any]) -> Reading:
    """Read an exported user, with the parameters of the project beside: all texts in base64.

    Members: ``passwordHash``, ``salt``, ``signerKey``, ``saltSeparator``, ``rounds``, ``memCost``;
    the spellings of the console, such as ``base64_signer_key`` and ``mem_cost``, do too.

    :raises UnknownHash: one is missing or wrong.
    """
    given = {_plain(name): value for name, value in document.items()}
    for name in ("passwordhash", "signerkey"):
        if not given.get(name):
            raise UnknownHash(f"Firebase: {name} is missing, see the project's hash parameters")
    salt = reading.decoded(given.get("salt", ""), "salt")
    separator = reading.decoded(given.get("saltseparator", ""), "saltSeparator")
    recipe = _made(given.get("memcost"), given.get("rounds"), given["signerkey"], salt + separator)
    value = reading.decoded(given["passwordhash"], "passwordHash")
    return recipe, reading.exactly(value, len(recipe.signer_key))


def _made(ln: object, r: object, signer_key: object, salt: bytes) -> Firebase:
    scrypt = Scrypt(
        reading.number(ln, "memCost", 1, STEEPEST),
        reading.number(r, "rounds", 1, 1 << 16),
        1,
        KEY,
        reading.salt(salt),
    )
    return Firebase(scrypt, reading.fit(reading.decoded(signer_key, "signerKey")))


def _plain(name: str) -> str:
    bare = str(name).replace("_", "").lower()
    return SPELLINGS.get(bare, bare)
