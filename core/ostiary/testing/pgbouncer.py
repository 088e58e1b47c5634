"""A real PgBouncer for tests, in a folder that is thrown away."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from ostiary.testing.postgresql import account
from ostiary.testing.server import free_port

PROGRAM = "pgbouncer"
START_SECONDS = 30


class PgBouncerMissing(Exception):
    """None can be started here; the message says how to get it."""


class ThrowAwayPgBouncer:
    """A pooler on a free port of 127.0.0.1.

    :param settings: lines of ``pgbouncer.ini``; address, port and sockets are added.
    :param users: lines of the file of users.
    :ivar port: where it listens, as long as it lives.
    :raises PgBouncerMissing: it is not installed.
    """

    def __init__(self, settings: str, users: str) -> None:
        program = shutil.which(PROGRAM, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        if program is None:
            raise PgBouncerMissing("PgBouncer is not installed: apt-get install pgbouncer")
        self._program, self._settings, self._users = program, settings, users
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="pgb-", dir="/tmp"))
        own = {"listen_addr": "127.0.0.1", "listen_port": self.port}
        own |= {"unix_socket_dir": self._folder, "auth_file": self._folder / "users.txt"}
        lines = "".join(f"{name} = {value}\n" for name, value in own.items())
        (self._folder / "users.txt").write_text(self._users)
        (self._folder / "pgbouncer.ini").write_text(f"{self._settings}\n{lines}")
        if owner := account():
            for path in (self._folder, *self._folder.iterdir()):
                os.chown(path, owner["user"], owner["group"])
        try:
            self.start()
        except BaseException:
            self._clear()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._clear()

    def start(self) -> None:
        """Start it, again on the same port after ``stop``."""
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - a program that was looked up
                [self._program, self._folder / "pgbouncer.ini"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._folder,
                **account(),
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._listens():
            if self._process.poll() is not None or time.monotonic() > deadline:
                said = (self._folder / "log").read_text(errors="replace")
                raise RuntimeError(f"PgBouncer does not start: {said[-2000:]}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Kill it."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(START_SECONDS)
            self._process = None

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _clear(self) -> None:
        self.stop()
        shutil.rmtree(self._folder)
