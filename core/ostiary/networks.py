"""Network addresses: whom one stands for where it is counted, and how it stands in a URL."""

from __future__ import annotations

import ipaddress
from functools import lru_cache


@lru_cache(maxsize=4096)
def network(address: str) -> str:
    """Return whom an address is counted as: itself, or for IPv6 its /64."""
    if ":" not in address:
        return address
    try:
        given = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    # A socket for both families shows IPv4 as a part of one and the same /64.
    if given.ipv4_mapped is not None:
        return str(given.ipv4_mapped)
    return str(ipaddress.IPv6Network((given, 64), strict=False))


def in_url(host: str) -> str:
    """Return a host as a URL writes it: IPv6 in brackets (RFC 3986, 3.2.2)."""
    return f"[{host}]" if ":" in host else host
