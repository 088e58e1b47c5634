"""Where connections go if the operator forbids addresses that are not public."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

import httpcore2
import pytest

from ostiary_oauth.web.addresses import PublicOnly, is_public, may_be_public

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "address", ["9.9.9.9", "2620:fe::9", "::ffff:9.9.9.9", "64:ff9b::909:909", "2002:909:909::1"]
)
async def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1"),
        *("0.0.0.0", "255.255.255.255", "224.0.0.1", "192.0.2.1", "198.18.0.1", "240.0.0.1"),
        *(
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "2001:db8::1",
            "fec0::1",
            "::7f00:1",
            "5f00::1",
        ),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe"),
        *("64:ff9b:1::a00:1", "2002:7f00:1::", "2002:a00:1::1"),
    ],
)
async def test_any_other_is_not_however_it_is_written(address: str) -> None:
    """OAU-18: SSRF, CWE-918."""
    assert not is_public(ip_address(address))
    assert not may_be_public(address)
    assert not may_be_public("localhost")
    assert not may_be_public("a.localhost")
    assert may_be_public("id.example.org")


@pytest.mark.parametrize(
    "host", ["localhost.", "LOCALHOST", "127.1", "0x7f.1", "2130706433", "0177.0.0.1", "127.0.0.1."]
)
async def test_no_other_spelling_of_an_address_reaches_a_proxy(host: str) -> None:
    """OAU-18: a proxy reads it as the system does, and not as we do."""
    assert not may_be_public(host)


Resolve = Callable[..., None]


@pytest.fixture
async def resolving(monkeypatch: pytest.MonkeyPatch) -> Resolve:
    """Let names resolve as a test says, each time to the next answer."""

    def resolve(*answers: list[str]) -> None:
        left = list(answers)

        async def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
            found = left.pop(0)
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in found]

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)

    return resolve


async def test_a_name_with_one_address_that_is_not_public_is_not_connected_to(
    resolving: Resolve,
) -> None:
    """OAU-18: nor if another of its addresses is."""
    resolving(["9.9.9.9", "127.0.0.1"])
    with pytest.raises(httpcore2.ConnectError, match="not public"):
        await PublicOnly().connect_tcp("id.example.org", 443)


async def test_the_address_that_was_checked_is_the_one_that_is_connected_to(
    resolving: Resolve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OAU-18: a name that resolves to another address a moment later (DNS rebinding) wins nothing."""
    connected: list[str] = []

    async def connect(self: object, host: str, *_: object, **__: object) -> Any:
        connected.append(host)
        raise httpcore2.ConnectError("nobody there")

    monkeypatch.setattr(httpcore2.AnyIOBackend, "connect_tcp", connect)
    resolving(["2620:fe::9", "9.9.9.9", "149.112.112.112"], ["127.0.0.1"])
    with pytest.raises(httpcore2.ConnectError, match="nobody there"):
        await PublicOnly().connect_tcp("id.example.org", 443)
    assert connected == ["9.9.9.9", "149.112.112.112", "2620:fe::9"]


async def test_a_host_that_is_no_name_is_no_failure_of_ours() -> None:
    for host in ("a" * 300, "a..b", "", "\x00"):
        with pytest.raises(httpcore2.ConnectError):
            await PublicOnly().connect_tcp(host, 443, timeout=2)
