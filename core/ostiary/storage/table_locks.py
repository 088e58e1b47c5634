"""The tables of a store on PostgreSQL, to oneself, while servers use them.

A revision that alters one table after the other would wait for a request that waits for
it, and PostgreSQL would end one of the two. So all tables are locked before the first is
altered, and whoever has to wait for one lets the others go.
"""

from __future__ import annotations

import random
import time

from sqlalchemy import Connection, inspect
from sqlalchemy.exc import DBAPIError

from ostiary.storage.postgresql_errors import state
from ostiary.storage.store import StorageError

PATIENCE = "100ms"
"""How long requests wait for one who does not get every table; far less than the second after
which PostgreSQL looks for deadlocks."""

PAUSE = (0.05, 0.15)
DEADLINE = 60.0
UNAVAILABLE = "55P03"


def lock_tables(connection: Connection) -> None:
    """Lock every table of the store that a connection may alter, until its transaction ends.

    :raises StorageError: they are in use all the time.
    """
    quote = connection.dialect.identifier_preparer.quote
    tables = ", ".join(map(quote, inspect(connection).get_table_names()))
    deadline = time.monotonic() + DEADLINE
    while tables and not _locked(connection, tables):
        if time.monotonic() > deadline:
            raise StorageError(
                f"the tables could not be had for an upgrade within {DEADLINE:.0f} seconds, and "
                "nothing was changed: end what uses them for so long, and run it again"
            )
        time.sleep(random.uniform(*PAUSE))  # noqa: S311 - no secret


def _locked(connection: Connection, tables: str) -> bool:
    attempt = connection.begin_nested()
    before = connection.exec_driver_sql("SHOW lock_timeout").scalar_one()
    try:
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{PATIENCE}'")
        connection.exec_driver_sql(f"LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE")
    except DBAPIError as fault:
        attempt.rollback()
        if state(fault) != UNAVAILABLE:
            raise
        return False
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{before}'")
    attempt.commit()
    return True
