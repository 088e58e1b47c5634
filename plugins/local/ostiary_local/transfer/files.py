"""Reading files line by line, CSV with a header or JSON Lines; memory does not grow with them."""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import TextIOWrapper
from pathlib import Path
from typing import Any, BinaryIO, Literal

from ostiary import CommandError
from ostiary_local.transfer.entries import FIELDS
from ostiary_local.transfer.values import Refused

Format = Literal["csv", "jsonl"]
SUFFIXES: dict[str, Format] = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
STANDARD = "-"
BOM = b"\xef\xbb\xbf"

LONGEST = 2**20
"""Bytes of a line."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a file.

    :ivar number: counted from 1; where it has several, the first.
    :ivar fields: what it holds, or why it cannot be read.
    :ivar size: about how many bytes it takes.
    """

    number: int
    fields: Mapping[str, Any] | Refused = field(repr=False)
    size: int = 0


def format_of(file: str, told: Format | None) -> Format:
    """Return the format of a file.

    :raises CommandError: it cannot be told from the name.
    """
    found = told or SUFFIXES.get(Path(file).suffix.lower())
    if found is None:
        raise CommandError(f"{file}: is it csv or jsonl? say so with --format")
    return found


@contextmanager
def opened(file: str) -> Iterator[BinaryIO]:
    """Open a file, or standard input.

    :raises CommandError: it cannot be read.
    """
    try:
        if file == STANDARD:
            yield sys.stdin.buffer
        else:
            with Path(file).open("rb") as stream:
                yield stream
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}") from None


def lines(stream: BinaryIO, format: Format) -> Iterator[Line]:
    """Yield the lines of a file.

    :raises CommandError: its header is not to be understood.
    """
    return _csv(stream) if format == "csv" else _json_lines(stream)


def _json_lines(stream: BinaryIO) -> Iterator[Line]:
    number = 0
    while line := stream.readline(LONGEST + 1):
        number += 1
        if len(line) > LONGEST and not line.endswith(b"\n"):
            _skip_line(stream)
            yield Line(number, Refused(f"it is longer than {LONGEST} bytes"))
        elif line.strip():
            bare = line.removeprefix(BOM) if number == 1 else line
            yield Line(number, _object(bare), len(line))


def _skip_line(stream: BinaryIO) -> None:
    while (rest := stream.readline(LONGEST)) and not rest.endswith(b"\n"):
        pass


def _object(line: bytes) -> Mapping[str, Any] | Refused:
    try:
        value = json.loads(line.decode(), object_pairs_hook=_once, parse_constant=_refuse)
    except UnicodeDecodeError:
        return Refused("it is no UTF-8")
    except json.JSONDecodeError as error:
        return Refused(f"it is no JSON, at character {error.pos + 1}")
    except RecursionError:
        return Refused("it is nested too deep")
    except ValueError as error:
        return Refused(str(error))
    return value if isinstance(value, dict) else Refused("wanted: an object")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("an object has the same name twice")
    return found


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _csv(stream: BinaryIO) -> Iterator[Line]:
    text = TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="")
    csv.field_size_limit(LONGEST)
    rows = csv.reader(text, strict=True)
    try:
        header = _header(next(rows, []))
        while True:
            number = rows.line_num + 1
            try:
                row = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                yield Line(number, Refused(f"it is no CSV: {error}"))
                continue
            if row:
                yield Line(number, _named(header, row), sum(map(len, row)))
    except csv.Error as error:
        raise CommandError(f"the header is no CSV: {error}") from None
    finally:
        text.detach()


def _header(names: list[str]) -> list[str]:
    names = [name.strip() for name in names]
    if len(names) == 1 and not FIELDS.isdisjoint(parts := re.split(r"[;\t|]", names[0])[1:]):
        raise CommandError(
            f"the header is one column, with {len(parts) + 1} names in it: a comma is wanted "
            "between cells, not a semicolon, tab or bar"
        )
    for number, name in enumerate(names, 1):
        if name not in FIELDS:
            known = ", ".join(sorted(FIELDS))
            told = f" ({name!r})" if _is_header(names) else ""
            raise CommandError(
                f"the header names no field in column {number}{told}; known: {known}"
            )
        if names.count(name) > 1:
            raise CommandError(f"the column {name!r} stands twice in the header")
    if not names:
        raise CommandError("the file is empty: a header is wanted")
    return names


def _is_header(names: list[str]) -> bool:
    """Tell whether a first line may be quoted: without a header it is somebody's, with a password.

    One that has a field by its name has no accounts in it.
    """
    return not FIELDS.isdisjoint(names)


def _named(header: list[str], row: list[str]) -> Mapping[str, Any] | Refused:
    if len(row) != len(header):
        return Refused(f"it has {len(row)} cells, and the header {len(header)}")
    try:
        "".join(row).encode()
    except UnicodeEncodeError:
        return Refused("it is no UTF-8")
    return dict(zip(header, row, strict=True))
