"""Sealed secrets: encrypted by their owner's key, and bound to the place where they stand.

A sealed value opens for one owner, in one column of one row. Moved to another
row, copied into another table or handed to another plugin it is worthless.
"""

from __future__ import annotations

import hmac
import json
import secrets
from typing import Any, NoReturn, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ostiary.seals import SealBroken

NONCE = 12

MOST_GENERATIONS = 255
"""One byte in front of what is sealed tells the generation of the key."""

Row = str | int | bytes | tuple[str | int | bytes, ...]
"""The primary key of a row; a tuple if it has several columns, in the order of the table."""


class Ring(Protocol):
    """The generations of the master key, as far as one who seals has to know them."""

    @property
    def current(self) -> int:
        """The generation that new secrets are kept with."""

    def derive(self, purpose: str, length: int = 32, *, generation: int | None = None) -> bytes:
        """Return the key for a purpose.

        :raises KeyError: the generation is not known.
        """


class Sealer:
    """Encrypts the secrets of one owner, with AES-256-GCM.

    Every generation of the master key opens what was sealed in its time; the
    current one seals.
    """

    __slots__ = ("_owner", "_ring")

    def __init__(self, owner: str, ring: Ring) -> None:
        self._owner, self._ring = owner, ring

    def seal(self, secret: bytes, *, column: Any, row: Row) -> bytes:
        """Return the secret encrypted.

        :param column: where it will stand, such as ``tokens.c.secret``: a column of the type
            ``Sealed``, so that the core finds it when the master key is rotated.
        :param row: the primary key of the row; it opens nowhere else.
        :raises TypeError: the column is not declared as ``Sealed``.
        """
        generation = self._ring.current
        place = self._place(column, row)
        return bytes([generation]) + encrypt(self._key(generation), secret, place)

    def open(self, sealed: bytes, *, column: Any, row: Row) -> bytes:
        """Return the secret that was sealed for this column of this row.

        :raises SealBroken: it was not sealed so, or has been changed since.
        """
        place = self._place(column, row)
        if not sealed:
            raise SealBroken(f"a secret of {self._owner} is empty")
        try:
            return decrypt(self._key(sealed[0]), sealed[1:], place)
        except KeyError:
            raise SealBroken(f"a secret of {self._owner} is sealed by an unknown key") from None
        except SealBroken:
            raise SealBroken(f"a secret of {self._owner} cannot be opened here") from None

    def mark(self, text: str) -> bytes:
        """Return what tells equal texts, and nothing else of them (HMAC-SHA-256).

        It is another under another master key: for what is kept for a short time.
        """
        key = self._ring.derive(f"plugin/{self._owner}/marks", generation=self._ring.current)
        return hmac.digest(key, text.encode("utf-8", "surrogatepass"), "sha256")

    def outdated(self, sealed: bytes) -> bool:
        """Tell whether a secret was sealed under an older master key than the current one."""
        return sealed[:1] != bytes([self._ring.current])

    def __repr__(self) -> str:
        return f"<Sealer of {self._owner}>"

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        raise TypeError("what holds keys is neither copied nor pickled")

    def _key(self, generation: int) -> bytes:
        return self._ring.derive(f"plugin/{self._owner}/aead", generation=generation)

    def _place(self, column: Any, row: Row) -> bytes:
        if not getattr(column.type, "sealed", False):
            raise TypeError(f"{column} holds sealed secrets: declare it with the type Sealed")
        # No name of an owner, a table or a column has a bar in it: no two places are alike.
        names = (self._owner, column.table.name, column.name)
        if any("|" in name for name in names):
            raise ValueError(f"{column}: a name with a bar cannot hold sealed secrets")
        return "|".join((*names, _text(row))).encode()


def encrypt(key: bytes, secret: bytes, place: bytes) -> bytes:
    """Return a nonce and the secret encrypted (AES-256-GCM), bound to a place.

    Random nonces of 96 bits are safe for 2**32 secrets under one key (SP 800-38D, 8.3).
    """
    nonce = secrets.token_bytes(NONCE)
    return nonce + AESGCM(key).encrypt(nonce, secret, place)


def decrypt(key: bytes, sealed: bytes, place: bytes) -> bytes:
    """Return what ``encrypt`` was given.

    :raises SealBroken: another key or place, or it was changed.
    """
    try:
        return AESGCM(key).decrypt(sealed[:NONCE], sealed[NONCE:], place)
    except (InvalidTag, ValueError):
        # ValueError: too short to hold a nonce.
        raise SealBroken("cannot be opened") from None


def _text(row: Row) -> str:
    match row:
        case tuple():
            return json.dumps([_text(part) for part in row])
        case bytes():
            return row.hex()
        case _:
            return str(row)
