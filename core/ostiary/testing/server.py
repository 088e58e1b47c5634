"""A real ``ostiary serve`` for tests: processes of its own, on stores that are thrown away."""

from __future__ import annotations

import http.client
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

PORTS = range(20_000, 32_000)
"""Below those that Linux and macOS give to the near end of connections: a port that is let go
for a restart is not taken by one of the clients."""

START_SECONDS = 60
STOP_SECONDS = 30
PAUSE = 0.02


class ServerFailed(Exception):
    """The server ended, or did not answer in time; the message is its log."""


class ThrowAwayServer:
    """A server on a free port of 127.0.0.1; ``with`` starts it and throws everything away.

    :param dev: run with ``--dev``.
    :param database: URL of a PostgreSQL database that is provisioned; None is SQLite.
    :param settings: what stands in ``ostiary.toml``.
    :param environment: variables besides those of this process, whose own ``OSTIARY_*`` are
        not passed on.
    :ivar dev: whether the next start is with ``--dev``; ``workers`` may be changed so too.
    :ivar failsafe: whether the next start is with ``--failsafe``.
    """

    def __init__(
        self,
        *,
        dev: bool = False,
        workers: int = 1,
        database: str | None = None,
        settings: str = "",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.dev, self.workers, self._database = dev, workers, database
        self.failsafe = False
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith("OSTIARY_")
        }
        self._environment = inherited | dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._folder = Path(tempfile.mkdtemp(prefix="ostiary-"))
        self._log = self._folder / "log"
        self._config = self._folder / "ostiary.toml"
        self._config.write_text(settings, encoding="utf-8")
        self.data = self._folder / "data"
        self.port = free_port()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.throw_away()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.throw_away()

    @property
    def url(self) -> str:
        """Where it answers over HTTP."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        """Where it answers over WebSocket."""
        return f"ws://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The number of its main process."""
        return self._running().pid

    @property
    def log(self) -> str:
        """What it wrote to standard error and output, since the first start."""
        if not self._log.exists():
            return ""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def start(self) -> None:
        """Start it, and wait until it answers.

        :raises ServerFailed: it does not.
        """
        words = ["serve", "--port", str(self.port), "--workers", str(self.workers)]
        chosen = {"--dev": self.dev, "--failsafe": self.failsafe}
        flags = [flag for flag, wanted in chosen.items() if wanted]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                self._command([*words, *flags]),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._folder,
                env=self._environment,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise ServerFailed(self.log)
            time.sleep(PAUSE)

    def stop(self) -> int:
        """Ask it to stop (SIGTERM), wait until it has, and return its exit status."""
        self._running().terminate()
        return self.wait()

    def wait(self) -> int:
        """Wait until it has ended, and return its exit status."""
        status = self._running().wait(STOP_SECONDS)
        self.kill()
        return status

    def kill(self) -> None:
        """Kill all its processes at the same moment (SIGKILL); they are gone when this returns."""
        process, self._process = self._running(), None
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            # It has ended by itself, with all its workers.
            process.poll()
        process.wait()
        while _lives(process.pid):
            time.sleep(PAUSE)

    def restart(self) -> None:
        """Start it again, on the same port and the same stores; stop it first if it runs."""
        if self._process is not None:
            self.stop()
        self.start()

    def run(self, *words: str, input: str = "") -> subprocess.CompletedProcess[str]:
        """Run another command of ``ostiary`` on the same stores, and return how it ended.

        :param input: what it reads from standard input.
        """
        return subprocess.run(  # noqa: S603 - our own program
            self._command(words),
            input=input,
            capture_output=True,
            text=True,
            encoding="utf-8",
            cwd=self._folder,
            env=self._environment,
            timeout=START_SECONDS,
            check=False,
        )

    def begin(self, *words: str, **options: Any) -> subprocess.Popen[bytes]:
        """Begin another command on the same stores, without waiting for its end.

        :param options: of ``subprocess.Popen``.
        """
        return subprocess.Popen(  # noqa: S603 - our own program
            self._command(words), cwd=self._folder, env=self._environment, **options
        )

    def throw_away(self) -> None:
        """Kill it if it runs, and remove its stores."""
        if self._process is not None:
            self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _command(self, words: list[str] | tuple[str, ...]) -> list[str]:
        command = [sys.executable, "-m", "ostiary", *words]
        command += ["--data", str(self.data), "--config", str(self._config)]
        return command + (["--database", self._database] if self._database else [])

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/_healthcheck")
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError("the server does not run")
        return self._process


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on."""
    for port in random.sample(PORTS, k=100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError(f"no free port from {PORTS.start} to {PORTS.stop}")


def _lives(group: int) -> bool:
    """Tell whether a process of a group still holds files (Linux; elsewhere no is the answer).

    A killed process whose parent was killed too stays in the list until its new parent asks,
    which may be never; and its first thread may be over before the others.
    """
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        state, its_group, threads = fields[0], int(fields[2]), int(fields[17])
        if its_group == group and (state not in "ZX" or threads > 1):
            return True
    return False
