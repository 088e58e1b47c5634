"""Proxies: whose word on where a request comes from is taken, and whose is not.

A proxy adds the address that it was called from at the end of ``X-Forwarded-For``. What stands
before is what others say, the client included. So the list is read from its end, and believed
for as long as each address is that of a trusted proxy.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, MutableMapping, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

FORWARDED = b"x-forwarded-for"
PROXIED = "ostiary.proxied"
"""The key of an ASGI scope that is there when a trusted proxy has passed the request on."""

LONGEST = 1024
"""Bytes of the header that are looked at: its end is what counts."""

AROUND = re.compile(r"\[(.+)\](?::[0-9]+)?|([0-9.]+):[0-9]+")
"""How an address is written that has a port, or could have one."""

Address = IPv4Address | IPv6Address


class Proxies:
    """The proxies that are trusted.

    :param networks: their addresses.
    """

    def __init__(self, networks: Sequence[str]) -> None:
        self._networks = [ip_network(network) for network in networks]
        self._client = lru_cache(maxsize=1024)(self._find)
        self._known = lru_cache(maxsize=1024)(self._is_proxy)

    def locate(self, scope: MutableMapping[str, Any]) -> None:
        """Put the address of the client into an ASGI scope, in place of the proxy's, and say so."""
        peer = scope.get("client")
        if peer is None:
            return
        if self._known(peer[0]):
            scope[PROXIED] = True
        said = b",".join(_values(scope["headers"]))
        if said:
            scope["client"] = (self._client(peer[0], said[-LONGEST:]), 0)

    def _find(self, peer: str, said: bytes) -> str:
        """Return the last address that a trusted proxy, or the connection itself, vouches for.

        What a proxy wrote and cannot be read as an address leaves that proxy as the client: it
        must not help anybody to be counted as somebody else.
        """
        known, address = peer, read_address(peer)
        elements = [element for element in said.decode("latin-1").split(",") if element.strip()]
        while elements and address is not None and self._trusted(address):
            address = read_address(elements.pop())
            known = known if address is None else str(address)
        return known

    def _is_proxy(self, peer: str) -> bool:
        address = read_address(peer)
        return address is not None and self._trusted(address)

    def _trusted(self, address: Address) -> bool:
        return any(address in network for network in self._networks)


def read_address(text: str) -> Address | None:
    """Return the address in a text, without port and zone; None if there is none."""
    text = text.strip().strip('"')
    found = AROUND.fullmatch(text)
    try:
        address = ip_address((found[1] or found[2] if found else text).partition("%")[0])
    except ValueError:
        return None
    # A socket for both families shows IPv4 so.
    return getattr(address, "ipv4_mapped", None) or address


def _values(headers: Iterable[tuple[bytes, bytes]]) -> list[bytes]:
    return [value for name, value in headers if name == FORWARDED]
