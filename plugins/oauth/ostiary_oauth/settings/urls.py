"""What an address in the settings may be: https, or http on this machine where that is allowed."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from ostiary_oauth.web.endpoints import UnencryptedError, UnfitError, checked, is_loopback

HTTPS = "an https address"
INSECURE = "http is for this machine alone, and with allowInsecureHttp = true in [plugins.oauth]"
PUBLIC = "one that is public, since forbidPrivateAddresses forbids others"

DEFAULT_PORTS = {"http": 80, "https": 443}

# RFC 8252, 7.1: the scheme of an app on a device is a domain name, in reverse.
_OF_AN_APP = re.compile(r"[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+:[!$-;=?-\[\]_a-z~]+")


def fault_of(
    url: str, *, insecure: bool = False, public: bool = False, query: bool = True
) -> str | None:
    """Say what is wanted of an address that the server or a browser is sent to; None if it is so.

    :param insecure: http may stand where the host is this machine.
    :param public: this machine is nothing to ask.
    :param query: it may have one.
    """
    try:
        checked(url, insecure_http=insecure)
    except UnencryptedError:
        return f"{HTTPS}; {INSECURE}" if url.startswith("http://") else HTTPS
    except UnfitError as error:
        return f"{HTTPS}, and not {error}"
    if "?" in url and not query:
        return f"{HTTPS} without a ?"
    return PUBLIC if public and is_loopback(urlsplit(url).hostname or "") else None


def fault_of_return(url: str, *, insecure: bool = False) -> str | None:
    """Say what is wanted of an address that a provider sends browsers, or an app, back to."""
    return None if _OF_AN_APP.fullmatch(url) else fault_of(url, insecure=insecure)


def origin_of(url: str) -> str:
    """Return scheme and host of an address, and its port if that is not the usual one."""
    parts = urlsplit(url)
    usual = f":{DEFAULT_PORTS[parts.scheme]}"
    return f"{parts.scheme}://{parts.netloc.lower().removesuffix(usual)}"
