"""Logs: an event is one line whoever wrote it, and holds no secret."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from contextlib import redirect_stderr

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary import log


@pytest.fixture
def restored() -> Iterator[None]:
    """Give pytest its handlers back."""
    root, server = logging.getLogger(), logging.getLogger("uvicorn.error")
    handlers, level = root.handlers[:], root.level
    below, filters = server.level, server.filters[:]
    yield
    root.handlers[:], server.filters[:] = handlers, filters
    root.setLevel(level)
    server.setLevel(below)


def line(text: str) -> str:
    record = logging.LogRecord("name", logging.INFO, "", 0, "said %s", (text,), None)
    return log.OneLine("%(message)s").format(record)


@given(st.text())
def test_no_text_makes_a_second_line(text: str) -> None:
    """LEAK-06"""
    assert len(line(text).splitlines()) == 1


def test_control_characters_can_still_be_told() -> None:
    assert line("a\nb\x1b[2J\x7f\u2028") == r"said a\x0ab\x1b[2J\x7f\x2028"


def test_an_exception_with_its_trace_is_one_line_too() -> None:
    with pytest.raises(ValueError, match="base") as caught:
        int("5", base=99)
    info = (ValueError, ValueError("two\nlines"), caught.tb)
    record = logging.LogRecord("name", logging.ERROR, "", 0, "failed", (), info)
    assert len(log.OneLine("%(message)s").format(record).splitlines()) == 1


def test_the_origin_of_an_error_tells_the_places_and_not_the_words() -> None:
    """LEAK-05"""

    def inner(secret: str) -> None:
        raise ValueError(f"cannot do with {secret}")

    with pytest.raises(ValueError, match="a password") as caught:
        inner("a password")
    told = log.origin(caught.value)
    assert told.startswith("ValueError at ")
    assert told.index("inner") < told.index("test_the_origin_of_an_error")
    assert "password" not in told


def test_what_is_logged_from_a_level_on_goes_to_standard_error(restored: None) -> None:
    with redirect_stderr(io.StringIO()) as written:
        log.set_up("warning")
        logging.getLogger("ostiary.x").info("quiet")
        logging.getLogger("ostiary.x").warning("loud\nand clear")
    assert written.getvalue().endswith("WARNING ostiary.x loud\\x0aand clear\n")
    assert "quiet" not in written.getvalue()


def test_the_web_server_tells_neither_frames_nor_urls(restored: None) -> None:
    """LEAK-05: both may hold passwords and tokens."""
    server = logging.getLogger("uvicorn.error")
    with redirect_stderr(io.StringIO()) as written:
        log.set_up("debug")
        assert not server.isEnabledFor(logging.DEBUG)
        server.info('%s - "WebSocket %s" [accepted]', "127.0.0.1:1", "/?jwt=kauth-secret")
        server.info("Started server process [%d]", 7)
    assert "secret" not in written.getvalue()
    assert "Started server process [7]" in written.getvalue()
