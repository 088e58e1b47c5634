"""How the accounts of a file stand to those that are there, and to one another."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from ostiary import Store, Workplace
from ostiary_local.naming import Name
from ostiary_local.tables import accounts, identifiers
from ostiary_local.transfer.entries import Entry
from ostiary_local.transfer.values import Refused

AT_ONCE = 500
"""Values that one statement asks for."""


class Seen:
    """The lines in which names and kuids stood; on the disk, for there may be millions.

    It holds digests only, in a file that nobody can open and that goes with the process.
    """

    def __init__(self, file: sqlite3.Connection) -> None:
        self._file = file
        file.execute("CREATE TABLE seen (digest BLOB PRIMARY KEY, line INTEGER) WITHOUT ROWID")

    def note(self, number: int, entry: Entry) -> None:
        """Note what stands in a line.

        :raises Refused: some of it stood in another one.
        """
        marks = [_digest("name", name.key) for name, _ in entry.names]
        if entry.kuid is not None:
            marks.append(_digest("kuid", entry.kuid))
        asked = "SELECT line FROM seen WHERE digest = ?"
        for mark in marks:
            if (before := self._file.execute(asked, (mark,)).fetchone()) is not None:
                raise Refused(f"the same name or kuid stands in line {before[0]}")
        rows = [(mark, number) for mark in dict.fromkeys(marks)]
        self._file.executemany("INSERT INTO seen VALUES (?, ?)", rows)


@contextmanager
def nothing_seen() -> Iterator[Seen]:
    """Begin a file."""
    with closing(sqlite3.connect("", isolation_level=None)) as file:
        file.execute("PRAGMA synchronous = OFF")
        file.execute("PRAGMA journal_mode = OFF")
        yield Seen(file)


@dataclass(frozen=True, slots=True)
class Standing:
    """The accounts that are there and concern some entries.

    :ivar holders: who has a name, by its key and by its spelling.
    :ivar accounts: who has an account, of those who hold a name or whose kuid stands in the file.
    :ivar users: who of them is a user; others are just being made, or erased.
    """

    holders: dict[str, str]
    accounts: frozenset[str]
    users: frozenset[str]

    def of(self, entry: Entry) -> str | None:
        """Return why an account is not to be made: it is there, ``""``; or the reason.

        None if it is to be made.

        :raises Refused: somebody else is at work on it.
        """
        holders = {
            self.holders[text]
            for name, _ in entry.names
            for text in (name.key, name.value)
            if text in self.holders
        }
        if entry.kuid in self.accounts:
            holders.add(str(entry.kuid))
        if not holders:
            return None
        if holders - self.users:
            raise Refused("another process is making or erasing this account: run it again later")
        first = self.holders.get(entry.names[0][0].key)
        if holders == {first} and entry.kuid in (None, first):
            return ""
        if entry.kuid in self.accounts and first is None:
            return f"user {entry.kuid} has an account with other names"
        return self._conflict(entry, min(holders - {str(entry.kuid)}))

    def _conflict(self, entry: Entry, holder: str) -> str:
        # Which one is told by its place: a line with a slip may have a password among its names.
        kinds = [name.kind for name, _ in entry.names if self._held_by(name, holder)]
        return f"its {kinds[0] if kinds else 'kuid'} belongs to user {holder}"

    def _held_by(self, name: Name, holder: str) -> bool:
        return holder in (self.holders.get(name.key), self.holders.get(name.value))


async def look_up(place: Workplace, entries: Sequence[Entry]) -> Standing:
    """Look up what there is."""
    keys = {text for one in entries for name, _ in one.names for text in (name.key, name.value)}
    kuids = {one.kuid for one in entries if one.kuid is not None}
    holders: dict[str, str] = {}
    for column in (identifiers.c.value, identifiers.c.key):
        rows = await _rows(place.store, select(column, identifiers.c.kuid), column, keys)
        holders |= {row[0]: row[1] for row in rows}
    kuids |= set(holders.values())
    column = accounts.c.kuid
    there = {kuid for (kuid,) in await _rows(place.store, select(column), column, kuids)}
    users = await place.users(there | set(holders.values()))
    return Standing(holders, frozenset(there), frozenset(users))


async def _rows(store: Store, wanted: Any, column: Any, values: Iterable[str]) -> list[Any]:
    values, found = list(values), list[Any]()
    async with store.read() as db:
        for start in range(0, len(values), AT_ONCE):
            some = values[start : start + AT_ONCE]
            found += (await db.execute(wanted.where(column.in_(some)))).all()
    return found


def _digest(kind: str, text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=16, person=kind.encode()).digest()
