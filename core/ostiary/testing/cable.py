"""A way to a server that can fall silent: no byte comes through, and nobody says farewell."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

PIECE = 65536


class Cable:
    """Listens on a port of 127.0.0.1 and passes on what comes, to another port and back.

    What is sent while it is silent arrives when it is mended, if anybody still wants it.

    :ivar port: where it listens.
    :ivar far_port: from where it speaks for the last one who has connected: by this the server
        knows them; 0 is nobody.
    """

    def __init__(self, to: int) -> None:
        self._to = to
        self._passing = threading.Event()
        self._passing.set()
        self._ended = False
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.far_port = 0

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended = True
        self._passing.set()
        # A thread that accepts is not woken by closing what it listens on.
        socket.create_connection(("127.0.0.1", self.port)).close()
        for one in list(self._sockets):
            _cut(one)
        for thread in self._threads:
            thread.join()
        self._listening.close()

    def silence(self) -> None:
        """Let nothing through from now on."""
        self._passing.clear()

    def mend(self) -> None:
        """Let everything through again."""
        self._passing.set()

    def _accept(self) -> None:
        while True:
            near, _ = self._listening.accept()
            if self._ended:
                near.close()
                return
            try:
                far = socket.create_connection(("127.0.0.1", self._to))
            except OSError:
                near.close()
                continue
            for one in (near, far):
                # What is small is passed on at once, too.
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sockets |= {near, far}
            self.far_port = far.getsockname()[1]
            self._start(self._pass_on, near, far)
            self._start(self._pass_on, far, near)

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while piece := source.recv(PIECE):
                self._passing.wait()
                target.sendall(piece)
        for one in (source, target):
            _cut(one)
        self._sockets.discard(source)
        source.close()

    def _start(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, name="cable")  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()


def _cut(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
