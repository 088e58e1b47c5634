"""Run by Alembic once for each store, on the connection that ``migrate`` hands over.

The transaction is ``migrate``'s too: revisions, version table and all are
committed together, or not at all.
"""

from __future__ import annotations

from alembic import context

attributes = context.config.attributes

context.configure(
    connection=attributes["connection"],
    target_metadata=attributes["tables"],
    compare_type=True,
    compare_server_default=True,
    # SQLite changes a column by making the table anew.
    render_as_batch=attributes["connection"].dialect.name == "sqlite",
)
context.run_migrations()
