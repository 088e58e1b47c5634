"""Values of settings that a plain type does not describe: durations, sizes, origins, networks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from msgspec import Meta

from ostiary.database_urls import alternatives
from ostiary.durations import ENDLESS, duration
from ostiary.settings.declaring import Kind, Unit

EVERY_ORIGIN = "*"

_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?) *(b|kb|mb|gb)?", re.IGNORECASE)
_BYTES = {"b": 1, "kb": 2**10, "mb": 2**20, "gb": 2**30}
_NODE_NAME = re.compile(r"[!-~](?:[ -~]{0,126}[!-~])?")
_NEVER_IN_URLS = set(' #*\\"<>^`{|}')
_DEFAULT_PORTS = {"http": 80, "https": 443}


def size(value: Any) -> int:
    """Read a number of bytes; a kilobyte has 1024, as for Kuzzle."""
    written = _SIZE.fullmatch(value) if isinstance(value, str) else None
    number = float(written[1]) * _BYTES[(written[2] or "b").lower()] if written else value
    if type(number) not in (int, float) or number < 1 or number % 1:
        raise ValueError("not a size")
    return int(number)


def span(value: Any) -> int:
    """Read a duration that may be nothing, and has an end."""
    milliseconds = 0 if value in (0, "0") and value is not False else duration(value)
    if milliseconds == ENDLESS:
        raise ValueError("without end")
    return milliseconds


def origins(value: Any) -> tuple[str, ...]:
    """Read a list of web origins, or ``*`` for every one."""
    listed = _listed(value)
    if listed == [EVERY_ORIGIN]:
        return (EVERY_ORIGIN,)
    for origin in listed:
        parts = urlsplit(origin)
        plain = f"{parts.scheme}://{parts.netloc}"
        default = _DEFAULT_PORTS.get(parts.scheme, parts.port)
        # A browser sends no default port, no capital and no path: such an origin would never match.
        # Nor does it send a letter beyond ASCII (RFC 6454, 6.2).
        as_sent = origin == plain.lower() and origin.isascii()
        if not as_sent or "@" in origin or not parts.hostname or parts.port == default:
            raise ValueError("not an origin")
    return tuple(listed)


def networks(value: Any) -> tuple[str, ...]:
    """Read a list of addresses and networks."""
    from ipaddress import ip_network

    return tuple(str(ip_network(network, strict=False)) for network in _listed(value))


def web_url(value: Any) -> str:
    """Read the address under which browsers reach the server, without its last slash."""
    text = _text(value)
    parts = urlsplit(text)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or "@" in parts.netloc:
        raise ValueError("not a web address")
    # Browsers tell where a page comes from in ASCII alone: no form of such a page would be heard.
    if not text.isascii():
        raise ValueError("not as browsers write it")
    if parts.query or parts.fragment or (parts.port is None and parts.netloc.endswith(":")):
        raise ValueError("more than a web address")
    return text.rstrip("/")


def return_addresses(value: Any) -> tuple[str, ...]:
    """Read a list of addresses that browsers may be sent to, as they are, with a fragment added.

    Whole ones: what is compared by a part is where open redirectors come from (RFC 9700, 4.1).
    """
    listed = _listed(value)
    for address in listed:
        parts = urlsplit(address)
        written = address.isascii() and address.isprintable() and not set(address) & _NEVER_IN_URLS
        secure = parts.scheme == "https" or (
            parts.scheme == "http" and _on_loopback(parts.hostname)
        )
        # Reading the port refuses what is no port.
        if (
            not written
            or not secure
            or not parts.hostname
            or "@" in parts.netloc
            or parts.port == 0
        ):
            raise ValueError("no address to return to")
    return tuple(listed)


def postgresql_url(value: Any) -> str:
    """Read the address of a PostgreSQL database, on one of several hosts."""
    text = _text(value)
    each = [urlsplit(url) for url in alternatives(text)]
    if each[0].scheme not in ("postgresql", "postgres") or len(each[0].path) <= 1:
        raise ValueError("not the address of a PostgreSQL database")
    # Reading the port refuses what is no port.
    if any(one.port == 0 or (len(each) > 1 and not one.hostname) for one in each):
        raise ValueError("not the addresses of servers")
    return text


def postgresql_urls(value: Any) -> tuple[str, ...]:
    """Read where several databases are."""
    return tuple(postgresql_url(url) for url in _listed(value))


def node_name(value: Any) -> str:
    """Read the name of a node, which stands in a header of every answer."""
    text = _text(value)
    if not _NODE_NAME.fullmatch(text):
        raise ValueError("not a name")
    return text


def folder(value: Any) -> Path:
    """Read a path; ``~`` is the home folder."""
    return Path(_text(value)).expanduser().absolute()


def level(value: Any) -> str:
    """Read a level of the log."""
    text = _text(value).lower()
    if text not in LEVELS:
        raise ValueError("not a level")
    return text


def _listed(value: Any) -> list[str]:
    if isinstance(value, str):
        return [entry.strip() for entry in value.split(",")]
    if not isinstance(value, list | tuple):
        raise ValueError("not a list")  # noqa: TRY004 -- read by the caller as a wrong value
    return [_text(entry) for entry in value]


def _on_loopback(host: str | None) -> bool:
    from ipaddress import ip_address

    try:
        return host == "localhost" or ip_address(host or "").is_loopback
    except ValueError:
        return False


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("not a text")
    return value


LEVELS = ("debug", "info", "warning", "error", "critical")

Lifetime = Annotated[
    int, Kind(duration, 'a duration such as "2h" or 7200000, or -1 for no end'), Unit("ms")
]
Span = Annotated[int, Kind(span, 'a duration such as "1s", 1000 or 0'), Unit("ms")]
Size = Annotated[int, Kind(size, 'a size such as "1MB" or 1048576'), Unit("B")]
Origins = Annotated[
    tuple[str, ...],
    Kind(origins, '"*", or a list of origins such as "https://app.example.com", as browsers send'),
]
Networks = Annotated[
    tuple[str, ...], Kind(networks, 'a list of addresses and networks such as "10.0.0.0/8"')
]
ReturnAddresses = Annotated[
    tuple[str, ...],
    Kind(
        return_addresses,
        'a list of addresses such as "https://app.example.com/signed-in": https, or http on this '
        "machine; no fragment, no wildcard",
    ),
]
WebUrl = Annotated[
    str | None,
    Kind(
        web_url, 'a URL such as "https://login.example.com", in ASCII as browsers send it (xn--…)'
    ),
]
NodeName = Annotated[
    str | None, Kind(node_name, "up to 128 letters, digits and signs of ASCII, on one line")
]
DatabaseUrl = Annotated[
    str | None,
    Kind(postgresql_url, "postgresql://host/database, or postgresql://host1,host2/database"),
]
DatabaseUrls = Annotated[
    tuple[str, ...], Kind(postgresql_urls, "a list of postgresql://host/database")
]
Folder = Annotated[Path, Kind(folder, "the path of a folder")]
File = Annotated[Path | None, Kind(folder, "the path of a file")]
Level = Annotated[str, Kind(level, f"one of {', '.join(LEVELS)}")]
Text = Annotated[str, Meta(min_length=1)]
Count = Annotated[int, Meta(ge=1)]
