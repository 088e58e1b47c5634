"""Reading lists of passwords: plain ones, and those of Have I Been Pwned."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path

from ostiary_local import blocklists, passwords

LONGEST_LINE = 8192
_GZIP = b"\x1f\x8b"
_HASH = re.compile(rb"([0-9A-Fa-f]{40})(?::\s*(\d{1,18}))?\s*")
_OTHER_HASH = re.compile(rb"[0-9A-Fa-f]{32}:\s*\d+\s*")


@dataclass(slots=True)
class Tally:
    """How many lines there were.

    :ivar rare: those left out since their count is too low.
    :ivar broken: those that say no password: no UTF-8, too long, or an NTLM hash.
    """

    lines: int = 0
    rare: int = 0
    broken: int = 0


def digests(path: Path, tally: Tally, *, least: int = 1) -> Iterator[bytes]:
    """Yield the SHA-1 of each password of a file, and count its lines.

    A line is a password, or the SHA-1 of one in 40 hexadecimal digits, with or without a colon
    and a count after it. The file may be compressed with gzip. Little memory is used, whatever
    is in it.

    :param least: the count that a line must have, if it has one.
    :raises OSError: the file cannot be read; ``EOFError`` and ``zlib.error`` if its
        compression is damaged.
    """
    with _opened(path) as file:
        for line in _lines(file):
            tally.lines += 1
            known = _HASH.fullmatch(line)
            if known is None:
                password = _password(line)
                if password is None:
                    tally.broken += 1
                elif password:
                    yield blocklists.digest(passwords.normal(password))
            elif known[2] is not None and int(known[2]) < least:
                tally.rare += 1
            else:
                yield bytes.fromhex(known[1].decode())


def _opened(path: Path) -> BufferedIOBase:
    with path.open("rb") as file:
        compressed = file.read(len(_GZIP)) == _GZIP
    return gzip.open(path) if compressed else path.open("rb")


def _lines(file: BufferedIOBase) -> Iterator[bytes]:
    """Yield lines; of one that is too long, its beginning, which is too long too."""
    while line := file.readline(LONGEST_LINE):
        end = line
        while len(end) == LONGEST_LINE and not end.endswith(b"\n"):
            end = file.readline(LONGEST_LINE)
        yield line


def _password(line: bytes) -> str | None:
    text = line.rstrip(b"\r\n")
    if len(text) > passwords.LONGEST or _OTHER_HASH.fullmatch(text):
        return None
    try:
        return text.decode()
    except UnicodeDecodeError:
        return None
