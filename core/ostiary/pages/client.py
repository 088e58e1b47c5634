"""The way of a page to the server: that of any client.

A page has no power of its own. What it shows or does it asks of the dispatcher, in the name of who
looks at it, by the actions of the API and with the rights, the limits and the audit log of all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from ostiary.cookies import Cookies
from ostiary.pages.behind import Behind
from ostiary.request import Answer, Connection, Request

if TYPE_CHECKING:
    from ostiary.services.accounts import Account


class Client:
    """Asks what a page wants to know or have done.

    :param connection: that of the browser.
    :param id: of the request that the page answers.
    """

    def __init__(self, behind: Behind, connection: Connection, id: str) -> None:
        self._dispatcher, self._id = behind.dispatcher, id
        self._connection = _as_client(behind.cookies, connection)

    async def account_of(self, jwt: str | None) -> Account:
        """Return whose a token is, and what they may do; without one, who has not signed in.

        :raises errors.TokenInvalid: it is nobody's.
        :raises errors.Failsafe: strangers are not answered now.
        """
        return await self._dispatcher.account_of(self._request("", "", {}, None, jwt))

    def allows(
        self,
        account: Account | None,
        controller: str,
        action: str,
        args: dict[str, Any],
        jwt: str | None,
    ) -> bool:
        """Tell whether an account has the right to an action."""
        return account is not None and account.rights.allow(
            self._request(controller, action, args, None, jwt)
        )

    async def answer(
        self,
        controller: str,
        action: str,
        args: dict[str, Any],
        body: Any,
        jwt: str | None,
        also: Mapping[bytes, bytes],
    ) -> Answer:
        """Return what the server answers to who asks it to run an action.

        :param args: by their names on the wire.
        :param also: further headers, in lower case.
        """
        request = self._request(controller, action, args, body, jwt)
        if also:
            headers = {**self._connection.headers, **also}
            request.connection = msgspec.structs.replace(self._connection, headers=headers)
        return await self._dispatcher.answer(request)

    def _request(
        self, controller: str, action: str, args: dict[str, Any], body: Any, jwt: str | None
    ) -> Request:
        return Request(controller, action, args, body, jwt, self._connection, self._id)


def _as_client(cookies: Cookies, connection: Connection) -> Connection:
    """Return a connection as the API sees it: the token comes beside it, not in a cookie.

    Whose page has sent a form was looked at before; to the API it is no form.
    """
    headers = {
        name: value
        for name, value in connection.headers.items()
        if name not in (b"content-type", b"cookie", b"origin")
    }
    cookie = cookies.without_session(connection.header("cookie") or "")
    if cookie:
        headers[b"cookie"] = cookie.encode("latin-1")
    return msgspec.structs.replace(connection, headers=headers)
