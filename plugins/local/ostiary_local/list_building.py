"""Building the file of a list of passwords, in bounded memory; ``blocklists`` reads it."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO

from ostiary_local import blocklists
from ostiary_local.blocklists import COUNT, HEADER_SIZE, Header

PREFIX = 12
"""Bytes of a SHA-1 that are kept while a list is built: the most that can be used of it."""

PART_BITS = 10
PARTS = 1 << PART_BITS
"""Files that the hashes are sorted in, one after the other: a billion takes some 150 MB."""

_PARTS = "part-*"
_WAITING = 16 << 10
"""Bytes that are gathered for a part before they are written."""

WIDEST = 8
_FULLEST = 64
_EMPTIEST = 4


def build(
    digests: Iterable[bytes],
    output: Path,
    *,
    false_positives: float = 1e-6,
    progress: Callable[[int], None] = lambda _: None,
) -> Header:
    """Build a file from hashes in any order, which may repeat, and put it in its place at once.

    What is needed on the way, 12 bytes for each hash, lies beside the file.

    :param false_positives: how likely another password may be found, from 1e-12 to 0.01.
    :param progress: is called with the number of hashes, now and then.
    :raises OSError: the file cannot be written; an older one is as it was.
    """
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}-") as name:
        folder = Path(name)
        _part(digests, folder, progress)
        entries = sum(_sort(part) for part in folder.glob(_PARTS))
        header = shape(entries, false_positives)
        made = folder / "made"
        made.touch()
        with made.open("r+b") as index, made.open("r+b") as table:
            _write(_sorted(folder), header, index, table)
        header = _sealed(made, header)
        made.replace(output)
    return header


def shape(entries: int, false_positives: float) -> Header:
    """Return the header of the smallest file for a number of hashes; its checksum is wanting."""
    # Bytes of a fingerprint, and how many of them may share a bucket: few enough to look
    # through, and enough to be worth the count that a bucket costs.
    for width in range(2, WIDEST + 1):
        fill = min(_FULLEST, false_positives * 256**width)
        if fill >= _EMPTIEST:
            bits = max(0, math.ceil(math.log2(max(1, entries) / fill)))
            return Header(width, bits, entries, bytes(16))
    raise ValueError(f"no list can be as exact as {false_positives}")


def _part(digests: Iterable[bytes], folder: Path, progress: Callable[[int], None]) -> None:
    waiting = [bytearray() for _ in range(PARTS)]
    for number, digest in enumerate(digests, 1):
        part = int.from_bytes(digest[:2], "big") >> 16 - PART_BITS
        waiting[part] += digest[:PREFIX]
        if len(waiting[part]) >= _WAITING:
            _append(folder, part, waiting[part])
        if number % 1_000_000 == 0:
            progress(number)
    for part, hashes in enumerate(waiting):
        if hashes:
            _append(folder, part, hashes)


def _append(folder: Path, part: int, hashes: bytearray) -> None:
    with (folder / f"part-{part:04}").open("ab") as file:
        file.write(hashes)
    hashes.clear()


def _sort(part: Path) -> int:
    """Sort the hashes of a part, each once; return how many they are."""
    data = part.read_bytes()
    hashes = sorted({data[at : at + PREFIX] for at in range(0, len(data), PREFIX)})
    part.write_bytes(b"".join(hashes))
    return len(hashes)


def _sorted(folder: Path) -> Iterator[bytes]:
    for part in sorted(folder.glob(_PARTS)):
        with part.open("rb") as file:
            while hash_ := file.read(PREFIX):
                yield hash_


def _write(hashes: Iterable[bytes], header: Header, index: IO[bytes], table: IO[bytes]) -> None:
    """Write the fingerprints, and before them how many stand before each bucket."""
    index.seek(HEADER_SIZE)
    table.seek(header.table)
    begun = written = 0
    for hash_ in hashes:
        bucket, fingerprint = header.place(hash_)
        if bucket >= begun:
            index.write(COUNT.pack(written) * (bucket + 1 - begun))
            begun = bucket + 1
        table.write(fingerprint)
        written += 1
    index.write(COUNT.pack(written) * ((1 << header.bits) + 1 - begun))


def _sealed(file: Path, header: Header) -> Header:
    """Write the header, with the checksum of what follows it; the file is safe on the disk then."""
    with file.open("r+b") as opened:
        sum_ = blocklists.body_checksum(opened)
        sealed = Header(header.width, header.bits, header.entries, sum_)
        opened.seek(0)
        opened.write(sealed.pack())
        opened.flush()
        os.fsync(opened.fileno())
    file.chmod(0o644)
    return sealed
