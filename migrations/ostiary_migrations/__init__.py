"""The Alembic environment that all stores share, and the revisions of the core's own store."""
