"""Where a browser goes when its login has come to an end, and what it is given for the way."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct

from ostiary.arguments import Duration

CODE_LIFETIME = 60_000
"""Milliseconds that a page has to hand a one-time code in."""

CHALLENGE = re.compile(r"[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]")
"""A SHA-256 in base64url (RFC 7636, 4.2): of the last letter four bits count."""


class Returning(Struct, frozen=True):
    """What a client has asked for at the first step; it is sealed with the login until its end.

    :ivar to: one of the addresses that the operator has listed, as a whole.
    :ivar challenge: S256 of what the page keeps for handing in the one-time code (RFC 7636); None
        if the token is to be kept in a cookie.
    :ivar expires_in: the lifetime that was asked for, in ms; None is the default.
    :ivar by_page: a page asks that signs in for another one, and sends the browser there itself:
        it wants the one-time code, and no token, whatever way the login comes to its end.
    """

    to: str
    challenge: str | None
    expires_in: int | None = None
    by_page: bool = False

    @property
    def lifetime(self) -> Duration | None:
        """The lifetime that was asked for, as what issues tokens takes it."""
        return None if self.expires_in is None else Duration(self.expires_in)

    @property
    def binding(self) -> bytes | None:
        """The SHA-256 of what has to come with the one-time code; None is the browser's cookie."""
        return None if self.challenge is None else base64.urlsafe_b64decode(f"{self.challenge}=")

    def with_fragment(self, **told: str) -> str:
        """Return the address, and what the page is told: a fragment reaches no server, nor log.

        :param told: letters, digits and signs that stand for themselves there.
        """
        return f"{self.to}#{'&'.join(f'{name}={value}' for name, value in told.items())}"


@dataclass(frozen=True, slots=True)
class Proof:
    """What a one-time code stands for.

    :ivar state: see ``exchanges``.
    """

    state: Mapping[str, Any] = field(repr=False)
    lifetime: int = CODE_LIFETIME
