"""Which web pages may call the server, and which of them in the name of a cookie.

A browser says in ``Origin`` whose page sends a request, and no page can forge it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import urlsplit

from ostiary import errors
from ostiary.networks import in_url
from ostiary.request import Connection, Request

EVERY = "*"
DEFAULT_PORTS = {"http": 80, "https": 443}


class Origins:
    """Tells pages apart by where they come from.

    :param listed: the origins that may call the server; ``*`` is every one.
    :param public_url: where browsers reach the server: its own pages come from there.
    :param strangers: what a page from elsewhere may ask of this machine without signing in;
        None leaves that to the rights. In ``--dev`` those are given to everybody.
    """

    def __init__(
        self,
        listed: Sequence[str],
        public_url: str | None,
        strangers: Callable[[Request], bool] | None = None,
    ) -> None:
        self._named = frozenset(listed) - {EVERY}
        self._every = EVERY in listed
        self._own = public_url and _origin(public_url)
        self._strangers = strangers
        self.checked = not self._every or strangers is not None
        """There are requests that ``admit`` refuses."""

    def admit(self, request: Request) -> None:
        """Refuse what a page asks that has no business here.

        :raises errors.UnauthorizedOrigin: its origin is not listed.
        :raises errors.ForeignPage: it would use the open doors of ``--dev``.
        """
        origin = request.connection.header("origin")
        if origin is not None and not self.shared_with(origin) and not posted_elsewhere(request):
            raise errors.UnauthorizedOrigin(origin)
        if self._strangers is None or request.jwt is not None:
            return
        stranger = self._stranger(request.connection)
        if stranger is not None and not self._strangers(request):
            raise errors.ForeignPage(stranger)

    def admit_cookie(self, connection: Connection) -> None:
        """Refuse a request in which a cookie counts, unless a page that is known sends it.

        Browsers add cookies to the requests of any page. What is no page sends no origin; and a
        page without one could send nothing but a form (ASVS 3.5.1).

        :raises errors.CrossSite: another site may be behind it.
        """
        origin = connection.header("origin")
        if origin is None:
            known = connection.header("sec-fetch-site") in (None, "same-origin", "none")
        else:
            known = self.credentialed(origin) or self._is_own(origin, connection)
        if not known or connection.sends_form:
            raise errors.CrossSite

    def same_origin(self, connection: Connection) -> bool:
        """Tell whether a page of this very server sends a request; what sends no origin is none."""
        if connection.header("sec-fetch-site") not in (None, "same-origin"):
            return False
        origin = connection.header("origin")
        return origin is not None and self._is_own(origin, connection)

    def reached_elsewhere(self, connection: Connection) -> str | None:
        """Return where the server is to be reached, if a page of it was opened somewhere else.

        It tells people so: what they send from there does not count.
        """
        origin = connection.header("origin") or ""
        host = (connection.header("host") or "").lower()
        wrong = self._own is not None and origin != self._own and origin.endswith(f"://{host}")
        return self._own if wrong and host else None

    def same_site(self, connection: Connection) -> bool:
        """Tell whether no page of another site has sent a browser here."""
        return connection.header("sec-fetch-site") != "cross-site"

    def shared_with(self, origin: str) -> bool:
        """Tell whether pages of an origin may read answers."""
        return self._every or origin in self._named or origin == self._own

    def credentialed(self, origin: str) -> bool:
        """Tell whether pages of an origin may send cookies: it is named, ``*`` does not count."""
        return origin in self._named

    def _is_own(self, origin: str, connection: Connection) -> bool:
        if self._own is not None:
            return origin == self._own
        # Whether a proxy speaks HTTPS is not known here; the host is that of the browser.
        scheme, _, host = origin.partition("://")
        return scheme in DEFAULT_PORTS and host == (connection.header("host") or "").lower()

    def _stranger(self, connection: Connection) -> str | None:
        """Return where a page comes from that is not of this machine; None if there is none."""
        origin, host = connection.header("origin"), connection.header("host")
        if origin is not None and not self._is_local(origin):
            return origin
        # A foreign name that leads here makes foreign pages those of this server (DNS rebinding).
        if host is not None and not any(self._is_local(f"{it}://{host}") for it in DEFAULT_PORTS):
            return host
        return None

    def _is_local(self, origin: str) -> bool:
        return origin == self._own or origin in self._named or _on_this_machine(origin)


def posted_elsewhere(request: Request) -> bool:
    """Tell whether a page of another site posts what a login is to go on with.

    That is how some providers answer (OAuth 2.0 Form Post Response Mode). The page reads nothing
    of what is answered, and could as well send the browser here by a link.
    """
    return (
        (request.controller, request.action) == ("auth", "login")
        and request.jwt is None
        and isinstance(request.body, dict)
        and "state" in request.body
        and request.connection.sends_form
        and request.connection.header("sec-fetch-site") in (None, "cross-site")
    )


def _origin(url: str) -> str:
    parts = urlsplit(url)
    host = in_url((parts.hostname or "").lower())
    port = "" if parts.port in (None, DEFAULT_PORTS[parts.scheme]) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"


@lru_cache(maxsize=64)
def _on_this_machine(url: str) -> bool:
    try:
        name = urlsplit(url).hostname or ""
        return name == "localhost" or name.endswith(".localhost") or ip_address(name).is_loopback
    except ValueError:
        return False
