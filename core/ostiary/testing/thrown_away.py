"""Programs for tests that run in a folder of their own, which is thrown away."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

START_SECONDS = 60


class ThrownAway(ABC):
    """A program; ``with`` starts it, and throws away what it has.

    :cvar prefix: how the name of its folder begins.
    :param account: who runs it, as ``subprocess`` is told; nothing is who runs the tests.
    """

    prefix: ClassVar[str]

    def __init__(self, account: Mapping[str, Any]) -> None:
        self._account = account
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        # Short, for the path of a socket may not be long.
        self._folder = Path(tempfile.mkdtemp(prefix=self.prefix, dir="/tmp"))
        try:
            self._hand_over(self._folder)
            self._create()
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

    @abstractmethod
    def start(self) -> None:
        """Start it, again on the same port after ``stop``."""

    @abstractmethod
    def stop(self) -> None:
        """Kill it, if it runs."""

    @abstractmethod
    def _create(self) -> None:
        """Write the files that it needs."""

    def _hand_over(self, *paths: Path) -> None:
        """Have files belong to whoever runs it."""
        if self._account:
            for path in paths:
                os.chown(path, self._account["user"], self._account["group"])

    def _run(self, command: Sequence[str | Path], ready: Callable[[int], bool]) -> None:
        """Run it until it is ready; what it says goes into its log.

        :param ready: is asked again and again, with the number of the process.
        :raises RuntimeError: it is not, in time; the message is the end of its log.
        """
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - a program that was looked up
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._folder,
                **self._account,
            )
        deadline = time.monotonic() + START_SECONDS
        while not ready(self._process.pid):
            if self._process.poll() is not None or time.monotonic() > deadline:
                said = (self._folder / "log").read_text(errors="replace")
                raise RuntimeError(f"{Path(command[0]).name} does not start: {said[-2000:]}")
            time.sleep(0.02)

    def _clear(self) -> None:
        self.stop()
        shutil.rmtree(self._folder)
