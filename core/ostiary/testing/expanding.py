"""Whether a revision only adds to the tables that older code goes on to use: expand, then contract.

What is compared is what can be seen of tables. Whether older code understands what newer
code writes into them is for their author to see to.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Column, Connection, ForeignKeyConstraint, MetaData, Table, UniqueConstraint

from ostiary.storage import Backend, Storage, migrate

Names = frozenset[str]


async def breaches(backend: Backend, name: str, storage: Storage) -> list[str]:
    """Build the tables of each revision that names an older one, from those of that one.

    :param name: of a store that may be emptied.
    :returns: a sentence for everything that older code could stumble over.
    """

    def work(connection: Connection) -> list[str]:
        found = []
        for revision, oldest in migrate.declared(storage).items():
            if oldest < revision:
                empty(connection)
                migrate.run_revisions(connection, storage, oldest)
                before = reflected(connection)
                migrate.run_revisions(connection, storage, revision)
                changes = contractions(before, reflected(connection))
                found += [f"{revision} {change}" for change in changes]
        return found

    return await backend.alter(name, work)


def empty(connection: Connection) -> None:
    """Remove everything that revisions may have made."""
    reflected(connection).drop_all(connection)
    if connection.dialect.name == "postgresql":
        # Functions of triggers outlive their tables.
        made = "SELECT oid::regprocedure FROM pg_proc WHERE pronamespace = current_schema::regnamespace"
        for (function,) in connection.exec_driver_sql(made).all():
            connection.exec_driver_sql(f"DROP ROUTINE {function}")


def reflected(connection: Connection) -> MetaData:
    """Return the tables that are there."""
    tables = MetaData()
    tables.reflect(connection)
    return tables


def contractions(before: MetaData, after: MetaData) -> Iterator[str]:
    """Yield what takes something away from, or asks something new of, who used the tables before."""
    for name, table in before.tables.items():
        if name not in after.tables:
            yield f"drops {name}"
        else:
            yield from _of_table(table, after.tables[name])


def _of_table(before: Table, after: Table) -> Iterator[str]:
    for column in before.columns:
        if column.name not in after.columns:
            yield f"drops {column}"
        else:
            yield from _of_column(column, after.columns[column.name])
    for column in after.columns:
        if column.name not in before.columns and _must_be_given(column):
            yield f"wants {column}, which older code does not write, and which has no default"
    known = frozenset(before.columns.keys())
    for names in _unique(after) - _unique(before):
        if names <= known:
            yield f"wants {', '.join(sorted(names))} of {after.name} to be unique"
    for names in _referring(after) - _referring(before):
        if names <= known:
            yield f"has {', '.join(sorted(names))} of {after.name} refer to another table"


def _of_column(before: Column[object], after: Column[object]) -> Iterator[str]:
    if str(before.type) != str(after.type):
        yield f"makes {after} {after.type}, which was {before.type}"
    if before.nullable and not after.nullable:
        yield f"no longer lets {after} be null"
    if before.server_default is not None and after.server_default is None:
        yield f"takes the default of {after} away"


def _must_be_given(column: Column[object]) -> bool:
    made = column.server_default is not None or column.computed is not None
    return not column.nullable and not made and column.identity is None


def _unique(table: Table) -> set[Names]:
    """Return the columns that are unique together, by a constraint or an index of whole rows."""
    constraints = {
        frozenset(one.columns.keys())
        for one in table.constraints
        if isinstance(one, UniqueConstraint)
    }
    return (
        constraints
        | {frozenset(one.columns.keys()) for one in table.indexes if one.unique}
        | {frozenset(table.primary_key.columns.keys())}
    )


def _referring(table: Table) -> set[Names]:
    return {
        frozenset(one.column_keys)
        for one in table.constraints
        if isinstance(one, ForeignKeyConstraint)
    }
