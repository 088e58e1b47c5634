"""A client that costs a fraction of what it measures: kept connections, and no more of HTTP than is needed.

A library's client takes more than a millisecond for a request, and who measures on the machine of
the server would measure that.
"""

from __future__ import annotations

import asyncio
import json
import re
from asyncio import StreamReader, StreamWriter
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

NOTHING: Mapping[str, str] = MappingProxyType({})
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered; the server says how long each body is."""

    status: int
    head: bytes
    body: bytes

    @property
    def result(self) -> Any:
        """The result of an action that succeeded."""
        assert self.status == HTTPStatus.OK, self
        return json.loads(self.body)["result"]


class Asking:
    """Asks one server, over as many connections as there are questions at once."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._host, self._port = str(address.hostname), address.port
        self._idle: list[tuple[StreamReader, StreamWriter]] = []

    async def ask(self, request: bytes) -> Answer:
        """Send a request as ``request`` makes it, and return the answer."""
        if self._idle:
            reader, writer = self._idle.pop()
        else:
            reader, writer = await asyncio.open_connection(self._host, self._port)
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = LENGTH.search(head)
        assert length is not None, head
        body = await reader.readexactly(int(length[1]))
        self._idle.append((reader, writer))
        return Answer(int(head[9:12]), head, body)

    def close(self) -> None:
        """Close every connection."""
        while self._idle:
            self._idle.pop()[1].close()


def request(
    method: str, path: str, body: Any = None, headers: Mapping[str, str] = NOTHING
) -> bytes:
    """Return a request, with a body of JSON if there is any."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    sent = b""
    if body is not None:
        sent = json.dumps(body).encode()
        lines += ["Content-Type: application/json", f"Content-Length: {len(sent)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + sent
