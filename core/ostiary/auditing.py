"""What operators read in the audit log from the command line, with the server running or not."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from msgspec.structs import replace

from ostiary.explaining import named
from ostiary.operations import existing
from ostiary.services.audit_filters import Wanted
from ostiary.services.audit_log import Entry
from ostiary.settings import Settings
from ostiary.storage import StorageError

LAST_LINES = 2**20
"""Bytes at the end of an export that are looked at to go on with it; no line is as long."""


async def search(
    settings: Settings, wanted: Wanted, *, login: str | None, strategy: str, size: int
) -> Sequence[Entry]:
    """Return the newest entries that are wanted, the oldest of them first.

    :param login: a name that somebody signs in with; its refused logins are wanted too.
    """
    async with existing(settings) as core:
        if login is not None:
            who = await named(core.services, strategy, login)
            wanted = replace(wanted, user=who.kuid, accounts=who.accounts)
        found = await core.services.audit_log.search(wanted, size=size)
    return found.entries[::-1]


async def export(settings: Settings, file: Path, since: int | None) -> int:
    """Write entries as JSON Lines at the end of a file, from the last one that it holds on.

    :returns: how many were written.
    :raises StorageError: the file holds something else, or cannot be written.
    """
    count = 0
    async with existing(settings) as core:
        try:
            with os.fdopen(os.open(file, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as lines:
                after = _go_on(lines, file)
                read = core.services.audit_log.read(since=since, after=after)
                async for entry in read:
                    lines.write(json.dumps(entry.to_json()).encode() + b"\n")
                    count += 1
                lines.flush()
                os.fsync(lines.fileno())
        except OSError as error:
            raise StorageError(f"{file}: {error.strerror}") from error
    return count


def _go_on(lines: BinaryIO, file: Path) -> int:
    """Go to the end of the last whole line; return the number of its entry, or 0."""
    size = lines.seek(0, os.SEEK_END)
    start = lines.seek(max(0, size - LAST_LINES))
    tail = lines.read()
    whole = tail.rfind(b"\n") + 1
    lines.seek(start + whole)
    if whole == 0:
        if start or (tail and not tail.startswith(b"{")):
            raise StorageError(f"{file} is no export of the audit log")
        lines.truncate()
        return 0
    last = tail[:whole].rstrip(b"\n").rpartition(b"\n")[2]
    try:
        number = int(json.loads(last)["_id"])
    except (ValueError, LookupError, TypeError):
        raise StorageError(f"{file} is no export of the audit log") from None
    # What an export that was interrupted has left of a line.
    lines.truncate()
    return number
