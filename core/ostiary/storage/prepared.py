"""Statements that are compiled once, for what is done at every login.

SQLAlchemy remembers what it has compiled as well; but to find it again, and to go through its layers,
costs several times what SQLite needs for the statement.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Executable
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine.result import SimpleResultMetaData
from sqlalchemy.exc import DBAPIError

from ostiary.storage.store import Rows

DIALECT = SQLiteDialect_pysqlite()

REQUIRED = object()

Convert = Callable[[Any], Any] | None


class Prepared:
    """A statement that is built once and run often; ``Database.execute`` takes it as any other.

    It may hold no list that is as long as what it is given (``in_`` with ``expanding``).
    """

    def __init__(self, statement: Executable) -> None:
        self.statement = statement
        self._forms: dict[tuple[str, ...], _Form] = {}

    def run(self, file: sqlite3.Connection, parameters: Any) -> Rows:
        """Run it on SQLite, once or with each of several sets of parameters.

        :raises sqlalchemy.exc.DBAPIError: as SQLAlchemy does.
        :raises KeyError: a value is missing.
        """
        several = isinstance(parameters, list)
        sets: Sequence[Mapping[str, Any]] = parameters if several else (parameters or {},)
        form = self._form(tuple(sets[0]))
        found: list[Any] = []
        touched = 0
        for one in sets:
            try:
                cursor = file.execute(form.sql, form.values(one))
                found += cursor.fetchall()
            except sqlite3.Error as error:
                raise _told(form.sql, error) from error
            touched += cursor.rowcount
        return form.rows(found, touched)

    def _form(self, names: tuple[str, ...]) -> _Form:
        form = self._forms.get(names)
        if form is None:
            form = self._forms[names] = _compiled(self.statement, names)
        return form


class _Form(NamedTuple):
    """How a statement is run, given values of certain names.

    :ivar given: of each place the name, what stands there by default (``REQUIRED``: nothing
        may), and how it is written.
    :ivar read: how each column is read; empty where none has to be converted.
    """

    sql: str
    given: Sequence[tuple[str, Any, Convert]]
    columns: SimpleResultMetaData
    read: Sequence[Convert]

    def values(self, parameters: Mapping[str, Any]) -> list[Any]:
        values = []
        for name, default, write in self.given:
            value = parameters[name] if default is REQUIRED else parameters.get(name, default)
            values.append(value if write is None else write(value))
        return values

    def rows(self, found: list[Any], touched: int) -> Rows:
        if self.read:
            found = [
                tuple(
                    value if read is None else read(value)
                    for value, read in zip(row, self.read, strict=True)
                )
                for row in found
            ]
        rows = Rows(self.columns, iter(found))
        rows.rowcount = len(found) if self.columns.keys else touched
        return rows


def _compiled(statement: Any, names: tuple[str, ...]) -> _Form:
    compiled = statement.compile(dialect=DIALECT, column_keys=list(names) or None)
    if compiled.post_compile_params or compiled.literal_execute_params:
        raise TypeError("a prepared statement holds no list of any length")
    if compiled.prefetch:
        raise TypeError("a prepared statement knows no defaults of columns that Python makes")
    given = []
    for name in compiled.positiontup or ():
        bind = compiled.binds[name]
        write = bind.type.dialect_impl(DIALECT).bind_processor(DIALECT)
        given.append((name, REQUIRED if bind.required else bind.effective_value, write))
    columns = list(statement.exported_columns)
    read = [one.type.dialect_impl(DIALECT).result_processor(DIALECT, None) for one in columns]
    keys = SimpleResultMetaData([one.name for one in columns])
    return _Form(compiled.string, given, keys, read if any(read) else ())


def _told(sql: str, error: sqlite3.Error) -> BaseException:
    """Return an error as SQLAlchemy raises it, without the values."""
    return DBAPIError.instance(sql, None, error, sqlite3.Error, hide_parameters=True)


Statement = Executable | Prepared


def plain(statement: Statement) -> Executable:
    """Return a statement as SQLAlchemy takes it."""
    return statement.statement if isinstance(statement, Prepared) else statement
