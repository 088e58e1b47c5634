"""The cookies that the server sets, and reads again: of a session, a device, a login, forms.

Behind HTTPS their names begin with ``__Host-``: browsers take such a cookie from this very
host alone, so no neighbour in the domain can plant one (RFC 6265bis, 4.1.3.2).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Literal

from ostiary import errors
from ostiary.request import Connection

SESSION, DEVICE, FLOW, FORMS = "authToken", "ostiaryDevice", "ostiaryLogin", "ostiaryForms"
LANGUAGE = "ostiaryLanguage"
DEVICE_DAYS, LANGUAGE_DAYS = 30, 365
FLOW_SECONDS = 600
NOBODY = "null"
"""What the cookie of a session holds after logging out."""

VALUE = re.compile(r"[!#-+\--:<-\[\]-~]*")
"""What a value may consist of (RFC 6265, 4.1.1)."""

LOGIN = re.compile(r"[A-Za-z0-9_-]{43}")
"""What the cookie of a login under way holds."""

NEVER = datetime.max.replace(tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Cookies:
    """Makes the values of ``Set-Cookie``, and finds cookies in a request.

    :param sessions: a cookie may say who asks.
    :param secure: browsers reach the server by HTTPS, and shall send cookies no other way.
    """

    def __init__(self, *, sessions: bool, secure: bool) -> None:
        self.sessions, self._secure = sessions, secure

    def session(self, token: str, expires_at: int | None) -> str:
        """Return the cookie of a session; one without end lasts as long as the browser runs.

        :param expires_at: milliseconds since the epoch.
        """
        expires = "" if expires_at is None else f"; Expires={_date(expires_at)}"
        return self._made(SESSION, token, f"{expires}; HttpOnly", "Strict")

    def no_session(self) -> str:
        """Return the cookie that takes the place of a session's."""
        return self._made(SESSION, NOBODY, "; HttpOnly", "Strict")

    def device(self, value: str) -> str:
        """Return the cookie by which a browser is known again, whoever uses it."""
        # Lax: a sign-in that comes back from a provider is still one of this device.
        age = int(timedelta(days=DEVICE_DAYS).total_seconds())
        return self._made(DEVICE, value, f"; Max-Age={age}; HttpOnly", "Lax")

    def flow(self, value: str) -> str:
        """Return the cookie of a browser that was sent elsewhere, and is to come back itself."""
        # Lax: it comes back from another site. The path is not narrowed, for ``__Host-`` forbids
        # it, and who could plant this cookie could have somebody else finish their login.
        return self._made(FLOW, value, f"; Max-Age={FLOW_SECONDS}; HttpOnly", "Lax")

    def flow_of(self, connection: Connection) -> str | None:
        """Return what the cookie of a login under way holds; None if there is no single one."""
        values = self._values(connection, FLOW)
        return values.pop() if len(values) == 1 and all(map(LOGIN.fullmatch, values)) else None

    def forms(self, value: str) -> str:
        """Return the cookie of a browser that is shown forms: what they send is bound to it."""
        # Lax: who comes from elsewhere and is shown a form keeps those of other windows.
        return self._made(FORMS, value, "; HttpOnly", "Lax")

    def forms_of(self, connection: Connection) -> str | None:
        """Return what the cookie of forms holds; None if there is no single one."""
        values = self._values(connection, FORMS)
        return values.pop() if len(values) == 1 and all(map(LOGIN.fullmatch, values)) else None

    def language(self, value: str) -> str:
        """Return the cookie of the language that pages are read in."""
        age = int(timedelta(days=LANGUAGE_DAYS).total_seconds())
        return self._made(LANGUAGE, value, f"; Max-Age={age}; HttpOnly", "Lax")

    def language_of(self, connection: Connection) -> str | None:
        """Return the language that was chosen; None if none was, or no single one."""
        values = self._values(connection, LANGUAGE)
        return values.pop() if len(values) == 1 else None

    def without_session(self, header: str) -> str:
        """Return a ``Cookie`` header without the cookie of a session."""
        wanted = self._name(SESSION)
        pairs = header.split(";")
        return ";".join(one for one in pairs if one.partition("=")[0].strip() != wanted)

    def token_in(self, made: str) -> str | None:
        """Return the token in a ``Set-Cookie`` of a session; None if it is of something else."""
        name, _, rest = made.partition("=")
        return rest.partition(";")[0] if name == self._name(SESSION) else None

    def session_of(self, connection: Connection) -> str | None:
        """Return the token in the cookie of a session; None if there is none.

        :raises errors.CookieInvalid: it cannot be read, or there are two.
        """
        values = self._values(connection, SESSION)
        if len(values) > 1 or not all(map(VALUE.fullmatch, values)):
            raise errors.CookieInvalid
        token = values.pop() if values else ""
        return None if token in ("", NOBODY) else token

    def device_of(self, connection: Connection) -> str | None:
        """Return what the cookie of a device holds; None if there is none, or no single one."""
        values = self._values(connection, DEVICE)
        return values.pop() if len(values) == 1 and all(map(VALUE.fullmatch, values)) else None

    def _name(self, name: str) -> str:
        return f"__Host-{name}" if self._secure else name

    def _made(self, name: str, value: str, then: str, same_site: Literal["Strict", "Lax"]) -> str:
        if not VALUE.fullmatch(value):
            raise ValueError("no value of a cookie")
        secure = "; Secure" if self._secure else ""
        return f"{self._name(name)}={value}; Path=/{then}{secure}; SameSite={same_site}"

    def _values(self, connection: Connection, name: str) -> set[str]:
        """Return the different values that one name has."""
        wanted, values = self._name(name), set()
        for pair in (connection.header("cookie") or "").split(";"):
            given, _, value = pair.partition("=")
            if given.strip() == wanted:
                value = value.strip()
                quoted = len(value) > 1 and value[0] == value[-1] == '"'
                values.add(value[1:-1] if quoted else value)
        return values


def _date(milliseconds: int) -> str:
    try:
        instant = EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        instant = NEVER
    return format_datetime(instant.replace(microsecond=0), usegmt=True)
