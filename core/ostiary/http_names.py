"""Whether uvicorn is as our protocol class needs it, which stands on names that nobody promises."""

from __future__ import annotations

import dis
from collections.abc import Callable, Iterator

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

OF_A_CONNECTION = {
    "_should_upgrade", "_start_asgi_task", "_unsupported_upgrade_warning", "access_log",
    "access_logger", "app", "app_state", "asgi_version", "client", "connections", "cycle",
    "expect_100_continue", "flow", "handle_websocket_upgrade", "headers", "limit_concurrency",
    "logger", "loop", "on_body", "on_header", "on_headers_complete", "on_message_begin",
    "on_message_complete", "on_response_complete", "on_url", "parser", "pipeline", "root_path",
    "scheme", "scope", "send_400_response", "server", "server_state", "tasks",
    "timeout_keep_alive", "transport", "url",
}  # fmt: skip
"""What ``BoundedProtocol`` uses or replaces."""

OF_A_CYCLE = {
    "access_log", "access_logger", "body", "chunked_encoding", "default_headers", "disconnected",
    "expected_content_length", "flow", "keep_alive", "logger", "message_event", "more_body",
    "on_response", "response_complete", "response_started", "scope", "transport",
    "waiting_for_100_continue",
}  # fmt: skip
"""All that a cycle has, since ``Cycle`` is made by itself."""

OF_A_FLOW = {"pause_reading", "read_paused", "resume_reading", "write_paused"}
"""What is asked about reading and writing."""


def differing() -> list[str]:
    """Return the names that uvicorn lacks; and those that its cycles have, and ours would not."""
    connection, cycle = HttpToolsProtocol, RequestResponseCycle
    known = {*dir(connection), *_set_by(connection.__init__, connection.on_message_begin)}
    flow = {*dir(FlowControl), *_set_by(FlowControl.__init__)}
    lacking = (OF_A_CONNECTION - known) | (OF_A_FLOW - flow)
    return sorted(lacking | (OF_A_CYCLE ^ {*_set_by(cycle.__init__)}))


def _set_by(*functions: Callable[..., None]) -> Iterator[str]:
    """Yield the attributes that some methods set."""
    for function in functions:
        for step in dis.get_instructions(function):
            if step.opname == "STORE_ATTR":
                yield step.argval
