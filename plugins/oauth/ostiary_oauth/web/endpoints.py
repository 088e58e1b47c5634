"""Which URLs of a provider may be asked, or shown to a browser: it may have written any."""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

LONGEST = 2048
"""Characters of a URL."""

_WRITABLE = re.compile(r"[!#-;=?-\[\]_a-z~]+")
"""What RFC 3986 lets a URL be written of: no space, quote, control character or backslash."""


class UnfitError(ValueError):
    """A URL that is not asked; the text says why, and quotes nothing of it."""


class UnencryptedError(UnfitError):
    """A URL of which nothing is wrong but that it is not https."""


def checked(url: object, *, insecure_http: bool) -> str:
    """Return a URL that may be asked: https, absolute, without user information and fragment.

    :param insecure_http: http is as good, where the host is this machine.
    :raises UnfitError: it is none.
    """
    if not isinstance(url, str) or len(url) > LONGEST or not _WRITABLE.fullmatch(url):
        raise UnfitError("no URL")
    parts = _split(url)
    if parts.username is not None or parts.password is not None:
        raise UnfitError("a URL with user information")
    if "#" in url:
        raise UnfitError("a URL with a fragment")
    if parts.scheme == "https" or (
        parts.scheme == "http" and insecure_http and is_loopback(parts.hostname or "")
    ):
        return url
    raise UnencryptedError("a URL that is not https")


def is_loopback(host: str) -> bool:
    """Tell whether a host of a URL is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _split(url: str) -> SplitResult:
    """Return the parts of a URL that names a host."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise UnfitError("no URL") from None
    if not parts.hostname or port == 0:
        raise UnfitError("a URL without a host")
    return parts
