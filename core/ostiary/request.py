"""What travels between an adapter and the dispatcher: one request in, one response out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from ostiary.errors import OstiaryError

if TYPE_CHECKING:
    from ostiary.services.connections import Socket
    from ostiary.services.sessions import Session

ANONYMOUS = "-1"
"""The kuid of who has not signed in."""

Protocol = Literal["http", "websocket"]

FORM = "application/x-www-form-urlencoded"
EMPTY: Mapping[bytes, bytes] = {}


class Connection(msgspec.Struct, eq=False):
    """Where requests come from: a WebSocket, or one HTTP request.

    :param address: the peer, or what a trusted proxy says of it; empty if it has gone.
    :param headers: of the HTTP request or of the upgrade, as the server gives them.
    :param socket: the WebSocket, if it is one.
    :param proxied: a trusted proxy has passed it on.
    """

    protocol: Protocol
    address: str
    headers: Mapping[bytes, bytes] = EMPTY
    socket: Socket | None = None
    proxied: bool = False

    def header(self, name: str) -> str | None:
        """Return a header by its name in lower case, or None."""
        value = self.headers.get(name.encode())
        return None if value is None else value.decode("latin-1")

    @property
    def sends_form(self) -> bool:
        """The body is a form, which a page of any origin can send without being asked."""
        kind = self.header("content-type") or ""
        return kind.partition(";")[0].strip().lower() == FORM

    def __repr__(self) -> str:
        """Leave out the headers, which hold tokens."""
        return f"<Connection {self.protocol} {self.address}>"


class Request(msgspec.Struct):
    """One call of one action, whatever protocol it came by.

    ``session`` is filled by the dispatcher: None means anonymous.

    :param raw_body: the JSON text that held the body, where there is one.
    :param in_url: some of the arguments stood in a query string.
    :param leaving: a browser gives up a cookie whose token is dead already: everybody may.
    """

    controller: str
    action: str
    args: dict[str, Any]
    body: Any
    jwt: str | None
    connection: Connection
    id: str
    volatile: dict[str, Any] | None = None
    raw_body: bytes | str = b""
    in_url: bool = False
    session: Session | None = None
    leaving: bool = False

    @property
    def kuid(self) -> str:
        """Who asks; ``"-1"`` if nobody has signed in."""
        return ANONYMOUS if self.session is None else self.session.account.kuid

    def __repr__(self) -> str:
        """Leave out everything that may be secret."""
        return f"<Request {self.id} {self.controller}:{self.action}>"


@dataclass(frozen=True, slots=True)
class Reply:
    """What an action answers when a plain value does not say enough.

    :param error: what of it could not be done; the status is that of the error.
    :param cookies: values of ``Set-Cookie``, as ``ostiary.cookies`` makes them.
    :param raw: over HTTP the value is the whole body; WebSocket clients need the envelope.
    """

    value: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    cookies: tuple[str, ...] = ()
    raw: bool = False
    error: OstiaryError | None = None

    @classmethod
    def redirect(cls, location: str, status: int = 302, *, cookies: tuple[str, ...] = ()) -> Reply:
        """Return the answer that sends a client elsewhere, in a form WebSockets can read.

        :param status: 303 has a browser that has posted something go there by GET.
        """
        headers = {"Location": location, "Content-Length": "0"}
        own = {name.lower(): value for name, value in headers.items()}
        value = {"headers": headers, "statusCode": status}
        return cls(value, status=status, headers=own, cookies=cookies)


class Response(msgspec.Struct):
    """The envelope of an answer, member by member (contract, 2.5)."""

    status: int
    error: dict[str, Any] | None
    result: Any
    controller: str | None
    action: str | None
    requestId: str  # noqa: N815 - the name on the wire
    volatile: dict[str, Any] | None
    node: str
    headers: Mapping[str, str]
    index: Any = msgspec.UNSET
    collection: Any = msgspec.UNSET
    room: str | msgspec.UnsetType = msgspec.UNSET


class Answer(msgspec.Struct):
    """A response, encoded: what an adapter sends.

    :param headers: those that the action set, in lower case.
    :param shared: pages of other origins may read it, as far as they may read anything.
    """

    status: int
    body: bytes
    headers: Mapping[str, str]
    cookies: tuple[str, ...] = ()
    shared: bool = True
