"""What an address in the settings may be: https, or http on this machine where that is allowed."""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

LOCALHOST = "localhost"
DEFAULT_PORTS = {"http": 80, "https": 443}
HTTPS = "an https address"
INSECURE = (
    f"{HTTPS}; http is for this machine alone, and with allowInsecureHttp = true in [plugins.oauth]"
)
PUBLIC = f"{HTTPS} that is public, since forbidPrivateAddresses forbids others"

# RFC 8252, 7.1: the scheme of an app on a device is a domain name, in reverse.
_OF_AN_APP = re.compile(r"[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+")
_MARKS = set(' "<>\\^`{|}')


def fault_of(
    url: str, *, insecure: bool = False, public: bool = False, query: bool = True
) -> str | None:
    """Say what is wanted of an address that the server or a browser is sent to; None if it is so.

    :param insecure: http may stand where the host is this machine.
    :param public: this machine is nothing to ask.
    :param query: it may have one.
    """
    parts = _parts(url)
    if parts is None or parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        return HTTPS
    if "@" in parts.netloc:
        return f"{HTTPS} without a user's name"
    if "#" in url:
        return f"{HTTPS} without a #"
    if "?" in url and not query:
        return f"{HTTPS} without a ?"
    if parts.scheme == "http" and not (insecure and is_loopback(parts.hostname)):
        return INSECURE
    return PUBLIC if public and is_loopback(parts.hostname) else None


def fault_of_return(url: str, *, insecure: bool = False) -> str | None:
    """Say what is wanted of an address that a provider sends browsers, or an app, back to."""
    parts = _parts(url)
    if parts is not None and _OF_AN_APP.fullmatch(parts.scheme):
        return "an address without a #" if "#" in url else None
    return fault_of(url, insecure=insecure)


def origin_of(url: str) -> str:
    """Return scheme and host of an address, and its port if that is not the usual one."""
    parts = urlsplit(url)
    usual = f":{DEFAULT_PORTS[parts.scheme]}"
    return f"{parts.scheme}://{parts.netloc.lower().removesuffix(usual)}"


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine."""
    try:
        return host == LOCALHOST or ip_address(host).is_loopback
    except ValueError:
        return False


def _parts(url: str) -> SplitResult | None:
    """Return the parts of what could be an address, or None."""
    if not url.isascii() or not url.isprintable() or set(url) & _MARKS:
        return None
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts
