"""Rows made for a table that is known by its columns alone."""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Column, Table

from ostiary.testing.subject import Fill

ROWS = 3
DAY = dt.date(2026, 1, 31)
INSTANT = dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC)


def made_rows(table: Table, fill: Fill | None = None) -> Iterator[Mapping[str, Any]]:
    """Yield rows with a value in every column; none like another where it must not be.

    What a foreign key names is made alike in its own table.

    :param fill: changes each row, or leaves it out.
    """
    for n in range(ROWS):
        row: dict[str, Any] = {
            column.name: _value(column, n) for column in table.columns if column.computed is None
        }
        filled = row if fill is None else fill(table, n, row)
        if filled is not None:
            yield filled


def _value(column: Column[Any], n: int) -> Any:
    while column.foreign_keys:
        column = next(iter(column.foreign_keys)).column
    try:
        kind: type = column.type.python_type
    except NotImplementedError:
        return None
    if choices := getattr(column.type, "enums", None):
        return choices[n % len(choices)]
    length = getattr(column.type, "length", None) or 1000
    values: dict[type, Any] = {
        bool: n % 2 == 0,
        int: n + 1,
        float: n + 0.5,
        decimal.Decimal: decimal.Decimal(n),
        bytes: f"{column.name} {n}".encode()[-length:],
        str: f"{column.name} {n}"[-length:],
        dict: {"n": n},
        list: [str(n)],
        dt.date: DAY + dt.timedelta(n),
        dt.datetime: _instant(column, n),
        uuid.UUID: uuid.UUID(int=n),
    }
    return values.get(kind)


def _instant(column: Column[Any], n: int) -> dt.datetime:
    instant = INSTANT + dt.timedelta(n)
    return instant if getattr(column.type, "timezone", False) else instant.replace(tzinfo=None)
