"""Forms that only our own pages can send: a signed token in each, bound to browser and session.

Besides it the browser says by ``Origin`` whose page sends the form (OWASP ASVS 3.5.1).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

from ostiary.cookies import Cookies
from ostiary.origins import Origins
from ostiary.request import Connection

FIELD = "formToken"
"""The hidden field that holds the token of a form."""

HALF = 32
"""Hexadecimal digits of each half of a token: of the browser, and of the session."""


class Forms:
    """Signs what forms carry, and knows again what it has signed.

    :param key: the same for all processes and machines of a server.
    """

    def __init__(self, key: bytes, cookies: Cookies, origins: Origins) -> None:
        self._key, self._cookies, self._origins = key, cookies, origins

    def token_for(self, connection: Connection, session: str | None) -> tuple[str, str | None]:
        """Return the token of a form, and the cookie that the browser needs for it, if it has none.

        :param session: the token of who is signed in; a form outlives neither of both.
        """
        held = self._cookies.forms_of(connection)
        secret = held or secrets.token_urlsafe(32)
        token = self._sign(secret) + self._sign(f"{secret}.{session or ''}")
        return token, None if held else self._cookies.forms(secret)

    def is_ours(self, connection: Connection, token: str) -> bool:
        """Tell whether a form was shown by this server, to this browser, in whatever session."""
        held = self._cookies.forms_of(connection)
        if held is None or not self._origins.same_origin(connection):
            return False
        return _same(self._sign(held), token[:HALF])

    def is_of(self, connection: Connection, session: str | None, token: str) -> bool:
        """Tell whether a form of ours was shown in this session."""
        held = self._cookies.forms_of(connection)
        return _same(self._sign(f"{held}.{session or ''}"), token[HALF:])

    def _sign(self, bound: str) -> str:
        return hmac.new(self._key, bound.encode(), hashlib.sha256).hexdigest()[:HALF]


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())
