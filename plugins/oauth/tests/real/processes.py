"""Programs that tests start beside the server: what they say is kept, and they end with the test."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Self

PATIENCE = 30.0
PAUSE = 0.02


class ProgramFailed(Exception):
    """A program ended, or did not answer in time; the message is what it has said."""


class Program:
    """A program that gets JSON on its standard input, and then answers at an address.

    :param url: answers with 200 once the program is ready.
    """

    def __init__(self, command: list[str], url: str, environment: dict[str, str]) -> None:
        self._command, self._url, self._environment = command, url, environment
        self._log = tempfile.NamedTemporaryFile(prefix="ostiary-", suffix=".log")  # noqa: SIM115 - it lives as long as the program
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """What it has said since its first start."""
        return Path(self._log.name).read_text(encoding="utf-8", errors="replace")

    def start(self, told: dict[str, Any]) -> Self:
        """Start it, and wait until it answers.

        :raises ProgramFailed: it does not.
        """
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env=self._environment,
        )
        assert self._process.stdin is not None
        with self._process.stdin as pipe:
            pipe.write(json.dumps(told).encode())
        deadline = time.monotonic() + PATIENCE
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise ProgramFailed(self.log)
            time.sleep(PAUSE)
        return self

    def stop(self) -> None:
        """End it; it keeps nothing."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def throw_away(self) -> None:
        """End it, and forget what it has said."""
        self.stop()
        self._log.close()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(self._url, timeout=5):
                return True
        except (OSError, urllib.error.URLError):
            return False
