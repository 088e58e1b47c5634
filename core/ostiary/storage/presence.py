"""Which processes are alive: those that hold the lock on a file of their own."""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from ostiary.storage.sqlite_files import lock, make_folder

INSTANCE = re.compile(r"[0-9a-f]{16}")


class LockFiles:
    """Files in a folder, ``<id>.lock``; the system drops a lock with the process that held it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: tuple[str, int] | None = None

    async def join(self, plugins: Collection[str] = ()) -> str:
        """Return the id of this process, whose lock is held until ``leave``.

        :param plugins: what the file says of it.
        """
        if self._held is None:
            make_folder(self._folder)
            instance = secrets.token_hex(8)
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            descriptor = os.open(self._path(instance), flags, 0o600)
            lock(descriptor)
            os.write(descriptor, json.dumps(sorted(plugins)).encode())
            self._held = instance, descriptor
        return self._held[0]

    async def gone(self, instance: str) -> bool:
        """Tell whether the process with this id has ended."""
        try:
            descriptor = os.open(self._path(instance), os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return True
        try:
            ended = lock(descriptor)
            if ended:
                self._path(instance).unlink(missing_ok=True)
        finally:
            os.close(descriptor)
        return ended

    async def using(self, plugin: str) -> int:
        """Count the other processes whose file names a plugin and is locked."""
        found = 0
        for path in self._folder.glob("*.lock"):
            if self._held is not None and path.stem == self._held[0]:
                continue
            if not INSTANCE.fullmatch(path.stem) or await self.gone(path.stem):
                continue
            # The one that ends at this moment counts no more.
            with suppress(FileNotFoundError):
                found += plugin in _named(path.read_bytes())
        return found

    async def leave(self) -> None:
        """Give the id of this process up."""
        if self._held is not None:
            instance, descriptor = self._held
            self._held = None
            with suppress(FileNotFoundError):
                self._path(instance).unlink()
            os.close(descriptor)

    def _path(self, instance: str) -> Path:
        if not INSTANCE.fullmatch(instance):
            raise ValueError(f"{instance!r} is not the id of an instance")
        return self._folder / f"{instance}.lock"


def _named(content: bytes) -> list[str]:
    """Return what a file of a process names; one that is just being made names nothing yet."""
    return list(json.loads(content)) if content else []
