"""The rows of a whole store, out of one database and into the same one or another.

Values stay what the store holds: hashes, and secrets that are sealed. The tables
are asked of the database, so that their owner need not be there any more.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from graphlib import CycleError, TopologicalSorter
from itertools import groupby, islice
from typing import Any
from uuid import UUID

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    DateTime,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    Uuid,
    bindparam,
    cast,
    func,
    insert,
    select,
    text,
)

from ostiary.storage.migrate import VERSION_TABLE
from ostiary.storage.store import StorageError

BATCH = 500

Row = tuple[str, list[Any]]
"""The name of a table, and the values of a row, fit for JSON."""

ENCODERS: Mapping[type, tuple[str, Callable[[Any], Any]]] = {
    bytes: ("base64", lambda value: base64.b64encode(value).decode()),
    float: ("float", repr),
    datetime: ("datetime", datetime.isoformat),
    date: ("date", date.isoformat),
    time: ("time", time.isoformat),
    timedelta: ("interval", lambda value: [value.days, value.seconds, value.microseconds]),
    Decimal: ("decimal", str),
    UUID: ("uuid", str),
    list: ("list", lambda value: [encode(one) for one in value]),
}
DECODERS: Mapping[str, Callable[[Any], Any]] = {
    "base64": base64.b64decode,
    "float": float,
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "interval": lambda value: timedelta(*value),
    "decimal": Decimal,
    "uuid": UUID,
    "list": lambda value: [decode(one) for one in value],
}


def tables_of(connection: Connection) -> dict[str, list[str]]:
    """Return the tables of the store that a connection may alter, and their columns.

    A table comes after those that it refers to.
    """
    return {
        table.name: [column.name for column in _written(table)] for table in _reflected(connection)
    }


def dump(connection: Connection) -> Iterator[Row]:
    """Yield every row; nobody can write until the transaction ends.

    :raises StorageError: a value cannot be written down.
    """
    tables = _reflected(connection)
    if connection.dialect.name == "postgresql":
        for table in tables:
            name = connection.dialect.identifier_preparer.quote(table.name)
            connection.execute(text(f"LOCK TABLE {name} IN SHARE MODE"))
    for table in tables:
        rows = connection.execution_options(yield_per=BATCH).execute(
            select(*(_read(column) for column in _written(table)))
        )
        for row in rows:
            yield table.name, [encode(value, table.name) for value in row]


def load(connection: Connection, rows: Iterable[Row]) -> None:
    """Write rows into tables that are there and empty; sequences go on after them."""
    tables = {table.name: table for table in _reflected(connection)}
    for name, some in groupby(rows, key=lambda row: row[0]):
        columns = _written(tables[name])
        statement = insert(tables[name]).values(
            {
                column.name: _bound(column, position, connection.dialect.name)
                for position, column in enumerate(columns)
            }
        )
        values = (values for _name, values in some)
        while batch := list(islice(values, BATCH)):
            connection.execute(statement, [_parameters(columns, row) for row in batch])
    if connection.dialect.name == "postgresql":
        for table in tables.values():
            _advance(connection, table)


def clear(connection: Connection) -> None:
    """Drop the tables of a store that holds nothing.

    :raises StorageError: it holds something.
    """
    tables = _reflected(connection)
    for table in tables:
        if connection.execute(select(table).limit(1)).first() is not None:
            raise StorageError(f"the table {table.name} is not empty")
    for table in reversed(tables):
        table.drop(connection)
    connection.execute(text(f"DROP TABLE IF EXISTS {VERSION_TABLE}"))


def encode(value: Any, where: str = "") -> Any:
    """Return a value as JSON can hold it: what JSON lacks is an object that names its kind."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if type(value) not in ENCODERS:
        raise StorageError(f"{where}: a value of the kind {type(value).__name__} is unknown here")
    kind, written = ENCODERS[type(value)]
    return {kind: written(value)}


def decode(value: Any) -> Any:
    """Return the value that was encoded."""
    if not isinstance(value, dict):
        return value
    ((kind, written),) = value.items()
    return DECODERS[kind](written)


def _reflected(connection: Connection) -> list[Table]:
    """Return the tables, each after those that it refers to."""
    metadata = MetaData()
    metadata.reflect(connection)
    # PostgreSQL knows a table that is referred to by the name of its schema too.
    tables = {one.name: one for one in metadata.tables.values() if one.schema is None}
    order: TopologicalSorter[str] = TopologicalSorter()
    for table in tables.values():
        others = {key.column.table.name for key in table.foreign_keys} - {table.name}
        order.add(table.name, *others)
    try:
        names = list(order.static_order())
    except CycleError:
        raise StorageError("the foreign keys of the tables form a ring") from None
    return [tables[name] for name in names if name != VERSION_TABLE]


def _written(table: Table) -> list[Column[Any]]:
    """Return the columns that are not computed from others."""
    return [column for column in table.columns if column.computed is None]


def _read(column: Column[Any]) -> Any:
    """Return what is read of a column: JSON as it was written, null and all."""
    return cast(column, Text).label(column.name) if isinstance(column.type, JSON) else column


def _bound(column: Column[Any], position: int, dialect: str) -> Any:
    """Return where a value goes; texts of JSON are not to become texts within JSON."""
    if not isinstance(column.type, JSON):
        return bindparam(f"v{position}", type_=column.type)
    given = bindparam(f"v{position}", type_=Text())
    # SQLite keeps the text itself; a cast would make a number of it.
    return given if dialect == "sqlite" else cast(given, column.type)


def _parameters(columns: Sequence[Column[Any]], row: Sequence[Any]) -> dict[str, Any]:
    return {
        f"v{position}": _fitted(decode(value), column)
        for position, (value, column) in enumerate(zip(row, columns, strict=True))
    }


def _fitted(value: Any, column: Column[Any]) -> Any:
    """Return a value of one database as another one has it."""
    match column.type, value:
        case Uuid(), str():
            return UUID(value)
        case String(), UUID():
            return value.hex
        case Boolean(), int():
            return bool(value)
        case DateTime(timezone=True), datetime(tzinfo=None):
            return value.replace(tzinfo=UTC)
        case DateTime(timezone=False), datetime(tzinfo=zone) if zone is not None:
            return value.astimezone(UTC).replace(tzinfo=None)
    return value


def _advance(connection: Connection, table: Table) -> None:
    """Have numbers that the database gives go on after those that are there."""
    name = connection.dialect.identifier_preparer.quote(table.name)
    for column in table.columns:
        if not isinstance(column.type, Integer):
            continue
        sequence = connection.scalar(select(func.pg_get_serial_sequence(name, column.name)))
        greatest = connection.scalar(select(func.max(column))) if sequence else None
        if greatest is not None:
            connection.execute(select(func.setval(sequence, greatest)))
