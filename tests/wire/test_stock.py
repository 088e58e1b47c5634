"""The tests of framing and of HTTP once more, where uvicorn speaks it without a class of ours."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ostiary.serving import protocol_of
from ostiary.settings import Settings
from ostiary.testing.wire import serving

from .sites import Person, Site, site
from .test_framing import *  # noqa: F403
from .test_framing import HOSTILE, exchange
from .test_hostile import (  # noqa: F401
    by_http,
    test_bytes_of_any_kind_on_every_route,
    test_urls_headers_and_bytes_of_any_kind,
)
from .test_http import *  # noqa: F403

OF_OUR_CLASS = [
    "test_an_unclear_request_is_refused_and_nothing_after_it_is_read",
    "test_a_request_that_does_not_end_is_cut",
    "test_a_body_has_longer_than_a_head",
    "test_a_connection_that_asks_nothing_more_is_closed",
    "test_a_peer_that_reads_nothing_is_cut",
    "test_a_socket_outlives_the_time_that_its_handshake_had",
    "test_what_comes_behind_a_body_is_no_header",
]
VARYING = re.compile(rb"(?:date|connection): [^\r]*\r\n")

for name in OF_OUR_CLASS:
    del globals()[name]


@pytest.fixture(scope="module")
def stock(settings: Callable[..., Settings]) -> Callable[..., Settings]:
    """Make settings under which uvicorn speaks HTTP by itself."""
    return lambda folder, **changes: settings(folder, **changes, server__protocol="stock")


@pytest.fixture(scope="module")
def closed(
    tmp_path_factory: pytest.TempPathFactory, stock: Callable[..., Settings]
) -> Iterator[Site]:
    """A server as it is by default, but for who speaks HTTP."""
    with site(stock(tmp_path_factory.mktemp("stock"))) as running:
        yield running


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory, stock: Callable[..., Settings]) -> Iterator[Site]:
    """A server of ``--dev``, but for who speaks HTTP."""
    with site(stock(tmp_path_factory.mktemp("stock-dev"), dev=True)) as running:
        yield running


@pytest.fixture(scope="module")
def target(dev: Site) -> Site:
    """The server of ``--dev``: nothing stops what is sent at the door."""
    return dev


@pytest.fixture(scope="module")
def member(closed: Site) -> Person:
    return closed.person("member", name="Member")


@pytest.fixture(scope="module")
def plain(closed: Site) -> Person:
    return closed.person("default")


@pytest.mark.parametrize("name", sorted(name for name in HOSTILE if "endless" not in name))
def test_an_unclear_request_is_refused_also_by_uvicorn(closed: Site, name: str) -> None:
    """HTTP-02, HTTP-03, HTTP-04: but for what has no end, which only our own class bounds."""
    answer = exchange(closed.port, HOSTILE[name])
    assert answer.count(b"HTTP/1.1 ") <= 1
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")


def test_an_answer_says_the_same_whoever_writes_it(
    tmp_path: Path, settings: Callable[..., Settings], stock: Callable[..., Settings]
) -> None:
    """Byte for byte, but for the date, and for how the end of a connection is told."""
    asked = b"%b HTTP/1.1\r\nHost: x\r\nX-Kuzzle-Request-Id: same\r\n%b\r\n"
    closing = b"Connection: close\r\n"
    sent = [
        asked % (b"GET /_me", b"") + asked % (b"GET /nowhere", closing),
        asked % (b"GET /_me", b"Origin: https://app.example\r\n") + asked % (b"HEAD /", closing),
        asked % (b"GET /_publicApi", b"Accept-Encoding: gzip\r\n") + asked % (b"GET /", closing),
    ]
    spoken = []
    for name, made in (("own", settings), ("stock", stock)):
        with serving(made(tmp_path / name, server__name="here")) as port:
            answers = [exchange(port, one) for one in sent]
            spoken.append([VARYING.sub(b"", answer) for answer in answers])
    assert spoken[0] == spoken[1]
    assert all(b"x-kuzzle-node: here" in answer for answer in spoken[0])


@pytest.mark.parametrize(
    "owner, name",
    [(HttpToolsProtocol, "_unsupported_upgrade_warning"), (FlowControl, "pause_reading")],
)
def test_a_uvicorn_that_our_class_does_not_fit_speaks_by_itself(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, owner: type, name: str
) -> None:
    assert protocol_of("bounded") is not HttpToolsProtocol
    monkeypatch.delattr(owner, name)
    with caplog.at_level(logging.WARNING):
        assert protocol_of("bounded") is HttpToolsProtocol
    assert name in caplog.text
