"""What a statement may do in the file of a SQLite store."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from threading import local

READING = frozenset(
    {
        sqlite3.SQLITE_SELECT,
        sqlite3.SQLITE_READ,
        sqlite3.SQLITE_FUNCTION,
        sqlite3.SQLITE_RECURSIVE,
    }
)
WRITING = READING | {sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE}
ALTERING = WRITING | {
    sqlite3.SQLITE_CREATE_TABLE,
    sqlite3.SQLITE_CREATE_INDEX,
    sqlite3.SQLITE_CREATE_VIEW,
    sqlite3.SQLITE_CREATE_TRIGGER,
    sqlite3.SQLITE_DROP_TABLE,
    sqlite3.SQLITE_DROP_INDEX,
    sqlite3.SQLITE_DROP_VIEW,
    sqlite3.SQLITE_DROP_TRIGGER,
    sqlite3.SQLITE_ALTER_TABLE,
    sqlite3.SQLITE_REINDEX,
    sqlite3.SQLITE_ANALYZE,
    sqlite3.SQLITE_SAVEPOINT,
}
DESCRIBING = frozenset(
    {
        "database_list",
        "foreign_key_check",
        "foreign_key_list",
        "index_info",
        "index_list",
        "index_xinfo",
        "table_info",
        "table_list",
        "table_xinfo",
    }
)
"""Pragmas that a migration may use."""

FUNCTIONS = frozenset({"load_extension", "fts3_tokenizer", "readfile", "writefile", "edit"})
"""Functions that reach beyond the tables; SQLite may have been built with them."""

PAGES = frozenset({"dbstat", "sqlite_dbpage"})
"""Tables that show a file as it lies on the disk."""

TOUCHING = frozenset(
    {
        sqlite3.SQLITE_READ,
        sqlite3.SQLITE_INSERT,
        sqlite3.SQLITE_UPDATE,
        sqlite3.SQLITE_DELETE,
    }
)


class Opened(local):
    """Whether a guard is open, to the thread that asks: connections of many share one guard."""

    here = False


class Guard:
    """SQLite's authorizer: an owner's statements may do what is listed, and nothing else.

    It is asked when a statement is prepared. The transaction itself is the
    core's: an owner who could end it would write what the core rolls back.
    """

    def __init__(self, allowed: frozenset[int], pragmas: frozenset[str] = frozenset()) -> None:
        self._allowed = allowed
        self._pragmas = pragmas
        self._opened = Opened()

    def __call__(self, action: int, first: str | None, second: str | None, *_: str | None) -> int:
        """Answer SQLite: what it wants to do is fine, or the statement fails."""
        if action in (sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH):
            return sqlite3.SQLITE_DENY
        if action == sqlite3.SQLITE_FUNCTION and second in FUNCTIONS:
            return sqlite3.SQLITE_DENY
        if action in TOUCHING and first in PAGES:
            return sqlite3.SQLITE_DENY
        if self._opened.here or action in self._allowed:
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_PRAGMA and first in self._pragmas:
            return sqlite3.SQLITE_OK
        return sqlite3.SQLITE_DENY

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Let the core's own statements pass, those of this thread."""
        self._opened.here = True
        try:
            yield
        finally:
            self._opened.here = False
