"""HTTP as uvicorn speaks it: bounded in what one request may send, shorter in what is answered.

It stands on names of uvicorn that are not promised to stay: ``serving`` looks whether they are there.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, ClassVar, Literal
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from ostiary.eager import Eager
from ostiary.http_answers import AT_ONCE, CONNECTIONS, KEPT, WHOLE_BODY
from ostiary.http_cycle import Cycle
from ostiary.request import Protocol
from ostiary.websocket_protocol import BoundedWebSocket

LONGEST_HEAD = 2**16
"""Bytes that the head of a request may have; and what comes with a body and is none of it."""

LOOK = 5.0
"""Seconds between two looks at a connection: what a deadline is late by at most where it moves."""

LONGEST_KNOWN = 100
"""Bytes of a URL that is remembered, if it has no query: there may be secrets in those."""

EAGER = "ostiary.eager"
INVALID = "Invalid HTTP request received."
TOO_LARGE = "The head of the request is too large."


class BoundedProtocol(HttpToolsProtocol):
    """Hangs up on heads that are too large, and on peers that are too slow to send or to read.

    A request that arrives in one piece is answered at once, unless the application has to wait.
    One timer a connection looks now and then at the deadline, which is all that a request sets.

    :cvar head_within: seconds from the connection, or the first byte, to the end of a head.
    :cvar body_within: seconds from there to the end of the body.
    :cvar read_within: seconds in which a peer has to take some of what is sent to it.
    """

    speaks: ClassVar[Protocol] = "http"
    head_within: ClassVar[float] = 10
    body_within: ClassVar[float] = 30
    read_within: ClassVar[float] = 30
    keeps = True
    """Whether the connection may have more requests than the next one."""

    cycle: Any
    _eager: Eager
    _timer: asyncio.TimerHandle | None = None
    _deadline = math.inf
    _expected: Literal["head", "body"] | None = None
    _unread, _unread_since = 0, 0.0
    _in_head = True
    _complete = _own = _feeding = False
    _closing = False
    """Nothing more is read: the connection ends with the answers that are due."""
    _head, _beside = 0, 0
    _running: Any = None
    _waiting = b""
    _pending: tuple[Any, Any] | None = None
    _dated: tuple[Any, bytes] = (None, b"")

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        state = self.app_state
        state[CONNECTIONS] = self.connections
        self._eager = state.get(EAGER) or state.setdefault(EAGER, Eager(self.loop))
        self._extensions: Any = {
            AT_ONCE: self.answer_at_once,
            KEPT: self.is_kept,
            WHOLE_BODY: self.whole_body,
        }
        self._simple = self.limit_concurrency is None and not self.root_path
        self._expect()
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._stop_looking()
        self._extensions = {}
        if self._running is not None and not self._running.response_complete:
            self._running.disconnected = True
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, answer what is complete, and give up on a head without end."""
        if self._closing:
            return
        if self._in_head:
            self._head += len(data)
        else:
            self._beside += len(data)
        self._feeding = True
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self.logger.warning(INVALID)
            self.refuse(partial(self.send_400_response, INVALID))
        except httptools.HttpParserUpgrade:
            if self._should_upgrade():
                self._upgrade()
                return
            self._unsupported_upgrade_warning()
        self._feeding = False
        if not self._complete:
            self._expect()
        if self._pending is not None:
            self._begin()
        if (self._head if self._in_head else self._beside) > LONGEST_HEAD:
            self.refuse(partial(self.send_400_response, TOO_LARGE))

    def on_message_begin(self) -> None:
        """Begin a request; its scope is made when its head is complete."""
        self._complete = self.expect_100_continue = False
        self.url, self.headers = b"", []

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note a header; what comes behind a body is none (RFC 9110, 6.5.1)."""
        if self._in_head:
            name = name.lower()
            if name == b"expect" and value.lower() == b"100-continue":
                self.expect_100_continue = True
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Begin to answer, or refuse a head that came in one piece and is too large all the same."""
        self._in_head = False
        self._beside = 0
        if self._head > LONGEST_HEAD and self._size() > LONGEST_HEAD:
            raise ValueError("the head of the request is too large")
        parser = self.parser
        self._own = self._simple and not parser.should_upgrade()
        if not self._own:
            self._leave_to_uvicorn()
            return
        version = parser.get_http_version()
        url = self.url
        known = len(url) <= LONGEST_KNOWN and b"?" not in url
        path, raw_path, query = (_split_known if known else _split)(url)
        scope: Any = {
            "type": "http",
            "asgi": {"version": self.asgi_version, "spec_version": "2.3"},
            "http_version": version,
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme,
            "root_path": "",
            "headers": self.headers,
            "state": self.app_state.copy(),
            "method": parser.get_method().decode("ascii"),
            "path": path,
            "raw_path": raw_path,
            "query_string": query,
            "extensions": self._extensions,
        }
        self.scope = scope
        before = self.cycle
        keep_alive = self.keeps and version != "1.0" and parser.should_keep_alive()
        self.cycle = cycle = Cycle(self, scope, keep_alive=keep_alive)
        if before is None or before.response_complete:
            self._pending = (cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, self.app))

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._beside = 0
        if not self._own:
            super().on_body(body)
        elif not self.cycle.response_complete and self.cycle.feed(body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()

    def on_message_complete(self) -> None:
        """End a request; what comes next is the head of another."""
        self._complete = self._in_head = True
        self._head = self._beside = 0
        if self._expected is not None:
            self._expect_nothing()
        if not self._own:
            super().on_message_complete()
        elif not self.cycle.response_complete:
            self.cycle.end()

    def on_response_complete(self) -> None:
        """Go on with a request that has come meanwhile, or wait for the next one."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self._expected is None:
            self._deadline = self.loop.time() + self.timeout_keep_alive
        if self._waiting:
            self.read_waiting()

    def read_waiting(self) -> None:
        """Read on what had to wait for an answer: nothing does here."""

    def resume_writing(self) -> None:
        """Note that the peer reads."""
        self._unread = 0
        super().resume_writing()

    def answer_at_once(self, scope: Any, status: int, head: bytes, content: bytes) -> bool:
        """Write an answer in one piece; tell whether that could be done.

        uvicorn looks at each header of an answer three times, which costs more than all
        that the application does to check a token. What can be otherwise than plain goes
        its way: a client that reads slowly, one that wants the connection closed, HEAD.

        :param head: the lines of the headers; its values were checked by whoever made it.
        """
        cycle = self._running
        if (
            cycle.scope is not scope
            or cycle.response_started
            or cycle.disconnected
            or not cycle.keep_alive
            or self.flow.write_paused
            or scope["method"] == "HEAD"
        ):
            return False
        headers, lines = self._dated
        if headers is not cycle.default_headers:
            headers = cycle.default_headers
            lines = b"".join([b"%b: %b\r\n" % header for header in headers])
            self._dated = (headers, lines)
        self.transport.write(b"".join((STATUS_LINE[status], lines, head, b"\r\n", content)))
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        cycle.wake()
        self.on_response_complete()
        return True

    def whole_body(self, scope: Any) -> bytes | None:
        """Return the body of a request that has come as a whole; None if it is to be received."""
        cycle = self._running
        whole: bytes | None = cycle.take_whole() if cycle.scope is scope else None
        return whole

    def is_kept(self, scope: Any) -> bool:
        """Tell whether the connection outlives the answer to a request."""
        cycle = self._running
        return bool(cycle.scope is scope and cycle.keep_alive)

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        """Begin to answer, when all is read that has arrived."""
        if self._feeding:
            self._pending = (cycle, app)
            return
        self._running = cycle
        if self._expected is None:
            self._deadline = math.inf
        super()._start_asgi_task(cycle, app)

    def _begin(self) -> None:
        """Answer a request at once, if it is complete and need not wait."""
        assert self._pending is not None
        (cycle, app), self._pending = self._pending, None
        if cycle.more_body or self.transport.is_closing():
            self._start_asgi_task(cycle, app)
            return
        self._running = cycle
        task = self._eager.run(cycle.run_asgi(app))
        if task is not None:
            task.add_done_callback(self.tasks.discard)
            self.tasks.add(task)
            if self._expected is None and not cycle.response_complete:
                self._deadline = math.inf

    def _leave_to_uvicorn(self) -> None:
        """Begin to answer what is no plain request, such as an upgrade, as uvicorn does."""
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers.extend(headers)
        super().on_headers_complete()

    def _upgrade(self) -> None:
        """Hand the connection over; the handshake has as long as a head.

        Answers that are due would be taken for what comes by WebSocket: with them all ends.
        """
        self._feeding = False
        if self._pending is not None:
            self._begin()
        if self.transport.is_closing() or self._ends_with_answers():
            return
        self._expected, self._deadline = "head", self.loop.time() + self.head_within
        self.handle_websocket_upgrade()

    def refuse(self, answer: Callable[[], None]) -> None:
        """Read no more: say so, or end with the answers that are due."""
        if not self.transport.is_closing() and not self._ends_with_answers():
            self._pending = None
            answer()

    def _ends_with_answers(self) -> bool:
        """Have the connection end with the answers that are due; tell whether there are any.

        What is said before them would be taken for the answer to one of them.
        """
        last = self.cycle
        if last is not None and last.more_body and self.pipeline:
            # It is not complete, and waits for others.
            self.pipeline.popleft()
            if self.pipeline:
                last = self.pipeline[0][0]
            else:
                last = self._running if self._pending is None else self._pending[0]
            self.cycle = last
        if last is None or last.response_complete or last.more_body:
            return False
        last.keep_alive = False
        self._closing = self._complete = True
        self._expect_nothing()
        return True

    def _size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def _expect(self) -> None:
        """Give the part of a request that is under way its time, unless it has it already."""
        expected: Literal["head", "body"] = "head" if self._in_head else "body"
        if self._expected != expected:
            self._expected = expected
            within = self.head_within if self._in_head else self.body_within
            self._deadline = self.loop.time() + within

    def _expect_nothing(self) -> None:
        self._expected = None
        self._deadline = math.inf
        if self.cycle is not None and self.cycle.response_complete:
            self._deadline = self.loop.time() + self.timeout_keep_alive

    def _look(self) -> None:
        """Hang up on a peer that is too slow, and look again later."""
        self._timer = None
        protocol = self.transport.get_protocol()
        if isinstance(protocol, BoundedWebSocket) and (
            protocol.handshake_complete or self.transport.is_closing()
        ):
            return
        now = self.loop.time()
        if now >= self._deadline:
            self._late()
        if self._stalled(now):
            self.transport.abort()
            return
        delay = min(LOOK, self.read_within, self._deadline - now)
        self._timer = self.loop.call_later(delay, self._look)

    def _late(self) -> None:
        """Hang up on who had time enough; the time in which nothing is read does not count."""
        self._deadline = math.inf
        if self.flow.read_paused and self._expected is not None:
            self._expected = None
            self._expect()
        elif not self._ends_with_answers():
            self.transport.close()

    def _stalled(self, now: float) -> bool:
        """Tell whether the peer has taken nothing for too long of what is there for it.

        A connection that is closed waits for its peer as well.
        """
        unread = self.transport.get_write_buffer_size()
        if unread < self._unread or not self._unread:
            self._unread_since = now
        self._unread = unread
        return bool(unread) and now - self._unread_since >= self.read_within

    def _stop_looking(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _split(url: bytes) -> tuple[str, bytes, bytes]:
    """Return the path of a URL, decoded and as it is, and its query."""
    parsed = httptools.parse_url(url)
    path = parsed.path.decode("ascii")
    return unquote(path) if "%" in path else path, parsed.path, parsed.query or b""


_split_known = lru_cache(maxsize=512)(_split)
