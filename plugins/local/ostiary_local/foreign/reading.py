"""Reading the parts of a hash: numbers within bounds, and bytes in their many spellings."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ostiary_local.foreign.shapes import UnknownHash

SHORTEST, LONGEST = 16, 1024
"""Bytes of a value whose length its maker chose: MD5 has 16, Kuzzle at most 512."""

SALTS = 1024
"""Bytes of the longest salt."""

NUMBER = re.compile(r"[0-9]{1,10}", re.ASCII)
ENCODED = re.compile(r"[A-Za-z0-9+/]*={0,2}", re.ASCII)
HEX = re.compile(r"(?:[0-9a-fA-F]{2})*", re.ASCII)


def number(value: object, what: str, low: int, high: int) -> int:
    """Return a number that JSON or a text holds.

    :raises UnknownHash: it is none, or not from `low` to `high`.
    """
    if isinstance(value, str) and NUMBER.fullmatch(value):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise UnknownHash(f"{what}: a number is wanted")
    if not low <= value <= high:
        raise UnknownHash(f"{what}: must be from {low} to {high}")
    return value


def decoded(value: object, what: str) -> bytes:
    """Return what base64 stands for, in any of its alphabets, padded or not.

    :raises UnknownHash: it is no base64.
    """
    if not isinstance(value, str):
        raise UnknownHash(f"{what}: a text in base64 is wanted")
    # RFC 4648 has two alphabets; passlib writes a full stop for the plus.
    text = value.replace(".", "+").replace("-", "+").replace("_", "/")
    bare = text.rstrip("=")
    if not ENCODED.fullmatch(text) or len(bare) % 4 == 1:
        raise UnknownHash(f"{what}: is no base64, or cut off")
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except binascii.Error:
        raise UnknownHash(f"{what}: is no base64, or cut off") from None


def encoded(value: bytes) -> str:
    """Return base64 without padding, as the PHC string format has it."""
    return base64.b64encode(value).rstrip(b"=").decode()


def from_hex(value: object, what: str) -> bytes:
    """Return what hexadecimal digits stand for.

    :raises UnknownHash: there are others, or an odd number of them.
    """
    if not isinstance(value, str) or not HEX.fullmatch(value):
        raise UnknownHash(f"{what}: hexadecimal digits are wanted, an even number of them")
    return bytes.fromhex(value)


def exactly(value: bytes, length: int) -> bytes:
    """Return a value that has the length that its function gives.

    :raises UnknownHash: it has another one.
    """
    if len(value) != length:
        raise UnknownHash(f"its value has {len(value)} bytes instead of {length}: is it cut off?")
    return value


def fit(value: bytes) -> bytes:
    """Return a value whose length its maker chose.

    :raises UnknownHash: it is too short to prove anything, or absurdly long.
    """
    if not SHORTEST <= len(value) <= LONGEST:
        raise UnknownHash(
            f"its value has {len(value)} bytes; from {SHORTEST} to {LONGEST} are wanted"
        )
    return value


def salt(value: bytes, least: int = 0) -> bytes:
    """Return a salt of a length that occurs.

    :raises UnknownHash: it is shorter than `least`, or absurdly long.
    """
    if not least <= len(value) <= SALTS:
        raise UnknownHash(f"its salt has {len(value)} bytes; from {least} to {SALTS} are wanted")
    return value


def utf8(password: str) -> bytes:
    """Return the bytes of a password; lone surrogates, which no text has, are kept apart too."""
    return password.encode("utf-8", "surrogatepass")


@dataclass(frozen=True, slots=True)
class Phc:
    """A text in the PHC string format, ``$id$v=…$name=value,…$salt$value``, before it is decoded.

    https://github.com/P-H-C/phc-string-format/blob/master/phc-sf-spec.md
    """

    id: str
    version: str | None
    parameters: Mapping[str, str]
    salt: str
    value: str | None

    def known(self, *names: str) -> Mapping[str, str]:
        """Return the parameters.

        :raises UnknownHash: one is not among `names`: what it does is not known.
        """
        if self.parameters.keys() - set(names):
            raise UnknownHash(f"it has a parameter that is none of {', '.join(names)}")
        return self.parameters


def phc(text: str) -> Phc:
    """Read a text in the PHC string format.

    :raises UnknownHash: it is none.
    """
    _, id, *rest = text.split("$")
    version = None
    if rest and rest[0].startswith("v=") and "," not in rest[0]:
        version = rest.pop(0)[2:]
    parameters = _parameters(rest.pop(0)) if rest and "=" in rest[0] else {}
    match rest:
        case [salt]:
            return Phc(id, version, parameters, salt, None)
        case [salt, value]:
            return Phc(id, version, parameters, salt, value)
    raise UnknownHash("it has not the parts of its format: is it cut off?")


def _parameters(text: str) -> dict[str, Any]:
    pairs = [pair.partition("=")[::2] for pair in text.split(",")]
    names = {name for name, _ in pairs}
    if len(names) < len(pairs):
        raise UnknownHash("it has a parameter twice")
    return dict(pairs)
