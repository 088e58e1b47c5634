"""A real PgBouncer for tests, in a folder that is thrown away."""

from __future__ import annotations

import os
import shutil
import signal
import socket

from ostiary.testing.postgresql import account
from ostiary.testing.server import free_port
from ostiary.testing.thrown_away import START_SECONDS, ThrownAway

PROGRAM = "pgbouncer"


class PgBouncerMissing(Exception):
    """None can be started here; the message says how to get it."""


class ThrowAwayPgBouncer(ThrownAway):
    """A pooler on a free port of 127.0.0.1.

    :param settings: lines of ``pgbouncer.ini``; address, port and sockets are added.
    :param users: lines of the file of users.
    :ivar port: where it listens, as long as it lives.
    :raises PgBouncerMissing: it is not installed.
    """

    prefix = "pgb-"

    def __init__(self, settings: str, users: str) -> None:
        program = shutil.which(PROGRAM, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        if program is None:
            raise PgBouncerMissing("PgBouncer is not installed: apt-get install pgbouncer")
        self._program, self._settings, self._users = program, settings, users
        super().__init__(account())
        self.port = free_port()

    def start(self) -> None:
        """Start it, again on the same port after ``stop``."""
        self._run([self._program, self._folder / "pgbouncer.ini"], self._listens)

    def stop(self) -> None:
        """Kill it."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(START_SECONDS)
            self._process = None

    def _listens(self, _: int) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _create(self) -> None:
        own = {"listen_addr": "127.0.0.1", "listen_port": self.port}
        own |= {"unix_socket_dir": self._folder, "auth_file": self._folder / "users.txt"}
        lines = "".join(f"{name} = {value}\n" for name, value in own.items())
        (self._folder / "users.txt").write_text(self._users)
        (self._folder / "pgbouncer.ini").write_text(f"{self._settings}\n{lines}")
        self._hand_over(*self._folder.iterdir())
