"""What a server tells the operator who starts it: where its pages are, and how to be the first."""

from __future__ import annotations

import sys
from ipaddress import ip_address

from msgspec import Struct

from ostiary.networks import in_url
from ostiary.settings import Settings

SETUP = "/-/setup"
"""The page that makes the first administrator."""


class Greeting(Struct, frozen=True, kw_only=True):
    """What is to be told, as soon as the server listens.

    :param alone: there is no administrator.
    :param first: nobody was told yet how the first one is made.
    :param secret: what it takes; None where the operator has set it, or it takes none.
    """

    settings: Settings
    secret: str | None
    alone: bool
    first: bool

    def __repr__(self) -> str:
        return "Greeting()"

    def tell(self, port: int) -> None:
        """Tell it, if there is anything to tell.

        :param port: where the server listens.
        """
        if lines := self._lines(port):
            # At once: the thread that writes the log must not come in between.
            sys.stderr.write("\n".join([*lines, ""]))
            sys.stderr.flush()

    def _lines(self, port: int) -> list[str]:
        settings = self.settings
        if settings.dev:
            return [f"In a browser: {self._dev_link(port)}"] if settings.serves_pages else []
        if not self.first:
            return []
        link = setup_link(settings, self.secret, port) if settings.serves_pages else None
        elsewhere = [_ELSEWHERE] if link and _everywhere(settings) else []
        if self.secret is None:
            return [f"{_BY_SETTING}\n  {link}", *elsewhere] if link else []
        said = f"{_IN_A_BROWSER}\n  {link}\n{_OR_SEND}" if link else _SEND
        return [f"Setup secret: {self.secret}", said, *elsewhere]

    def _dev_link(self, port: int) -> str:
        if self.alone:
            return setup_link(self.settings, self.secret, port)
        return f"{address(self.settings, port)}/"


def setup_link(settings: Settings, secret: str | None, port: int) -> str:
    """Return the link to the page that makes the first administrator.

    The secret stands in the fragment, which a browser sends to nobody (decision 8).
    """
    return f"{address(settings, port)}{SETUP}{'' if secret is None else f'#{secret}'}"


def address(settings: Settings, port: int) -> str:
    """Return where a browser reaches the server; nothing where no port is known."""
    server = settings.server
    if server.public_url is not None:
        return server.public_url
    return f"http://{_host(server.host)}:{port}" if port else ""


def _host(host: str) -> str:
    """Return a host as it stands in a URL; what means every address is reached by loopback."""
    if _is_every(host):
        host = "::1" if ":" in host else "127.0.0.1"
    return in_url(host)


def _is_every(host: str) -> bool:
    """Tell whether a host means every address of the machine."""
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return False


def _everywhere(settings: Settings) -> bool:
    return settings.server.public_url is None and _is_every(settings.server.host)


_IN_A_BROWSER = "Shown this once. Make the first administrator in a browser:"
_OR_SEND = (
    "or send it as X-Ostiary-Setup with POST /_createFirstAdmin, or use `ostiary admin create`."
)
_SEND = (
    "Shown this once. Send it as X-Ostiary-Setup with POST /_createFirstAdmin,\n"
    "or make the first administrator with `ostiary admin create`."
)
_BY_SETTING = "Make the first administrator in a browser, with the setup secret of the settings:"
_ELSEWHERE = "From another machine, put the name or the address of this one into the link."
