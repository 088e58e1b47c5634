"""Indexes on PostgreSQL that are built while servers read and write the table.

An upgrade locks every table of a store until it is done, and an index on millions of rows takes
long. ``CREATE INDEX CONCURRENTLY`` locks nobody out, takes two or three times as long, and can be
part of no transaction: so it is done before that of the upgrade.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, text

from ostiary.storage.store import Indexes

PAUSE = 0.5
"""Seconds between two looks at an index that somebody else is building."""

HAS_COLUMNS = """
SELECT count(*) = cardinality($2::text[]) FROM pg_attribute
WHERE attrelid = to_regclass($1) AND attname = ANY ($2::text[]) AND NOT attisdropped
"""
VALID = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)"
# How far it is only the role that builds is told, and that is not the owner that asks: locks are
# shown to all. Who cleans up by itself (autovacuum) is nobody, and makes way.
BUILDING = """
SELECT EXISTS (
  SELECT FROM pg_locks JOIN pg_stat_activity USING (pid)
  WHERE relation = to_regclass($1) AND datname = current_database()
    AND mode = 'ShareUpdateExclusiveLock' AND granted AND usesysid IS NOT NULL
)
"""

INVALID = text(
    "SELECT relname FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid "
    "WHERE NOT indisvalid AND relname = ANY (:names) "
    "AND relnamespace = to_regnamespace(quote_ident(:schema))"
)

log = logging.getLogger(__name__)


async def build(connection: Any, schema: str, indexes: Indexes) -> None:
    """Build those that are missing, of tables that are there, on a connection of asyncpg.

    What was left half built by somebody who was interrupted is built anew.
    """
    for name, (table, columns) in indexes.items():
        index, whole = f'"{schema}"."{name}"', f'"{schema}"."{table}"'
        if not await connection.fetchval(HAS_COLUMNS, whole, list(columns)):
            continue
        while not (valid := await connection.fetchval(VALID, index)):
            if valid is None:
                log.info("building the index %s, while the table %s is used", name, table)
                listed = ", ".join(f'"{column}"' for column in columns)
                await connection.execute(
                    f'CREATE INDEX CONCURRENTLY IF NOT EXISTS "{name}" ON {whole} ({listed})'
                )
            elif await connection.fetchval(BUILDING, whole):
                await asyncio.sleep(PAUSE)
            elif await connection.fetchval(VALID, index) is False:
                # Nor was it finished between the two looks.
                await connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {index}")


def remove_half_built(connection: Connection, names: Collection[str]) -> None:
    """Remove, in the transaction of an upgrade, what ``build`` was interrupted at.

    Behind a pooler nobody builds it anew before, and a revision would take it for an index.
    """
    schema = connection.dialect.default_schema_name
    found = connection.scalars(INVALID, {"names": list(names), "schema": schema}).all()
    for name in found:
        connection.exec_driver_sql(f'DROP INDEX "{name}"')
