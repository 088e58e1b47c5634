"""How long tokens and API keys live: what is asked for, and what the settings allow."""

from __future__ import annotations

from msgspec import Struct

from ostiary import errors
from ostiary.arguments import Duration

ENDLESS = Duration(-1)


class Lifetimes(Struct, frozen=True):
    """Lifetimes in ms; -1 is without end.

    :param grace: how long a token lives on that was refreshed.
    :param session: how long a sign-in can be prolonged, counted from its beginning.
    """

    default: int
    longest: int
    grace: int = 0
    session: int = ENDLESS

    def choose(self, wanted: Duration | None) -> int:
        """Return the lifetime of a new token; who asks for none gets what the maximum allows.

        :raises errors.TtlExceeded: it is above the maximum, or has no end where there is one.
        """
        bounded = self.longest > ENDLESS
        if wanted is None and bounded and self.default > self.longest:
            return self.longest
        ttl = self.default if wanted is None else wanted
        if bounded and (ttl == ENDLESS or ttl > self.longest):
            raise errors.TtlExceeded
        return ttl

    def bound(self, expires_at: int | None, began_at: int) -> int | None:
        """Return when a token ends, which is no later than the session that it belongs to."""
        if self.session == ENDLESS:
            return expires_at
        last = began_at + self.session
        return last if expires_at is None else min(expires_at, last)
