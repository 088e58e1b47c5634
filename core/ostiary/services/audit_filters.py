"""Which entries of the audit log are wanted, and by which of its indexes they are found.

Neither database can be left to choose. SQLite does not know how often a value occurs. PostgreSQL
takes what matches for evenly spread, while a strategy may have been in use for a month, years ago;
and it plans a statement that is prepared for values that occur as often as others do. So conditions
are written in a way that one index fits, and no other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, and_, tuple_

from ostiary.storage.tables import audit

AT, SEQUENCE = "at", "sequence"
LATEST = 2**62


class Wanted(Struct, frozen=True, kw_only=True):
    """Which entries; None is whichever.

    :ivar user: who did it, or whom or what it was done to.
    :ivar since: from this instant on, in ms; ``until`` is before it.
    :ivar accounts: also the entries about logins that named these accounts.
    """

    event: str | None = None
    events: Sequence[str] = ()
    user: str | None = None
    author: str | None = None
    about: str | None = None
    strategy: str | None = None
    address: str | None = None
    since: int | None = None
    until: int | None = None
    accounts: Sequence[bytes] = ()

    def parts(self, after: int | None = None) -> list[Part]:
        """Return what one index finds each, and together is all; no entry is in two.

        :param after: only entries with greater numbers.
        """
        names = ("author", "about", "address", "strategy", "event")
        equal = tuple((name, value) for name in names if (value := getattr(self, name)) is not None)
        whose = [] if self.user is None else [("author", self.user), ("about", self.user)]
        several: list[tuple[tuple[str, str | bytes], tuple[tuple[str, str], ...]]] = [
            *((one, tuple(whose[:place])) for place, one in enumerate(whose)),
            *((("account", one), tuple(whose)) for one in self.accounts),
        ]
        if not several:
            return [Part(self, equal, after=after)]
        return [Part(self, (one, *equal), unlike, after) for one, unlike in several]


class Part(Struct, frozen=True):
    """Some of the entries that are wanted.

    :ivar equal: columns, and what stands in them.
    :ivar unlike: columns, and what does not: such entries are of another part.
    """

    wanted: Wanted
    equal: tuple[tuple[str, str | bytes], ...] = ()
    unlike: tuple[tuple[str, str], ...] = ()
    after: int | None = None

    @property
    def indexes(self) -> list[str]:
        """The first columns of the indexes that may find them; which is best depends on the log."""
        found = list(dict.fromkeys(name for name, _ in self.equal))
        if "account" in found:
            return ["account"]
        if self.after is not None:
            found.append(SEQUENCE)
        return found or [AT]

    def among(self, by: str) -> ColumnElement[bool]:
        """Return what is true of all entries that are looked at in an index."""
        return and_(*self._looked_up(by))

    def where(self, by: str) -> ColumnElement[bool]:
        """Return what is true of these entries, which are to be found by this index."""
        rest = [audit.c[name].concat("") == value for name, value in self.equal if name != by]
        rest += [audit.c[name].is_distinct_from(value) for name, value in self.unlike]
        if self.wanted.events:
            rest.append(audit.c.event.concat("").in_(self.wanted.events))
        if by == SEQUENCE:
            rest += self._bounds(audit.c.at + 0)
        elif self.after is not None:
            rest.append(audit.c.sequence + 0 > self.after)
        return and_(*self._looked_up(by), *rest)

    def _looked_up(self, by: str) -> Iterator[ColumnElement[bool]]:
        if by == SEQUENCE:
            yield audit.c.sequence > self.after
        elif by == AT:
            yield from self._bounds(audit.c.at)
        else:
            # As one value: no other index fits that, nor its order.
            place = tuple_(audit.c[by], audit.c.at)
            for name, value in self.equal:
                if name == by:
                    since, until = self.wanted.since or 0, self.wanted.until
                    yield place >= (value, since)
                    yield place < (value, LATEST if until is None else until)

    def _bounds(self, at: ColumnElement[int]) -> Iterator[ColumnElement[bool]]:
        # Without a bound SQLite would not search the index, but look all through it.
        yield at >= (self.wanted.since or 0)
        if self.wanted.until is not None:
            yield at < self.wanted.until


def walk(by: str) -> tuple[ColumnElement[Any], ...]:
    """Return the columns in whose order an index gives what it finds."""
    if by in (AT, SEQUENCE):
        return (audit.c[by],)
    return (audit.c[by], audit.c.at)
