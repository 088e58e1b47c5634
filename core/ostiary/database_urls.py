"""URLs of databases: one may name several servers."""

from __future__ import annotations

import re

_PARTS = re.compile(
    r"(?P<before>[^:/?#]+://(?:[^/?#]*@)?)(?P<hosts>[^/?#]*)(?P<after>.*)", re.DOTALL
)


def alternatives(url: str) -> list[str]:
    """Return a URL for each of the servers that one names, apart from them alike.

    ``urlsplit`` takes no list in which an address of IPv6 stands.
    """
    found = _PARTS.fullmatch(url)
    if found is None:
        return [url]
    return [f"{found['before']}{host}{found['after']}" for host in found["hosts"].split(",")]
