"""Lists of passwords that nobody may set, as compact files that are never loaded.

A file holds the leading bits of the SHA-1 of each password, which is what the lists of Have I
Been Pwned consist of. Some of these bits choose a bucket, the following are a fingerprint that
stands in it::

    header        what is in the file, and checks; see ``Header``
    2^bits + 1    fingerprints that stand before each bucket, 4 bytes each
    entries       the fingerprints, ``width`` bytes each, in order

All numbers are big-endian. A password of the list is always found. Another one is found by
mistake as often as was said when the file was built. A look takes three short reads of a file,
and needs no memory. It is read and not mapped: a mapping that somebody shortens ends the process.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import IO, Self

from ostiary_local import passwords

MAGIC = b"OSTIBLCK"
VERSION = 1
COUNT = struct.Struct(">I")
_FIELDS = struct.Struct(">8sHBB4xQ16s")
_CHECK = 16
HEADER_SIZE = _FIELDS.size + _CHECK


class Damaged(ValueError):
    """A file is no list, or not the one that was built; its text says why."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a file begins with.

    :ivar width: bytes of a fingerprint, from 2 to 8.
    :ivar bits: those that choose a bucket, from 0 to 32.
    :ivar entries: fingerprints in all.
    :ivar checksum: BLAKE2b of all that follows the header, 16 bytes.
    """

    width: int
    bits: int
    entries: int
    checksum: bytes

    @property
    def table(self) -> int:
        """Where the fingerprints begin."""
        return HEADER_SIZE + ((1 << self.bits) + 1) * COUNT.size

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self.table + self.entries * self.width

    @property
    def false_positives(self) -> float:
        """How likely a password that is not in the list is found by mistake."""
        return self.entries / (1 << self.bits + 8 * self.width)

    def place(self, digest: bytes) -> tuple[int, bytes]:
        """Return the bucket and the fingerprint that belong to a SHA-1."""
        used = int.from_bytes(digest[:12], "big") >> (96 - self.bits - 8 * self.width)
        bucket, fingerprint = divmod(used, 1 << 8 * self.width)
        return bucket, fingerprint.to_bytes(self.width, "big")

    def pack(self) -> bytes:
        """Return the bytes of the header."""
        packed = _FIELDS.pack(MAGIC, VERSION, self.width, self.bits, self.entries, self.checksum)
        return packed + checksum(packed)

    @classmethod
    def read(cls, file: IO[bytes]) -> Self:
        """Read the header that a file begins with, and compare it with the file's size.

        :raises Damaged: it is none, or the file is longer or shorter than it says.
        """
        packed = file.read(HEADER_SIZE)
        if not packed.startswith(MAGIC):
            raise Damaged("is no list made by `ostiary local build-blocklist`")
        fields, check = packed[: _FIELDS.size], packed[_FIELDS.size :]
        if checksum(fields) != check:
            raise Damaged("has a damaged header")
        _, version, *values = _FIELDS.unpack(fields)
        if version != VERSION:
            raise Damaged(f"has the version {version}, and this server reads {VERSION}")
        header = cls(*values)
        size = file.seek(0, 2)
        if size != header.size:
            raise Damaged(f"has {size} bytes instead of {header.size}")
        return header


@dataclass(frozen=True, slots=True)
class Blocklist:
    """A list in a file.

    The file is opened for each look: a new one that takes its place is used at once.
    """

    file: Path | Traversable

    def header(self) -> Header:
        """Return what the file says of itself.

        :raises Damaged: it is no list.
        :raises OSError: it cannot be read.
        """
        with self.file.open("rb") as file:
            return Header.read(file)

    def holds(self, password: str) -> bool:
        """Tell whether a password is in the list, as it is or in lower case.

        :param password: no lone surrogates.
        :raises Damaged: the file is no list any more.
        :raises OSError: it cannot be read.
        """
        with self.file.open("rb") as file:
            header = Header.read(file)
            return any(_found(file, header, digest) for digest in _digests(password))

    def verify(self) -> Header:
        """Read the whole file, and return what it says of itself.

        :raises Damaged: it is not what was built.
        :raises OSError: it cannot be read.
        """
        with self.file.open("rb") as file:
            header = Header.read(file)
            if body_checksum(file) != header.checksum:
                raise Damaged("is damaged")
            return header


SHIPPED = Blocklist(files("ostiary_local") / "common-passwords.blocklist")
"""What comes with the plugin; see ``common-passwords.md`` beside it."""


def digest(password: str) -> bytes:
    """Return what a password is in a list: SHA-1 is what the lists of others hold."""
    return hashlib.sha1(password.encode(), usedforsecurity=False).digest()


def checksum(data: bytes) -> bytes:
    """Return the checksum of a header."""
    return hashlib.blake2b(data, digest_size=_CHECK).digest()


def body_checksum(file: IO[bytes]) -> bytes:
    """Return the checksum of everything that follows the header."""
    file.seek(HEADER_SIZE)
    sum_ = hashlib.blake2b(digest_size=_CHECK)
    while block := file.read(1 << 20):
        sum_.update(block)
    return sum_.digest()


def _digests(password: str) -> Iterator[bytes]:
    normal = passwords.normal(password)
    yield from map(digest, dict.fromkeys((password, normal, normal.lower())))


def _found(file: IO[bytes], header: Header, digest: bytes) -> bool:
    bucket, fingerprint = header.place(digest)
    file.seek(HEADER_SIZE + bucket * COUNT.size)
    (start,), (end,) = COUNT.iter_unpack(_exactly(file, 2 * COUNT.size))
    if not start <= end <= header.entries:
        raise Damaged("is damaged")
    file.seek(header.table + start * header.width)
    row = _exactly(file, (end - start) * header.width)
    # Only where a fingerprint begins: one may also stand across two others.
    return any(row.startswith(fingerprint, at) for at in range(0, len(row), header.width))


def _exactly(file: IO[bytes], size: int) -> bytes:
    data = file.read(size)
    if len(data) != size:
        raise Damaged("was shortened")
    return data
