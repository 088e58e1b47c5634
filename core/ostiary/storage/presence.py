"""Which processes are alive: those that hold the lock on a file of their own."""

from __future__ import annotations

import os
import re
import secrets
from contextlib import suppress
from pathlib import Path

from ostiary.storage.sqlite_files import lock, make_folder

INSTANCE = re.compile(r"[0-9a-f]{16}")


class LockFiles:
    """Files in a folder, ``<id>.lock``; the system drops a lock with the process that held it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: tuple[str, int] | None = None

    async def join(self) -> str:
        """Return the id of this process, whose lock is held until ``leave``."""
        if self._held is None:
            make_folder(self._folder)
            instance = secrets.token_hex(8)
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            descriptor = os.open(self._path(instance), flags, 0o600)
            lock(descriptor)
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
