"""A store in one file: the rows of a plugin, and who held credentials of it.

JSON Lines within gzip. The first line tells what the file is, the last one seals
it (HMAC-SHA256 over all lines before, under a key that comes from the master key):
a file that was changed, cut off or made by another installation is refused, for
what is restored from it lets users in.
"""

from __future__ import annotations

import gzip
import hmac
import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from ostiary.storage.rows import Row
from ostiary.storage.store import StorageError

FORMAT, VERSION = "ostiary-store", 1
PRIVATE = 0o600

Put = Callable[[Any], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What stands in the first line.

    :ivar version: of the distribution that the plugin came with.
    :ivar revision: of the tables.
    :ivar tables: the columns of each.
    :ivar created: milliseconds since the epoch, UTC.
    :ivar master_key: the check value of the key that hashes and seals were made with.
    """

    plugin: str
    distribution: str
    version: str
    strategies: Sequence[str]
    wraps: bool
    revision: str
    tables: Mapping[str, Sequence[str]]
    created: int
    master_key: str
    format: str = FORMAT
    format_version: int = VERSION

    @classmethod
    def parse(cls, line: Any, path: Path) -> Self:
        """Read a first line.

        :raises StorageError: it is none, or one of a later version.
        """
        if not isinstance(line, dict) or line.get("format") != FORMAT:
            raise StorageError(f"{path} is not an archive of a store")
        if line.get("format_version") != VERSION:
            raise StorageError(f"{path} was written by a later version of ostiary")
        try:
            return cls(**line)
        except TypeError:
            raise StorageError(f"{path} is damaged, or no archive of a store") from None


@dataclass(frozen=True, slots=True)
class Holder:
    """A user who holds credentials of a strategy; ``generation`` tells apart who had a kuid."""

    kuid: str
    generation: str
    strategy: str
    created_at: int


@dataclass(slots=True)
class Archive:
    """What a file holds, short of the rows.

    :ivar erasing: kuid and strategy of credentials that were to be erased.
    :ivar seal: what the last line says.
    """

    header: Header
    holders: list[Holder] = field(default_factory=list)
    erasing: list[tuple[str, str]] = field(default_factory=list)
    rows: int = 0
    seal: str = ""


@contextmanager
def writing(path: Path, key: bytes) -> Iterator[Put]:
    """Write a file line by line; it appears whole and on the disk at the end, or not at all.

    :raises StorageError: there is such a file already, or it cannot be written.
    """
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE)
        try:
            with os.fdopen(descriptor, "wb") as file:
                with gzip.GzipFile(fileobj=file, mode="wb", filename="") as packed:
                    yield from _sealing(packed, key)
                file.flush()
                os.fsync(file.fileno())
            # Unlike renaming, linking replaces nothing.
            os.link(draft, path)
        finally:
            draft.unlink(missing_ok=True)
        _sync(path.parent)
    except FileExistsError:
        raise StorageError(f"{path} is there already: choose another file") from None
    except OSError as error:
        raise StorageError(f"{path}: cannot be written: {error.strerror}") from None


def header_line(header: Header) -> dict[str, Any]:
    """Return the first line."""
    return asdict(header)


def holder_line(holder: Holder) -> list[Any]:
    """Return the line of a user who holds credentials."""
    return ["holder", holder.kuid, holder.generation, holder.strategy, holder.created_at]


def erasing_line(kuid: str, strategy: str) -> list[Any]:
    """Return the line of credentials that are to be erased."""
    return ["erasing", kuid, strategy]


def row_line(row: Row) -> list[Any]:
    """Return the line of a row."""
    return ["row", *row]


def read(path: Path, keys: Sequence[bytes]) -> Archive:
    """Read a file to its end.

    :param keys: one of which has to have sealed it.
    :raises StorageError: it is no archive, was changed or cut off, or none of the keys fits.
    """
    lines = _lines(path, keys)
    archive = Archive(Header.parse(next(lines, None), path))
    for line in lines:
        match line:
            case ["row", _, _]:
                archive.rows += 1
            case ["holder", *values]:
                archive.holders.append(_holder(values, path))
            case ["erasing", kuid, strategy]:
                archive.erasing.append((kuid, strategy))
            case ["end", seal]:
                archive.seal = seal
    return archive


def rows(path: Path, keys: Sequence[bytes]) -> Iterator[Row]:
    """Yield the rows of a file; raises at the end, as ``read`` does, if they cannot be trusted."""
    for line in _lines(path, keys):
        match line:
            case ["row", table, values]:
                yield table, values


def _sealing(packed: gzip.GzipFile, key: bytes) -> Iterator[Put]:
    seal = hmac.new(key, digestmod="sha256")

    def put(line: Any) -> None:
        written = json.dumps(line, separators=(",", ":"), allow_nan=False).encode() + b"\n"
        seal.update(written)
        packed.write(written)

    yield put
    packed.write(json.dumps(["end", seal.hexdigest()]).encode() + b"\n")


def _lines(path: Path, keys: Sequence[bytes]) -> Iterator[Any]:
    """Yield the lines; after the last one it is known whether all of them were as written."""
    seals = [hmac.new(key, digestmod="sha256") for key in keys]
    line: Any = None
    with _opened(path) as file:
        try:
            for written in file:
                line = json.loads(written)
                yield line
                if not _ends(line):
                    for seal in seals:
                        seal.update(written)
        except (OSError, EOFError, ValueError, RecursionError, gzip.BadGzipFile):
            raise StorageError(f"{path} is damaged, or no archive of a store") from None
    if not _ends(line):
        raise StorageError(f"{path} was cut off")
    if not any(hmac.compare_digest(seal.hexdigest(), str(line[1])) for seal in seals):
        raise StorageError(
            f"{path} was changed, or written under another master key: it can be restored only "
            "into the installation that it comes from"
        )


def _holder(values: list[Any], path: Path) -> Holder:
    try:
        return Holder(*values)
    except TypeError:
        raise StorageError(f"{path} is damaged, or no archive of a store") from None


def _ends(line: Any) -> bool:
    match line:
        case ["end", _]:
            return True
    return False


@contextmanager
def _opened(path: Path) -> Iterator[gzip.GzipFile]:
    try:
        file = path.open("rb")
    except OSError as error:
        raise StorageError(f"{path}: cannot be read: {error.strerror}") from None
    with file, gzip.GzipFile(fileobj=file, mode="rb") as packed:
        yield packed


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
