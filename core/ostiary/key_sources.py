"""Where the text of the master key comes from: a variable, a command, or a private file."""

from __future__ import annotations

import os
import secrets
import shlex
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

PATIENCE = 30
"""Seconds that the command which prints the key may take."""


class MasterKeyError(Exception):
    """The master key is missing or unfit; the server does not start. Holds nothing of the key."""


def printed_by(command: str) -> str:
    """Run a command; what it says on its standard error goes to the operator's."""
    try:
        run = subprocess.run(  # noqa: S603 - the operator's own command
            shlex.split(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            timeout=PATIENCE,
            check=True,
        )
    except subprocess.CalledProcessError as failed:
        raise MasterKeyError(f"security.masterKeyCommand exited with {failed.returncode}") from None
    except subprocess.TimeoutExpired:
        raise MasterKeyError(f"security.masterKeyCommand took over {PATIENCE} seconds") from None
    except (OSError, ValueError, IndexError):
        # From None: the text may be a password typed into the command.
        raise MasterKeyError("security.masterKeyCommand cannot be run") from None
    return run.stdout.decode("latin-1")


def content(file: Path) -> str:
    """Return what a file holds that nobody else may read."""
    try:
        # One open file, so that what was checked is what is read.
        with file.open("rb") as opened:
            mode = os.fstat(opened.fileno()).st_mode & 0o777
            if mode & 0o077:
                raise MasterKeyError(
                    f"{file}: others may read or write it (mode {mode:04o}); "
                    f"run: chmod 600 {shlex.quote(str(file))}"
                )
            return opened.read(1024).decode("latin-1")
    except OSError as error:
        raise MasterKeyError(f"{file}: the master key cannot be read: {error.strerror}") from None


def create(file: Path, text: str) -> None:
    """Make a file that appears complete or not at all; one that is there already stays."""
    # If another process was faster, its key is the one.
    _put(file, text, lambda draft: _link(draft, file))


def replace(file: Path, text: str) -> None:
    """Replace a file at once: whoever reads it finds the old text or the new one, whole."""
    _put(file, text, lambda draft: draft.replace(file))


def _put(file: Path, text: str, place: Callable[[Path], object]) -> None:
    draft = file.with_name(f"{file.name}.{secrets.token_hex(8)}.new")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            _write(draft, text.encode())
            place(draft)
            _sync(file.parent)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise MasterKeyError(f"{file}: cannot be written: {error.strerror}") from None


def _link(draft: Path, file: Path) -> None:
    with suppress(FileExistsError):
        os.link(draft, file)


def _write(file: Path, content: bytes) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())


def _sync(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
