"""Reading lists of passwords: plain ones, and those of Have I Been Pwned."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BufferedIOBase
from pathlib import Path

from ostiary_local import blocklists, passwords

LONGEST_LINE = 8192
MOST_TOLD = 5
"""Broken lines that are told one by one."""

_GZIP = b"\x1f\x8b"
_HASH = re.compile(rb"([0-9A-Fa-f]{40})(?::\s*(\d{1,18}))?\s*")
_OTHER_HASH = re.compile(rb"[0-9A-Fa-f]{32}:\s*\d+\s*")


@dataclass(slots=True)
class Tally:
    """How many lines there were.

    :ivar rare: those left out since their count is too low.
    :ivar broken: those that say no password: no UTF-8, too long, or an NTLM hash.
    :ivar first_broken: which the first ones are, and why.
    """

    lines: int = 0
    rare: int = 0
    broken: int = 0
    first_broken: list[str] = field(default_factory=list)

    def note_broken(self, path: Path, number: int, why: str) -> None:
        """Count a broken line."""
        self.broken += 1
        if self.broken <= MOST_TOLD:
            self.first_broken.append(f"{path}: line {number}: {why}")


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
        for number, line in enumerate(_lines(file), 1):
            tally.lines += 1
            known = _HASH.fullmatch(line)
            if known is None:
                try:
                    password = _password(line)
                except ValueError as broken:
                    tally.note_broken(path, number, str(broken))
                    continue
                if password:
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


def _password(line: bytes) -> str:
    """Return the password that a line is.

    :raises ValueError: it is none; says why, and nothing of the line.
    """
    text = line.rstrip(b"\r\n")
    if len(text) > passwords.LONGEST:
        raise ValueError(f"longer than {passwords.LONGEST} bytes")
    if _OTHER_HASH.fullmatch(text):
        raise ValueError("an NTLM hash, of which no use can be made")
    try:
        return text.decode()
    except UnicodeDecodeError:
        raise ValueError("no UTF-8") from None
