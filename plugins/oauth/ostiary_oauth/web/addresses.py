"""Connections to public addresses only, whatever a name resolves to (SSRF, CWE-918)."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from time import monotonic
from typing import Any

import httpcore2

NAT64 = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))
"""Prefixes behind which an IPv4 address stands (RFC 6052, RFC 8215)."""

UNICAST = IPv6Network("2000::/3")
"""What of IPv6 the Internet is made of (RFC 4291, 2.4); the rest was something once, or may be."""

MOST = 4
"""Addresses of a name that are tried."""

PATIENCE = 5.0
"""Seconds to connect in, where nobody says how many."""

Address = IPv4Address | IPv6Address


class PublicOnly(httpcore2.AsyncNetworkBackend):
    """Connects to a host if every address that it has is public, and to the very one checked.

    The name is resolved once: what it resolves to a moment later matters to nobody.
    """

    def __init__(self) -> None:
        self._backend = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the library's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect to the first address that answers.

        :raises httpcore2.ConnectError: none does, or one of them is not public.
        """
        until = monotonic() + (PATIENCE if timeout is None else timeout)
        addresses = await _public(host, port)
        for left in range(len(addresses), 0, -1):
            try:
                return await self._backend.connect_tcp(
                    addresses[-left],
                    port,
                    timeout=max(0.0, until - monotonic()) / left,
                    local_address=local_address,
                    socket_options=socket_options,
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                if left == 1:
                    raise
        raise httpcore2.ConnectError("no address")

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


def is_public(address: Address) -> bool:
    """Tell whether an address is one of the Internet's, and of one machine."""
    inner = _inner(address)
    if inner is not None:
        return is_public(inner)
    if isinstance(address, IPv6Address) and address not in UNICAST:
        return False
    return address.is_global and not address.is_multicast


def may_be_public(host: str) -> bool:
    """Tell whether a host may be one of the Internet's, as far as its name tells."""
    name = host.removesuffix(".").lower()
    try:
        return is_public(ip_address(name))
    except ValueError:
        return name != "localhost" and not name.endswith(".localhost") and not _is_number(name)


def _is_number(name: str) -> bool:
    """Tell whether a name is an IPv4 address as C reads one: ``127.1``, ``0x7f.1``, ``2130706433``.

    No name of the Internet ends so (WHATWG URL, 3.5), and a proxy may read it either way.
    """
    return re.fullmatch(r"[0-9]+|0x[0-9a-f]*", name.rpartition(".")[2]) is not None


def _inner(address: Address) -> IPv4Address | None:
    """Return the IPv4 address that an IPv6 one leads to, if it does."""
    if isinstance(address, IPv4Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if any(address in network for network in NAT64):
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return None


async def _public(host: str, port: int) -> list[str]:
    """Return the addresses of a host, IPv4 first: a host without that fails at once."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
        )
    except (OSError, ValueError) as error:
        raise httpcore2.ConnectError("its name has no address") from error
    texts = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    addresses = [ip_address(text.partition("%")[0]) for text in texts]
    if not all(is_public(address) for address in addresses):
        raise httpcore2.ConnectError("its address is not public")
    return [str(address) for address in sorted(addresses, key=lambda one: one.version)][:MOST]
